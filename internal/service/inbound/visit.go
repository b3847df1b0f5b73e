package inbound

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/peer"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/spf"
)

// Client is who connects.
type Client struct {
	// Addr is where they are; the zero Addr: on this machine.
	Addr netip.Addr
	// Local is the address of ours that they have connected to, if that is known.
	Local netip.Addr
}

// Visit is one stranger's connection. It is not safe for concurrent use.
type Visit struct {
	g      *Guard
	client Client

	looking sync.WaitGroup
	cancel  context.CancelFunc // of looking
	found   chan struct{}      // closed when the lookups below have ended
	block   []listed           // these five are set before found is closed
	allow   []listed
	iprev   sender.IPRev
	dynamic bool // iprev.Name looks like a home's
	past    past // of the client's network

	network, host subject // the client's, as the memory knows them

	helo    string
	problem string // of the name
	name    *nameLookup

	from    string
	spf     *spf.Result // for from; nil: not asked yet
	mute    bool        // its domain accepts no mail, if it was asked
	asked   bool
	awaited bool // somebody greylisted may still show a signature of from's domain
	back    bool // somebody greylisted has come back

	check Check // of the message
}

// nameLookup is a look into the DNS for the name in HELO.
type nameLookup struct {
	cancel  context.CancelFunc
	done    chan struct{}
	unknown bool // there is no such name; set before done is closed
}

// lookTime bounds the lookups that begin with the connection.
const lookTime = 10 * time.Second

// Connect begins a visit. It is nil, without an error, if the client isn't to be checked. The lists are asked from now on; ctx
// lasts as long as the visit. Errors: a Refusal.
func (g *Guard) Connect(ctx context.Context, c Client) (*Visit, error) {
	c.Addr, c.Local = c.Addr.Unmap().WithZone(""), c.Local.Unmap().WithZone("")
	if g.o.Resolver == nil || g.Trusts(c.Addr) {
		return nil, nil
	}
	if !g.connections.take(peer.Network(c.Addr), g.o.Now()) {
		return nil, g.counts.refuse(Refusal{Reason: ConnectionRate, Code: 421, Status: "4.7.0", Text: "Too many connections from your network, try again later", Close: true, Quiet: g.toldOf(c.Addr)})
	}
	v := &Visit{g: g, client: c, found: make(chan struct{})}
	// Providers have their servers side by side, and mail that has to come back may come from the next one.
	v.network = subject{aNetwork, g.memory.hash("network", farm(c.Addr).String())}
	v.host = subject{aHost, g.memory.hash("host", peer.Network(c.Addr).String())}
	ctx, v.cancel = context.WithTimeout(ctx, lookTime)
	v.looking.Go(func() { v.look(ctx) })
	return v, nil
}

// Close ends the visit, and what is still being looked up for it.
func (v *Visit) Close() {
	v.cancel()
	if v.name != nil {
		v.name.cancel()
	}
	v.looking.Wait()
}

// look finds out about the client.
func (v *Visit) look(ctx context.Context) {
	defer close(v.found)
	v.iprev.Status = authres.TempError // until we know better
	var wg sync.WaitGroup
	look := func(what string, f func()) { wg.Go(func() { v.g.survives(what, f) }) }
	look("block lists", func() { v.block = v.g.ask(ctx, v.g.o.Block, v.client.Addr, true) })
	look("allow lists", func() { v.allow = v.g.ask(ctx, v.g.o.Allow, v.client.Addr, false) })
	look("iprev", func() {
		v.iprev = sender.CheckIPRev(ctx, v.g.dns, v.client.Addr)
		v.dynamic = looksDynamic(v.iprev.Name, v.client.Addr)
	})
	look("record", func() {
		if p, err := v.g.memory.recall(ctx, v.g.o.Now(), v.network); err == nil {
			v.past = p[0]
		}
	})
	wg.Wait()
}

// wait returns when all is known of the client that will be.
func (v *Visit) wait(ctx context.Context) {
	if v.looked() {
		return
	}
	select {
	case <-v.found:
	case <-ctx.Done():
		v.cancel()
		<-v.found
	}
}

// looked reports whether wait has nothing to wait for.
func (v *Visit) looked() bool {
	select {
	case <-v.found:
		return true
	default:
		return false
	}
}

// farm is what belongs to one sender as a rule: an IPv4 /24 or an IPv6 /64.
func farm(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for the zero Addr only
	return p
}

// Hello takes the name in HELO or EHLO. Errors: a Refusal.
func (v *Visit) Hello(ctx context.Context, name string) error {
	v.helo = name
	v.problem = heloProblem(name, v.client.Addr, v.g.o.Hostname, v.client.Local)
	v.resolve(ctx)
	if !v.g.o.Helo.Refuse {
		return nil
	}
	if p := v.heloProblem(ctx); p != "" {
		return v.g.counts.refuse(Refusal{Reason: BadHelo, Code: 550, Status: "5.7.1", Text: "Your name can't be right: " + p})
	}
	return nil
}

// resolve begins to look for the name in the DNS, if that is wanted.
func (v *Visit) resolve(ctx context.Context) {
	if v.name != nil {
		v.name.cancel()
		<-v.name.done
		v.name = nil
	}
	if v.problem != "" || !v.g.o.Helo.Resolve || strings.HasPrefix(v.helo, "[") {
		return
	}
	name, l := v.helo, &nameLookup{done: make(chan struct{})}
	v.name = l
	ctx, l.cancel = context.WithTimeout(ctx, lookTime)
	v.looking.Go(func() {
		defer close(l.done)
		v.g.survives("name in HELO", func() {
			if _, err := v.g.o.Resolver.LookupIP(ctx, name); gone(err) {
				_, err = v.g.o.Resolver.LookupMX(ctx, name)
				l.unknown = gone(err)
			}
		})
	})
}

// gone reports whether the DNS says that there is nothing.
func gone(err error) bool {
	return err != nil && (fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid)) && dns.ReasonOf(err) != dns.Bogus
}

// heloProblem says what is wrong with the client's name; "" if nothing is.
func (v *Visit) heloProblem(ctx context.Context) string {
	if v.problem != "" || v.name == nil {
		return v.problem
	}
	select {
	case <-v.name.done:
	case <-ctx.Done():
		return ""
	}
	if v.name.unknown {
		return "it is not in the DNS"
	}
	return ""
}

// Mail begins a message with its reverse-path, without brackets. Errors: a Refusal.
func (v *Visit) Mail(_ context.Context, from string) error {
	if !v.g.messages.take(peer.Network(v.client.Addr), v.g.o.Now()) {
		return v.g.counts.refuse(Refusal{Reason: MessageRate, Code: 450, Status: "4.7.1", Text: "Too many messages from your network, try again later", Quiet: v.g.toldOf(v.client.Addr)})
	}
	v.from, v.spf, v.mute, v.asked, v.awaited = strings.ToLower(from), nil, false, false, false
	v.back = false
	return nil
}

// Recipient takes a recipient of the message, whether or not there is such a mailbox: who is told to come back learns
// nothing of that. Errors: a Refusal.
func (v *Visit) Recipient(ctx context.Context, address string) error {
	if local := v.g.o.Local; local != nil {
		if ours, err := local(ctx, address); err != nil || !ours {
			return nil // whoever is asked next says so
		}
	}
	address = strings.ToLower(address)
	if len(v.g.o.Block) > 0 && !isRole(address) {
		if err := v.blocked(ctx, address); err != nil {
			return err
		}
	}
	if err := v.refuseNullMX(ctx, address); err != nil {
		return err
	}
	return v.greylist(ctx, address)
}

// isRole: who is blocked by mistake must be able to say so (RFC 5321 §4.5.1, RFC 2142 §4).
func isRole(address string) bool {
	local, _, _ := strings.Cut(address, "@")
	return local == "postmaster" || local == "abuse"
}

// blocked refuses clients on block lists, unless a list of the good has them too.
func (v *Visit) blocked(ctx context.Context, address string) error {
	v.wait(ctx)
	l := v.worst()
	if l == nil || v.vouched() || v.welcome(ctx, address) {
		return nil
	}
	text := fmt.Sprintf("Your address %s is listed by %s", v.client.Addr, l.list.Zone)
	if l.text != "" {
		text += ": " + l.text
	}
	return v.g.counts.refuse(Refusal{Reason: BlockList, Code: 554, Status: "5.7.1", Text: printable(text)})
}

// vouched reports whether a list of the good has the client, or an administrator. The lookups must have ended.
func (v *Visit) vouched() bool {
	return len(v.allow) > 0 || v.g.o.Welcome != nil && v.g.o.Welcome(v.client.Addr)
}

// welcome reports whether an administrator wants the sender's mail for a recipient, and SPF proves that it is theirs.
func (v *Visit) welcome(ctx context.Context, to string) bool {
	f := v.g.o.WelcomeSender
	return f != nil && v.from != "" && f(v.from, to) && v.checkSPF(ctx).Status == authres.Pass
}

// worst is the list that decides that the client is refused; nil: none does.
func (v *Visit) worst() *listed {
	sum := 0
	for i := range v.block {
		l := &v.block[i]
		if l.list.Mark {
			continue
		}
		if sum += l.list.Score; l.list.Score == 0 || sum >= RefuseScore {
			return l
		}
	}
	return nil
}

// suspicious says why greylisting should make sure of the client; "" if it looks well. What isn't known for now is no reason.
func (v *Visit) suspicious(ctx context.Context) string {
	v.wait(ctx)
	switch {
	case len(v.block) > 0:
		return "listed by " + v.block[0].list.Zone
	case v.iprev.Status == authres.Fail || v.iprev.Status == authres.PermError:
		return "no name of its own"
	case v.dynamic:
		return "dynamic name"
	}
	if p := v.heloProblem(ctx); p != "" {
		return "name in HELO: " + p
	}
	if v.unanswerable(ctx) {
		return "a sender that accepts no mail"
	}
	return ""
}
