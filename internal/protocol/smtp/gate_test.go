package smtp

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/service/inbound"
	history "postroad/internal/service/trace"
)

// guard is a Gate that says what a test tells it to: no to the step, or for the address, that no names. "in" are
// the messages that it has seen.
type guard struct {
	no map[string]error

	mu      sync.Mutex // guards all below
	steps   []string
	in      []string
	closed  int
	dropped int // checks
	noted   []history.Event
}

func (g *guard) step(words ...string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.steps = append(g.steps, strings.Join(words, " "))
	if err := g.no[words[0]]; err != nil {
		return err
	}
	return g.no[words[len(words)-1]]
}

func (g *guard) note(e history.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noted = append(g.noted, e)
}

func (g *guard) Trusts(peer netip.Addr) bool { return peer.IsLoopback() }

func (g *guard) Connect(_ context.Context, peer, _ netip.Addr) (Visit, error) {
	if err := g.step("connect", peer.String()); err != nil {
		return nil, err
	}
	return &guarded{g: g}, nil
}

func (g *guard) SignedIn(who ident.Identity) Visit {
	g.step("signed-in", who.Login) //nolint:errcheck // it can't fail
	return &guarded{g: g, member: true}
}

type guarded struct {
	g      *guard
	member bool
}

func (v *guarded) Hello(_ context.Context, name string) error { return v.g.step("helo", name) }
func (v *guarded) Mail(_ context.Context, from string) error  { return v.g.step("mail", from) }

func (v *guarded) Recipient(_ context.Context, address string) error {
	return v.g.step("rcpt", address)
}

func (v *guarded) Found(_ context.Context, address string, found bool) error {
	return v.g.step("found", fmt.Sprint(found), address)
}

func (v *guarded) Message(e *Envelope) Check {
	if v.member {
		return nil
	}
	return &looking{g: v.g}
}

func (v *guarded) Close() {
	v.g.mu.Lock()
	defer v.g.mu.Unlock()
	v.g.closed++
}

type looking struct {
	bytes.Buffer
	g *guard
}

func (l *looking) Verdict(context.Context) (*delivery.Verdict, error) {
	if err := l.g.step("data"); err != nil {
		return nil, err
	}
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	l.g.in = append(l.g.in, l.String())
	return &delivery.Verdict{Field: "Authentication-Results: mx.example.org; none\r\n", Summary: "none"}, nil
}

func (l *looking) Drop() {
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	l.g.dropped++
}

// guardedWorld is a server with a Gate.
func guardedWorld(t *testing.T, g *guard, o ListenerOptions, change func(*Config)) (*world, *door) {
	w := &world{}
	s := w.server(t, func(c *Config) {
		c.Gate, c.Note = g, g.note
		if change != nil {
			change(c)
		}
	})
	return w, serve(t, s, o)
}

const foreign = "Authentication-Results: mx.example.org; dkim=pass\r\n\tspf=pass\r\n"

// TestGateSees: the gate is told of each step, sees the message as it came, and what it says goes with it. The fields in our name
// are taken out, and nothing else is.
func TestGateSees(t *testing.T) {
	g := &guard{}
	w, l := guardedWorld(t, g, ListenerOptions{}, nil)
	msg := "Subject: a\r\n" + foreign + "Authentication-Results: other.example; spf=pass\r\n\r\n" + foreign + ".\r\n"
	talk(t, l, "EHLO c.example\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<a@elsewhere.example>\r\nDATA\r\n"+
		strings.Replace(msg, "\r\n.\r\n", "\r\n..\r\n", 1)+".\r\nQUIT\r\n")
	want := []string{"connect 192.0.2.7", "helo c.example", "mail x@y.example",
		"rcpt nobody@example.org", "found false nobody@example.org", "rcpt alice@example.org", "found true alice@example.org", "rcpt a@elsewhere.example", "data"}
	if diff := cmp.Diff(want, g.steps); diff != "" {
		t.Error(diff)
	}
	if len(g.in) != 1 || g.in[0] != msg {
		t.Errorf("seen: %q", g.in)
	}
	last := w.last(t)
	if v := last.Envelope.Verdict; v == nil || v.Summary != "none" {
		t.Errorf("%+v", v)
	}
	if want := strings.Replace(msg, foreign, "", 1); !strings.HasSuffix(last.Text, want) || strings.Count(last.Text, foreign) != 1 {
		t.Errorf("%q", last.Text)
	}
	if g.closed != 1 {
		t.Error("closed", g.closed)
	}
}

// TestForgedResultsGo: what strangers write in our name is taken out also where nobody checks them (RFC 8601 §5); a relay's of
// ours stays.
func TestForgedResultsGo(t *testing.T) {
	for _, c := range []struct {
		hello string
		o     ListenerOptions
		count int
	}{{"EHLO", ListenerOptions{}, 0}, {"LHLO", ListenerOptions{Mode: LMTP}, 1}} {
		w := &world{}
		l := serve(t, w.server(t, nil), c.o)
		talk(t, l, c.hello+" c.example\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nSubject: a\r\n"+foreign+"\r\nx\r\n.\r\nQUIT\r\n")
		if text := w.last(t).Text; strings.Count(text, foreign) != c.count {
			t.Errorf("%s: %q", c.hello, text)
		}
	}
}

// TestGateSeesChunks is the same by BDAT, with a binary message, and cut in the middle of the field.
func TestGateSeesChunks(t *testing.T) {
	g := &guard{}
	w, l := guardedWorld(t, g, ListenerOptions{}, nil)
	msg := "Subject: a\r\nAuthentication-Results: mx.example.org; a\r\n\r\nA\nB\r\n!\r\n"
	talk(t, l, "EHLO c.example\r\nMAIL FROM:<x@y.example> BODY=BINARYMIME\r\nRCPT TO:<alice@example.org>\r\n"+
		"BDAT 20\r\n"+msg[:20]+fmt.Sprintf("BDAT %d LAST\r\n", len(msg)-20)+msg[20:]+"QUIT\r\n")
	if len(g.in) != 1 || g.in[0] != msg {
		t.Fatalf("%q", g.in)
	}
	if text := w.last(t).Text; !strings.HasSuffix(text, "+0000\r\nSubject: a\r\n\r\nA\nB\r\n!\r\n") {
		t.Errorf("%q", text)
	}
}

// TestBinaryHeader: a CR or LF by itself in a header would hide a field from the checks which others see. However it is cut.
func TestBinaryHeader(t *testing.T) {
	for _, msg := range []string{
		"X: a\nFrom: b@c.example\r\n\r\nA\n", "X: a\rFrom: b@c.example\r\n\r\nA\n", "X: a\r\n\nA\r\n", "X: a\r\n\r\r\n", "\nX: a\r\n\r\n",
	} {
		for cut := range len(msg) - 1 {
			w, l := guardedWorld(t, &guard{}, ListenerOptions{}, nil)
			got := talk(t, l, "EHLO c.example\r\nMAIL FROM:<x@y.example> BODY=BINARYMIME\r\nRCPT TO:<alice@example.org>\r\n"+
				fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%sQUIT\r\n", cut, msg[:cut], len(msg)-cut, msg[cut:]))
			if w.count() != 0 {
				t.Fatalf("%q cut at %d: %s", msg, cut, got)
			}
		}
	}
}

// TestLargeHeader: what nobody can check isn't taken from strangers.
func TestLargeHeader(t *testing.T) {
	for n, want := range map[int]int{maxHeader - 10: 1, maxHeader + 100<<10: 0} {
		w, l := guardedWorld(t, &guard{}, ListenerOptions{}, nil)
		line := "X: " + strings.Repeat("x", 995) + "\r\n"
		talk(t, l, "EHLO c.example\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"+strings.Repeat(line, n/len(line))+"\r\nA\r\n.\r\nQUIT\r\n")
		if got := w.count(); got != want {
			t.Errorf("%d octets: %d messages", n, got)
		}
	}
}

// TestChecksAreDropped: what a check remembers of a message isn't kept when its transaction ends, however that is.
func TestChecksAreDropped(t *testing.T) {
	const begin = "MAIL FROM:<x@y.example>\r\nRCPT TO:<alice@example.org>\r\n"
	for name, end := range map[string]string{
		"delivered": "DATA\r\nA: b\r\n\r\nx\r\n.\r\n",
		"refused":   "DATA\r\nA: b\nB: c\r\n\r\nx\r\n.\r\n",
		"reset":     "BDAT 6\r\nA: b\r\nRSET\r\n",
		"mixed":     "BDAT 6\r\nA: b\r\nDATA\r\n",
		"greeted":   "BDAT 6\r\nA: b\r\nEHLO d.example\r\n",
	} {
		g := &guard{}
		_, l := guardedWorld(t, g, ListenerOptions{}, nil)
		talk(t, l, "EHLO c.example\r\n"+begin+end+"QUIT\r\n")
		if g.mu.Lock(); g.dropped != 1 {
			t.Errorf("%s: %d checks were dropped", name, g.dropped)
		}
		g.mu.Unlock()
	}
}

// TestGateOnMembers: who has signed in is no stranger any more.
func TestGateOnMembers(t *testing.T) {
	g := &guard{}
	w, l := guardedWorld(t, g, ListenerOptions{Mode: Submission, PlainAllowed: true}, nil)
	talk(t, l, "EHLO c.example\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==\r\nMAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\n"+
		"DATA\r\n"+foreign+"Subject: a\r\n\r\n.\r\nQUIT\r\n")
	if diff := cmp.Diff([]string{"signed-in alice@example.org", "mail alice@example.org", "rcpt bob@example.org", "found true bob@example.org"}, g.steps); diff != "" {
		t.Error(diff)
	}
	if last := w.last(t); last.Envelope.Verdict != nil || strings.Contains(last.Text, "dkim=pass") {
		t.Errorf("%+v", last)
	}
}

// TestMembersDontSpeakForUs: also without a gate, nobody here puts words into our mouth.
func TestMembersDontSpeakForUs(t *testing.T) {
	w := &world{}
	l := serve(t, w.server(t, nil), ListenerOptions{Mode: Submission, PlainAllowed: true})
	talk(t, l, "EHLO c.example\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==\r\nMAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\n"+
		"DATA\r\n"+foreign+"Subject: a\r\n\r\n.\r\nQUIT\r\n")
	if text := w.last(t).Text; strings.Contains(text, "dkim=pass") || !strings.Contains(text, "Subject: a\r\n") {
		t.Errorf("%q", text)
	}
}

// TestGateOnLMTP: what comes by LMTP was checked by the server before.
func TestGateOnLMTP(t *testing.T) {
	g := &guard{}
	w, l := guardedWorld(t, g, ListenerOptions{Mode: LMTP}, nil)
	talk(t, l, "LHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"+foreign+"Subject: a\r\n\r\n.\r\nQUIT\r\n")
	if len(g.steps) != 0 || !strings.HasSuffix(w.last(t).Text, foreign+"Subject: a\r\n\r\n") {
		t.Errorf("%q, %q", g.steps, w.last(t).Text)
	}
}

// TestRefusalsAreNoted: what is refused goes into the history, with what is known of it.
func TestRefusalsAreNoted(t *testing.T) {
	no := fault.New(fault.Denied, "no")
	for stage, text := range map[string]string{
		"connect": "", "helo": "EHLO c.example\r\n", "mail": "EHLO c.example\r\nMAIL FROM:<x@y.example>\r\n",
		"rcpt": "EHLO c.example\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<alice@example.org>\r\n",
		"data": "EHLO c.example\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nSubject: a\r\n\r\n.\r\n",
	} {
		g := &guard{no: map[string]error{stage: no}}
		_, l := guardedWorld(t, g, ListenerOptions{}, nil)
		talk(t, l, text+"QUIT\r\n")
		if len(g.noted) != 1 {
			t.Errorf("%s: %+v", stage, g.noted)
			continue
		}
		e := g.noted[0]
		if e.Kind != history.Refused || e.Stage != stage || e.Outcome.Code != 550 || e.Client.Addr != netip.MustParseAddr("192.0.2.7") {
			t.Errorf("%s: %+v", stage, e)
		}
		if stage == "rcpt" || stage == "data" {
			if e.ID == "" || e.From != "x@y.example" || len(e.To) != 1 || e.To[0] != "alice@example.org" {
				t.Errorf("%s: %+v", stage, e)
			}
		}
	}
	g := &guard{}
	_, l := guardedWorld(t, g, ListenerOptions{}, nil)
	talk(t, l, "EHLO c.example\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<nobody@example.org>\r\nQUIT\r\n")
	if len(g.noted) != 1 || g.noted[0].Stage != "rcpt" || g.noted[0].To[0] != "nobody@example.org" {
		t.Errorf("the Post's refusal: %+v", g.noted)
	}
}

// refusals are what transcripts have the gate say.
func refusals(words []string) (*guard, error) {
	r := &inbound.Refusal{Reason: inbound.Greylisted, Code: 451, Status: "4.7.1", Text: "You are new here"}
	switch words[2] {
	case "rate":
		r = &inbound.Refusal{Reason: inbound.ConnectionRate, Code: 421, Status: "4.7.0", Text: "Too many connections", Close: true}
	case "list":
		r = &inbound.Refusal{Reason: inbound.BlockList, Code: 554, Status: "5.7.1", Text: "Your address 192.0.2.7 is listed by bl.example"}
	case "policy":
		r = &inbound.Refusal{Reason: inbound.DMARC, Code: 550, Status: "5.7.1", Text: "The DMARC policy of y.example (p=reject) has us refuse it"}
	case "broken":
		return &guard{}, fault.New(fault.Internal, "disk on fire")
	}
	return &guard{}, fault.Wrap(fault.RateLimited, r, r.Text)
}
