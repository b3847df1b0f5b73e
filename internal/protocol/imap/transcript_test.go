package imap

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// TestTranscripts plays testdata/*.txt: conversations that specify the server. Their language:
//
//	# comment
//	given N messages         N small messages lie in ann's INBOX (1 to N)
//	given FILE.eml           the message testdata/FILE.eml comes into ann's INBOX
//	given clear              the listener takes no passwords without TLS
//	given principals         rights can be given to ann@demo.test and bob@demo.test
//	given limit N            a command works on N messages at most
//	given office             there is an account office@demo.test that is nobody's own
//	given MAILBOX for WHO RIGHTS   office gives somebody rights on a mailbox of its own, which is made if it isn't there
//	C: text                  the client sends a line (C1:, C2:, ... if there are several)
//	S: text                  the server sends that line (S1:, S2:, ...); "..." in it stands for anything
//	S: ...                   the server sends any number of lines, up to the one that comes next here
//	!: text                  that line must not come before the next one here (!1:, !2:, ...)
//
// Each client has connected; one whose first line is not S: has also read the greeting and logged in as ann, or as bob if
// its name begins with b.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(f)
			must(t, err)
			newTranscript(t, text).play()
		})
	}
}

type transcript struct {
	t       *testing.T
	w       *world
	lines   []string
	clear   bool
	acl     bool
	limit   int
	clients map[string]*player
}

// people are those whom a transcript can give rights to.
type people struct{ tr *transcript }

func (p *people) Find(_ context.Context, name string) (mailbox.PrincipalKind, uint64, error) {
	local, _ := strings.CutSuffix(strings.ToLower(name), "@demo.test")
	if id := p.tr.w.accounts[local]; id != 0 {
		return mailbox.ToAccount, uint64(id), nil
	}
	return 0, 0, fault.New(fault.NotFound, "there is nobody of that name")
}

func (p *people) Name(_ context.Context, _ mailbox.PrincipalKind, id uint64) (string, error) {
	for name, is := range p.tr.w.accounts {
		if uint64(is) == id {
			return name + "@demo.test", nil
		}
	}
	return "", fault.New(fault.NotFound, "gone")
}

func (p *people) Groups(ctx context.Context, id ident.AccountID) ([]ident.GroupID, error) {
	who, err := p.tr.w.dir.Identity(ctx, id)
	return who.Groups, err
}

func (p *people) Shared(_ context.Context, id ident.AccountID) (bool, error) {
	return p.tr.w.accounts["office"] == id, nil
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

// player is a client in a transcript.
type player struct {
	*client
	skip   bool     // "S: ..." came last
	forbid []string // what must not come
}

func newTranscript(t *testing.T, text []byte) *transcript {
	tr := &transcript{t: t, clients: map[string]*player{}}
	sc := bufio.NewScanner(bytes.NewReader(text))
	for sc.Scan() {
		tr.lines = append(tr.lines, sc.Text())
	}
	return tr
}

func (tr *transcript) play() {
	for _, l := range tr.lines {
		tr.clear = tr.clear || l == "given clear"
		tr.acl = tr.acl || l == "given principals"
		if n, ok := strings.CutPrefix(l, "given limit "); ok {
			tr.limit, _ = strconv.Atoi(n)
		}
	}
	tr.w = newWorld(tr.t, func(c *Config, o *ListenerOptions) {
		c.TLS = selfSigned(tr.t)
		o.PlainAllowed = !tr.clear
		c.Limits.Message, c.Limits.Messages = 1<<20, tr.limit
		c.Rand = &counting{}
		if tr.acl {
			c.Principals, c.Anyone = &people{tr}, true
		}
	})
	for i, l := range tr.lines {
		if l == "" || l[0] == '#' || l == "given clear" || l == "given principals" || strings.HasPrefix(l, "given limit ") {
			continue
		}
		if rest, ok := strings.CutPrefix(l, "given "); ok {
			tr.given(rest)
			continue
		}
		tr.step(i+1, l)
	}
}

func (tr *transcript) given(what string) {
	if what == "office" {
		tr.w.add("office")
		return
	}
	if f := strings.Fields(what); len(f) == 4 && f[1] == "for" {
		tr.share(f[0], f[2], f[3])
		return
	}
	s := tr.w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	if n, ok := strings.CutSuffix(what, " messages"); ok {
		count, err := strconv.Atoi(n)
		must(tr.t, err)
		for i := range count {
			tr.w.deliver(s, inbox.ID, testMessage(i+1), 0)
		}
		return
	}
	text, err := os.ReadFile("testdata/" + what)
	must(tr.t, err)
	tr.w.deliver(s, inbox.ID, string(text), 0)
}

// share has the office give rights.
func (tr *transcript) share(path, who, letters string) {
	s := tr.w.open("office")
	f, rest := s.Walk(strings.Split(path, "/"))
	for _, name := range rest {
		var err error
		f, err = s.CreateFolder(context.Background(), mailbox.NewFolder{Name: name, Parent: f.ID})
		must(tr.t, err)
	}
	g := mailbox.Grant{Kind: mailbox.ToAccount, ID: uint64(tr.w.accounts[who]), Rights: new(decoder).rights(letters)}
	if who == anyone {
		g.Kind, g.ID = mailbox.ToAnyone, 0
	}
	must(tr.t, s.UpdateGrants(context.Background(), f.ID, func(old []mailbox.Grant) []mailbox.Grant { return append(old, g) }))
}

func (tr *transcript) step(n int, l string) {
	who, text, ok := strings.Cut(l, ":")
	if !ok {
		tr.t.Fatalf("line %d: what does %q mean?", n, l)
	}
	text = strings.TrimPrefix(text, " ")
	p := tr.player(who[1:], who[0] == 'C')
	switch who[0] {
	case 'C':
		p.send(text + "\r\n")
	case '!':
		p.forbid = append(p.forbid, text)
	case 'S':
		if text == "..." {
			p.skip = true
			return
		}
		tr.expect(n, p, text)
	default:
		tr.t.Fatalf("line %d: what does %q mean?", n, l)
	}
}

func (tr *transcript) player(name string, speaks bool) *player {
	p := tr.clients[name]
	if p == nil {
		if p = (&player{client: tr.w.dial()}); speaks {
			p.line()
			who := "ann"
			if strings.HasPrefix(name, "b") {
				who = "bob"
			}
			p.ok("LOGIN " + who + "@demo.test secret")
		}
		tr.clients[name] = p
	}
	return p
}

func (tr *transcript) expect(n int, p *player, want string) {
	tr.t.Helper()
	var skipped []string
	for {
		got, open := <-p.lines
		for _, f := range p.forbid {
			if open && matches(f, got) {
				tr.t.Fatalf("line %d: got forbidden %q", n, got)
			}
		}
		if open && matches(want, got) || !open && want == "closed" {
			p.skip, p.forbid = false, nil
			return
		}
		if !p.skip || !open {
			tr.t.Fatalf("line %d:\nwant %q\ngot  %q %q", n, want, got, skipped)
		}
		skipped = append(skipped, got)
	}
}

func matches(pattern, line string) bool {
	parts := strings.Split(pattern, "...")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(line)
}
