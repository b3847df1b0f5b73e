package imap

import (
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"postroad/internal/model/mailbox"
)

// picture is what a client believes of its selected mailbox, from what it was told alone.
type picture struct {
	*client
	t    interface{ Fatalf(string, ...any) }
	msgs []believed
}

type believed struct {
	uid   string
	flags string // sorted; "?" if not told yet
}

var (
	numbered = regexp.MustCompile(`^\* (\d+) (EXISTS|EXPUNGE|FETCH \((.*)\))$`)
	uidItem  = regexp.MustCompile(`UID (\d+)`)
	flagItem = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
)

// run sends a command and takes in what the server tells.
func (p *picture) run(command string) (done string) {
	lines, done := p.do(command)
	byNumber := strings.HasPrefix(command, "FETCH") || strings.HasPrefix(command, "STORE") || strings.HasPrefix(command, "SEARCH")
	for _, l := range lines {
		if v := vanishedLine.FindStringSubmatch(l); v != nil {
			if byNumber { // RFC 7162 §3.2.10.2
				p.t.Fatalf("%s: %q", command, l)
			}
			p.vanish(v[1])
			continue
		}
		m := numbered.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		switch {
		case m[2] == "EXISTS":
			if n < len(p.msgs) {
				p.t.Fatalf("%s: EXISTS went down from %d to %d", command, len(p.msgs), n)
			}
			for len(p.msgs) < n {
				p.msgs = append(p.msgs, believed{"?", "?"})
			}
		case n < 1 || n > len(p.msgs):
			p.t.Fatalf("%s: %q, but there are %d messages", command, l, len(p.msgs))
		case m[2] == "EXPUNGE":
			if byNumber { // RFC 9051 §7.5.1
				p.t.Fatalf("%s: %q", command, l)
			}
			p.msgs = slices.Delete(p.msgs, n-1, n)
		default:
			p.take(&p.msgs[n-1], m[3], l)
		}
	}
	return done
}

// vanish takes messages away by their UIDs. Of those that the client hasn't asked for yet it knows only where they stand:
// UIDs ascend.
func (p *picture) vanish(set string) {
	for uid := range uidsOf(set) {
		i := slices.IndexFunc(p.msgs, func(b believed) bool { return b.uid == uid })
		if i < 0 {
			i = p.place(uid)
		}
		if i == len(p.msgs) || p.msgs[i].uid != "?" && p.msgs[i].uid != uid {
			p.t.Fatalf("VANISHED %s: there is no %s", set, uid)
		}
		p.msgs = slices.Delete(p.msgs, i, i+1)
	}
}

// place is behind the last message with a smaller UID.
func (p *picture) place(uid string) int {
	at := 0
	want, _ := strconv.Atoi(uid)
	for i, b := range p.msgs {
		if n, err := strconv.Atoi(b.uid); err == nil && n < want {
			at = i + 1
		}
	}
	return at
}

func (p *picture) take(b *believed, items, line string) {
	if m := uidItem.FindStringSubmatch(items); m != nil {
		if b.uid != "?" && b.uid != m[1] {
			p.t.Fatalf("%q: this was UID %s", line, b.uid)
		}
		b.uid = m[1]
	}
	if m := flagItem.FindStringSubmatch(items); m != nil {
		b.flags = sortedFlags(m[1])
	}
}

func sortedFlags(s string) string {
	f := slices.DeleteFunc(strings.Fields(s), func(f string) bool { return f == `\Recent` })
	slices.Sort(f)
	return strings.Join(f, " ")
}

// learn asks for what the client doesn't know yet.
func (p *picture) learn() {
	for i, b := range p.msgs {
		if b.uid == "?" || b.flags == "?" {
			p.run(fmt.Sprintf("FETCH %d:%d (UID FLAGS)", i+1, len(p.msgs)))
			return
		}
	}
}

// silently is what the client knows to be true after a STORE with .SILENT.
func (p *picture) silently(n int, op, flag string) {
	f := strings.Fields(p.msgs[n-1].flags)
	i := slices.Index(f, flag)
	switch {
	case op == "+" && i < 0:
		f = append(f, flag)
	case op == "-" && i >= 0:
		f = slices.Delete(f, i, i+1)
	}
	p.msgs[n-1].flags = sortedFlags(strings.Join(f, " "))
}

// TestPicturesAgree lets several sessions do random things in random order on one mailbox. What each client
// believes at the end, from the responses alone, is what a new session finds.
func TestPicturesAgree(t *testing.T) {
	w := newWorld(t)
	box := 0
	var clients []*client
	for range 4 {
		clients = append(clients, w.user("ann"))
	}
	rapid.Check(t, func(rt *rapid.T) {
		box++
		name := fmt.Sprintf("box%d", box)
		clients[0].ok("CREATE " + name)
		var ps []*picture
		for i, c := range clients[:3] {
			p := &picture{client: c, t: rt}
			if i == 2 {
				p.run("ENABLE QRESYNC")
			}
			p.run("SELECT " + name)
			ps = append(ps, p)
		}
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			p := ps[rapid.IntRange(0, 2).Draw(rt, "who")]
			p.step(rt, name)
			if rapid.Bool().Draw(rt, "learns") {
				p.learn()
			}
		}
		fresh := &picture{client: clients[3], t: rt}
		fresh.run("EXAMINE " + name)
		fresh.learn()
		for i, p := range ps {
			p.run("NOOP")
			p.learn()
			if diff := cmp.Diff(fresh.msgs, p.msgs, cmp.AllowUnexported(believed{}), cmpopts.EquateEmpty()); diff != "" {
				rt.Fatalf("client %d believes something else (+):\n%s", i, diff)
			}
		}
		for _, c := range clients {
			c.ok("UNSELECT")
		}
		clients[0].ok("DELETE " + name)
	})
}

// step is one random thing that a client does.
func (p *picture) step(t *rapid.T, box string) {
	n := len(p.msgs)
	pick := func() int { return rapid.IntRange(1, n).Draw(t, "n") }
	flag := rapid.SampledFrom([]string{`\Seen`, `\Deleted`, `\Flagged`, "$a", "$b"}).Draw(t, "flag")
	op := rapid.SampledFrom([]string{"+", "-"}).Draw(t, "op")
	what := rapid.SampledFrom([]string{"append", "append", "store", "silent", "uid store", "fetch", "body", "uid fetch", "search", "noop", "expunge", "copy", "move", "uid expunge"}).Draw(t, "what")
	if n == 0 && what != "noop" {
		what = "append"
	}
	p.act(what, op, flag, box, pick)
}

// act carries out one thing; pick chooses a message.
func (p *picture) act(what, op, flag, box string, pick func() int) {
	switch what {
	case "append":
		p.run("APPEND " + box + " (" + flag + ") {8+}\r\nA: b\r\n\r\n")
	case "store":
		p.run(fmt.Sprintf("STORE %d:%d %sFLAGS (%s)", pick(), pick(), op, flag))
	case "silent":
		i := pick()
		p.learn()
		if strings.HasPrefix(p.silent(i, op, flag), "OK") {
			return
		}
	case "uid store":
		p.run(fmt.Sprintf("UID STORE %d:* %sFLAGS (%s)", pick(), op, flag))
	case "fetch":
		p.run(fmt.Sprintf("FETCH %d:* (FLAGS UID)", pick()))
	case "body":
		p.run(fmt.Sprintf("FETCH %d BODY[TEXT]", pick()))
	case "uid fetch":
		p.run(fmt.Sprintf("UID FETCH %d:* FLAGS", pick()))
	case "search":
		p.run("SEARCH UNSEEN")
	case "noop":
		p.run("NOOP")
	case "expunge":
		p.run("EXPUNGE")
	case "uid expunge":
		p.run(fmt.Sprintf("UID EXPUNGE %d:*", pick()))
	case "copy":
		p.run(fmt.Sprintf("COPY %d %s", pick(), box))
	case "move":
		p.run(fmt.Sprintf("MOVE %d %s", pick(), box))
	}
}

// silent stores with .SILENT. What comes from others may be told in the same breath and counts more.
func (p *picture) silent(n int, op, flag string) string {
	before := p.msgs[n-1]
	p.silently(n, op, flag)
	done := p.run(fmt.Sprintf("STORE %d %sFLAGS.SILENT (%s)", n, op, flag))
	if !strings.HasPrefix(done, "OK") {
		p.msgs[n-1] = before
	}
	return done
}

// failing ends a goroutine's part in a test.
type failing struct{ *testing.T }

func (f failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// TestPicturesAgreeAtFullSpeed is TestPicturesAgree with all sessions at the same time.
func TestPicturesAgreeAtFullSpeed(t *testing.T) {
	w := newWorld(t)
	var ps []*picture
	for range 6 {
		p := &picture{client: w.user("ann"), t: failing{t}}
		p.run("SELECT INBOX")
		ps = append(ps, p)
	}
	var all sync.WaitGroup
	for i, p := range ps {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			choose := func(of ...string) string { return of[rng.IntN(len(of))] }
			for range 100 {
				what := choose("append", "append", "append", "store", "silent", "uid store", "fetch", "body", "uid fetch", "search", "noop", "expunge", "copy", "move")
				if len(p.msgs) == 0 {
					what = "append"
				}
				p.act(what, choose("+", "-"), choose(`\Seen`, `\Deleted`, `\Flagged`, "$a"), "INBOX", func() int { return 1 + rng.IntN(len(p.msgs)) })
				p.learn()
			}
		})
	}
	all.Wait()
	fresh := &picture{client: w.user("ann"), t: t}
	fresh.run("EXAMINE INBOX")
	fresh.learn()
	for i, p := range ps {
		p.run("NOOP")
		p.learn()
		if diff := cmp.Diff(fresh.msgs, p.msgs, cmp.AllowUnexported(believed{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("client %d believes something else (+):\n%s", i, diff)
		}
	}
}

// Who has enabled UTF-8 must send UTF-8 in quoted strings (RFC 6855 §3). Old clients search for old charsets.
func TestQuotedStringsAreUTF8(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	c.ok("SEARCH CHARSET iso-8859-1 SUBJECT \"\xfcber\"")
	c.ok("ENABLE UTF8=ACCEPT")
	c.ok("SEARCH SUBJECT \"\u00fcber\"")
	if _, done := c.do("SEARCH SUBJECT \"\xfcber\""); !strings.HasPrefix(done, "BAD") {
		t.Error(done)
	}
}

// A mailbox that goes while it is listed takes only its STATUS along (RFC 5819 §2).
func TestListStatusOfAMailboxThatGoes(t *testing.T) {
	w := newWorld(t)
	conn, far := net.Pipe()
	defer far.Close()
	s := newSession(w.server, conn, ListenerOptions{})
	defer conn.Close()
	s.mail = w.open("ann")
	ctx := t.Context()
	f, err := s.mail.CreateFolder(ctx, mailbox.NewFolder{Name: "going"})
	must(t, err)
	w.deliver(s.mail, f.ID, testMessage(1), 0)
	entries, err := s.entries(ctx, &listing{})
	must(t, err)
	must(t, s.mail.DeleteFolder(ctx, f.ID))
	l := listing{patterns: []string{"going"}, statusItems: statusTable}
	for i := range entries {
		must(t, s.listOne(ctx, &l, &entries[i]))
	}
	if got := string(s.out.buf()); got != "* LIST (\\HasNoChildren) \"/\" \"going\"\r\n" {
		t.Errorf("%q", got)
	}
}
