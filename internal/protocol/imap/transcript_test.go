package imap

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/transcript"
)

// TestTranscripts plays testdata/*.txt, conversations that specify the server. Beside what package transcript says:
//
//	given N messages         N small messages lie in ann's INBOX (1 to N)
//	given FILE.eml           the message testdata/FILE.eml comes into ann's INBOX
//	given clear              the listener takes no passwords without TLS
//	given principals         rights can be given to ann@demo.test and bob@demo.test
//	given office             there is an account office@demo.test that is nobody's own
//	given limit N            a command works on N messages at most
//	given MAILBOX for WHO RIGHTS   office gives somebody rights on a mailbox of its own, which is made if it isn't there
//
// "..." stands for anything, also within a line. A client who speaks first has read the greeting and logged in: as ann, or as bob if
// its name begins with b.
func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T, s transcript.Script) {
		p := newPlay(t, s)
		transcript.World{
			Given: p.given, Entered: p.logIn, Wild: "...",
			Dial: func(string) net.Conn { return p.w.connect() },
		}.Play(t, s)
	})
}

// play is a conversation being played.
type play struct {
	t *testing.T
	w *world
}

// people are those whom a transcript can give rights to.
type people struct{ *play }

func (p *people) Find(_ context.Context, name string) (mailbox.PrincipalKind, uint64, error) {
	local, _ := strings.CutSuffix(strings.ToLower(name), "@demo.test")
	if id := p.w.accounts[local]; id != 0 {
		return mailbox.ToAccount, uint64(id), nil
	}
	return 0, 0, fault.New(fault.NotFound, "there is nobody of that name")
}

func (p *people) Name(_ context.Context, _ mailbox.PrincipalKind, id uint64) (string, error) {
	for name, is := range p.w.accounts {
		if uint64(is) == id {
			return name + "@demo.test", nil
		}
	}
	return "", fault.New(fault.NotFound, "gone")
}

func (p *people) Groups(ctx context.Context, id ident.AccountID) ([]ident.GroupID, error) {
	who, err := p.w.dir.Identity(ctx, id)
	return who.Groups, err
}

func (p *people) Shared(_ context.Context, id ident.AccountID) (bool, error) {
	return p.w.accounts["office"] == id, nil
}

// counting is what stands in for randomness: 1, 1, 1 and so on, then 2, 2, 2 and so on.
type counting struct{ n atomic.Int32 }

func (c *counting) Read(p []byte) (int, error) {
	n := byte(c.n.Add(1))
	for i := range p {
		p[i] = n
	}
	return len(p), nil
}

// newPlay makes the world of a conversation.
func newPlay(t *testing.T, s transcript.Script) *play {
	p := &play{t: t}
	p.w = newWorld(t, func(c *Config, o *ListenerOptions) {
		c.TLS = selfSigned(t)
		c.Limits.Message = 1 << 20
		c.Rand = &counting{}
		for _, l := range s.Given() {
			p.configure(c, o, strings.Fields(l.Rest))
		}
	})
	return p
}

// configure is what can be given of the server. It reports whether it was.
func (p *play) configure(c *Config, o *ListenerOptions, what []string) bool {
	switch what[0] {
	case "clear":
		o.PlainAllowed = false
	case "principals":
		c.Principals, c.Anyone = &people{p}, true
	case "limit":
		n, err := strconv.Atoi(what[1])
		must(p.t, err)
		c.Limits.Messages = n
	default:
		return false
	}
	return true
}

func (p *play) logIn(c *transcript.Client) {
	p.t.Helper()
	who := "ann"
	if strings.HasPrefix(c.Name, "b") {
		who = "bob"
	}
	c.Ask("")
	if got := c.Ask("t1 LOGIN " + who + "@demo.test secret"); !strings.HasPrefix(got, "t1 OK ") {
		p.t.Fatal(got)
	}
}

func (p *play) given(l transcript.Line) {
	p.t.Helper()
	what := l.Rest
	f := strings.Fields(what)
	if p.configure(new(Config), new(ListenerOptions), f) {
		return // newPlay has seen to it
	}
	if what == "office" {
		p.w.add("office")
		return
	}
	if len(f) == 4 && f[1] == "for" {
		p.share(f[0], f[2], f[3])
		return
	}
	s := p.w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	if n, ok := strings.CutSuffix(what, " messages"); ok {
		count, err := strconv.Atoi(n)
		must(p.t, err)
		for i := range count {
			p.w.deliver(s, inbox.ID, testMessage(i+1), 0)
		}
		return
	}
	text, err := os.ReadFile("testdata/" + what)
	must(p.t, err)
	p.w.deliver(s, inbox.ID, string(text), 0)
}

// share has the office give rights.
func (p *play) share(path, who, letters string) {
	s := p.w.open("office")
	f, rest := s.Walk(strings.Split(path, "/"))
	for _, name := range rest {
		var err error
		f, err = s.CreateFolder(context.Background(), mailbox.NewFolder{Name: name, Parent: f.ID})
		must(p.t, err)
	}
	g := mailbox.Grant{Kind: mailbox.ToAccount, ID: uint64(p.w.accounts[who]), Rights: new(decoder).rights(letters)}
	if who == anyone {
		g.Kind, g.ID = mailbox.ToAnyone, 0
	}
	must(p.t, s.UpdateGrants(context.Background(), f.ID, func(old []mailbox.Grant) []mailbox.Grant { return append(old, g) }))
}
