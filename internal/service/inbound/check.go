package inbound

import (
	"context"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/delivery"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
)

// Check looks at one message. It is an io.Writer that never fails; not safe for concurrent use. One that isn't finished can be dropped.
type Check struct {
	visit *Visit
	to    []string
	check sender.Check
}

// Message begins a message for recipients; its bytes, as they came, are to be written to the Check. The one of the message before must not be used
// any more.
func (v *Visit) Message(recipients []string) *Check {
	c := &v.check
	c.visit, c.to = v, recipients
	v.g.checker.BeginIn(&c.check, sender.Session{IP: v.client.Addr, Helo: v.helo, MailFrom: v.from})
	return c
}

// Write takes the next bytes.
func (c *Check) Write(p []byte) (int, error) { return c.check.Write(p) }

// Drop forgets the message: a visit may be long, and headers are of up to dkim.MaxHeader.
func (c *Check) Drop() { c.to, c.check = nil, sender.Check{} }

// ClientName is the name that the DNS gives the client, if it leads back to it; "": there is none. It waits for the DNS, as Verdict does.
func (v *Visit) ClientName(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, sender.DefaultTimeout)
	defer cancel()
	v.wait(ctx)
	if v.iprev.Status != authres.Pass {
		return ""
	}
	return v.iprev.Name
}

// Verdict says, once, what is to be thought of the message, which must be complete. It waits for the DNS, but not
// for longer than sender.DefaultTimeout. Errors: a Refusal, and fault.Unavailable if the store fails. Nothing is refused for want of an answer.
func (c *Check) Verdict(ctx context.Context) (*delivery.Verdict, error) {
	defer c.Drop()
	v, g := c.visit, c.visit.g
	r := c.results(ctx)
	g.counts.verdict(&r)
	if v.awaited && !signedBy(&r, domainOf(v.from)) {
		return nil, g.counts.refuse(comeBack())
	}
	var whoRoom subjects
	var hadRoom pasts
	now, who := g.o.Now(), g.identities(whoRoom[:0], v, &r)
	had, err := g.memory.recallIn(ctx, now, &hadRoom, who)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot tell who is known here")
	}
	j := g.judge(&r, v.vouched() || established(had[1:])) // its neighbours' records are not its own
	if j.domain != "" && !g.domains.take(j.domain, now) {
		return nil, g.counts.refuse(Refusal{Reason: DomainRate, Code: 450, Status: "4.7.1", Text: printable("Too many messages from " + j.domain + ", try again later")})
	}
	c.report(&r, &j, now)
	if j.refusal != nil {
		return nil, g.counts.refuse(*j.refusal)
	}
	if harmless(&r) && (j.domain != "" || v.back || r.DMARC.Status == authres.Pass) {
		if err := g.memory.learn(ctx, now, who, had); err != nil {
			g.log.WarnContext(ctx, "cannot remember a sender", "err", err)
		}
	}
	return c.verdict(ctx, &r, &j), nil
}

// results waits for what the DNS says.
func (c *Check) results(ctx context.Context) sender.Verdict {
	if !c.visit.looked() { // else there is nothing to wait for that the checks themselves don't bound
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, sender.DefaultTimeout)
		defer cancel()
		c.visit.wait(ctx)
	}
	c.check.Known(c.visit.iprev)
	return c.check.Verdict(ctx)
}

// harmless reports whether nobody asks for anything to be done with the message.
func harmless(r *sender.Verdict) bool {
	return r.DMARC.Disposition == dmarc.None || r.DMARC.Disposition == ""
}

// established reports whether somebody's record speaks for the message.
func established(had []past) bool {
	for _, p := range had {
		if p.established() {
			return true
		}
	}
	return false
}

// maxIdentities bounds how many signatures of a message have a record.
const maxIdentities = 6

// identities appends those who are known to have sent or passed on the message to who, which is empty: the client's network first.
func (g *Guard) identities(who []subject, v *Visit, r *sender.Verdict) []subject {
	who = append(who, v.network, v.host)
	var sender subject // by SPF
	if v.from != "" && r.SPF.Status == authres.Pass {
		sender = g.subject(bySPF, r.SPF.Domain)
		who = append(who, sender)
	}
	first := len(who)
	for i := range r.DKIM {
		if r.DKIM[i].Status != authres.Pass {
			continue
		}
		s := subject{byDKIM, sender.hash} // as a rule it is the same domain
		if domain := strings.ToLower(r.DKIM[i].Domain); sender.kind != bySPF || domain != r.SPF.Domain {
			s = g.subject(byDKIM, domain)
		}
		if !slices.Contains(who[first:], s) && len(who) < first+maxIdentities {
			who = append(who, s)
		}
	}
	return who
}

// signedBy reports whether a signature of a domain holds.
func signedBy(r *sender.Verdict, domain string) bool {
	for i := range r.DKIM {
		if r.DKIM[i].Status == authres.Pass && strings.EqualFold(r.DKIM[i].Domain, domain) {
			return true
		}
	}
	return false
}

// verdict is what delivery is told.
func (c *Check) verdict(ctx context.Context, r *sender.Verdict, j *judgement) *delivery.Verdict {
	v := c.visit
	r.DMARC.Disposition, r.Override = j.disposition, j.why()
	r.Others = v.others(ctx)
	room := authres.TakeRoom()
	defer room.Leave()
	h := r.ResultsIn(room)
	field := h.Field()
	d := &delivery.Verdict{
		Field: field, Results: authres.ValueIn(field), Chain: string(r.ARC.Status), Junk: j.disposition == dmarc.Quarantine, Doubted: j.disposition == dmarc.Quarantine,
		Sender: j.authentic, Proved: proved(r), Summary: summary(h.Methods),
	}
	if s := r.DMARC.Status; s != authres.Pass && s != authres.TempError && trustedSeal(&r.ARC, r.DMARC.Author, v.g.o.Sealers) == "" {
		d.Unproved = r.DMARC.Author
	}
	if d.Junk {
		v.g.counts.junk.Add(1)
	}
	return d
}

// summary is a verdict in a line: the best result of each method.
func summary(methods []authres.Method) string {
	var room [128]byte
	b := room[:0]
	for i := range methods {
		m := &methods[i]
		if m.Name == "iprev" || m.Name == "arc" && m.Result == authres.None {
			continue
		}
		best := m.Result
		repeated := false
		for k := range methods {
			other := &methods[k]
			if other.Name == m.Name && k != i {
				repeated = repeated || k < i
				if other.Result == authres.Pass && m.Name == "dkim" {
					best = authres.Pass
				}
			}
		}
		if repeated {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(append(append(b, m.Name...), '='), best...)
	}
	return string(b)
}

// others are the results of the lists and of what was asked of the name in HELO. The names with x- are ours (RFC 8601 §2.7.6).
func (v *Visit) others(ctx context.Context) []authres.Method {
	var all []authres.Method
	for i := range v.allow { // RFC 8904 §2
		all = append(all, v.allow[i].method("dnswl", authres.Pass))
	}
	for i := range v.block {
		all = append(all, v.block[i].method("x-dnsbl", authres.Fail))
	}
	if p := v.heloProblem(ctx); p != "" {
		all = append(all, authres.Method{Name: "x-helo", Result: authres.Fail, Reason: p})
	}
	return all
}

func (l *listed) method(name string, result authres.Result) authres.Method {
	secure := "na"
	if l.secure {
		secure = "yes"
	}
	return authres.Method{Name: name, Result: result, Props: []authres.Property{
		{Type: "dns", Name: "zone", Value: l.list.Zone}, {Type: "policy", Name: "ip", Value: l.code.String()}, {Type: "dns", Name: "sec", Value: secure},
	}}
}

// report tells what DMARC made of the message.
func (c *Check) report(r *sender.Verdict, j *judgement, now time.Time) {
	g := c.visit.g
	if g.o.Report == nil && g.o.Failed == nil || r.DMARC.PolicyDomain == "" {
		return
	}
	e := Evaluated{
		At: now, SourceIP: c.visit.client.Addr, Author: r.DMARC.Author, Sender: domainOf(c.visit.from), Recipients: domains(c.to),
		PolicyDomain: r.DMARC.PolicyDomain, Record: r.DMARC.Record, Status: r.DMARC.Status, Policy: r.DMARC.Policy, Disposition: j.disposition,
		SPFAligned: r.DMARC.SPFAligned, DKIMAligned: r.DMARC.DKIMAligned, Overrides: j.overrides,
	}
	e.SPF = Identifier{Domain: r.SPF.Domain, Result: r.SPF.Status, Reason: r.SPF.Reason}
	for i := range r.DKIM {
		d := &r.DKIM[i]
		e.DKIM = append(e.DKIM, Identifier{d.Domain, d.Selector, d.Status, d.Reason})
	}
	if g.o.Report != nil {
		g.o.Report(e)
	}
	c.failed(&e, r)
}

// domains are those of addresses, each once.
func domains(addresses []string) []string {
	if len(addresses) == 1 { // as a rule
		return []string{domainOf(addresses[0])}
	}
	var all []string
	seen := map[string]bool{}
	for _, a := range addresses {
		if d := domainOf(a); !seen[d] {
			seen[d] = true
			all = append(all, d)
		}
	}
	return all
}

// verdict counts a result.
func (c *counts) verdict(r *sender.Verdict) {
	c.checked.Add(1)
	switch r.DMARC.Status {
	case authres.Pass:
		c.pass.Add(1)
	case authres.Fail:
		c.fail.Add(1)
	case authres.TempError:
		c.tempError.Add(1)
	case authres.PermError:
		c.permError.Add(1)
	default:
		c.noPolicy.Add(1)
	}
}
