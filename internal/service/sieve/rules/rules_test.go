package rules

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/format/message"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
	"postroad/internal/storage/kv/pebble"
)

// home is an account with a script, and the rules that run it.
type home struct {
	*Rules
	t    testing.TB
	dir  *directory.Directory
	id   ident.AccountID
	box  *mailbox.Session // acts for Postroad itself
	mine *mailbox.Session // acts for the owner
	mail *mailbox.Content
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHome(t testing.TB, o Options) *home {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	check(t, err)
	t.Cleanup(func() { db.Close() })
	h := &home{t: t}
	h.dir, err = directory.Open(t.Context(), db, directory.Options{})
	check(t, err)
	_, err = h.dir.AddDomain(t.Context(), "example.org")
	check(t, err)
	a, err := h.dir.AddAccount(t.Context(), directory.NewAccount{Address: "bob@example.org", DisplayName: "Bob"})
	check(t, err)
	h.id = a.ID
	store := mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir()})
	check(t, store.Create(t.Context(), h.id, mailbox.Usage{}))
	open := func(who ident.Identity) *mailbox.Session {
		s, err := store.Open(t.Context(), h.id, who)
		check(t, err)
		t.Cleanup(s.Close)
		return s
	}
	h.box, h.mine = open(ident.System()), open(ident.Identity{Account: h.id})
	w := store.NewContent()
	_, err = io.WriteString(w, "From: ann@far.example\r\nSubject: hello\r\n\r\nhello\r\n")
	check(t, err)
	h.mail, err = w.Finish()
	check(t, err)
	t.Cleanup(func() { h.mail.Close() })
	o.Dir, o.Store, o.Host, o.Location = h.dir, store, "mx.example.org", time.UTC
	h.Rules = New(o)
	return h
}

func (h *home) script(text string) {
	h.t.Helper()
	check(h.t, h.box.PutScript(h.t.Context(), "main", text))
	check(h.t, h.box.ActivateScript(h.t.Context(), "main"))
}

// decide tells whether the message is thrown away.
func (h *home) decide() (discarded bool, err error) {
	h.t.Helper()
	env := &sieve.Environment{Envelope: sieve.Envelope{From: "ann@far.example", To: "bob+x@example.org"}}
	out, err := h.Decide(h.t.Context(), h.box, env, h.mail)
	return len(out.Actions) == 0, err
}

// What scripts ask is answered by the account's own folders and annotations, in the owner's name.
func TestQuestions(t *testing.T) {
	h := newHome(t, Options{})
	inbox, _ := h.mine.FolderByRole(mailbox.Inbox)
	_, err := h.mine.CreateFolder(t.Context(), mailbox.NewFolder{Name: "Sub", Parent: inbox.ID})
	check(t, err)
	check(t, h.mine.SetFolderProps(t.Context(), inbox.ID, map[mailbox.PropScope]map[string][]byte{mailbox.PrivateProps: {"a": []byte("mine")}, mailbox.SharedProps: {"a": []byte("all")}}))
	check(t, h.mine.SetProps(t.Context(), map[string][]byte{"imap.annotation.b": []byte("server"), "imap.other": []byte("x")}))
	for question, want := range map[string]bool{
		`mailboxexists ["inbox", "INBOX/Sub", "Archive"]`: true, `mailboxexists "Sub"`: false, `mailboxidexists "F1"`: true, `mailboxidexists ["F999", "1", "Fx"]`: false,
		`specialuse_exists ["\\Junk", "\\Sent"]`: true, `specialuse_exists "Junk" "\\junk"`: true, `specialuse_exists "INBOX" "\\Junk"`: false, `specialuse_exists "\\Flagged"`: false,
		`metadata "INBOX" "/private/a" "mine"`: true, `metadata "inbox" "/shared/A" "all"`: true, `metadata "None" "/private/a" "mine"`: false, `metadataexists "INBOX" "/private/b"`: false,
		`servermetadata "/private/b" "server"`: true, `servermetadataexists "/private/other"`: false, `servermetadataexists "/shared/b"`: false,
		`environment "domain" "example.org"`: true, `environment "host" "mx.example.org"`: true, `envelope :detail "to" "x"`: true, `currentdate "zone" "+0000"`: true,
	} {
		h.script(`require ["` + strings.Join(h.Extensions(), `","`) + `"]; if ` + question + ` { discard; }`)
		got, err := h.decide()
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", question, got, err)
		}
	}
}

// A script is compiled once, and anew when it or another has changed.
func TestChangedScript(t *testing.T) {
	h := newHome(t, Options{})
	if h.Apply(h.box) {
		t.Error("there are no rules")
	}
	h.script(`require "include"; include "other";`)
	if _, err := h.decide(); err == nil {
		t.Error("what isn't there is included")
	}
	first := h.cached(scriptOf{h.id, "main"}, h.box.Scripts().Revision)
	if _, err := h.decide(); err == nil || h.cached(scriptOf{h.id, "main"}, h.box.Scripts().Revision) != first || first == nil {
		t.Error("it was compiled again")
	}
	check(t, h.box.PutScript(t.Context(), "other", "discard;"))
	if gone, err := h.decide(); !gone || err != nil {
		t.Error(gone, err)
	}
	check(t, h.box.PutScript(t.Context(), "other", "nonsense;"))
	if gone, err := h.decide(); gone || err == nil || err.Error() != "other:1:1: unknown command 'nonsense'" {
		t.Error(gone, err)
	}
	check(t, h.box.ActivateScript(t.Context(), ""))
	if h.Apply(h.box) {
		t.Error("no script is active")
	}
}

// What is kept compiled is bounded.
func TestCompiledIsBounded(t *testing.T) {
	r := New(Options{})
	for i := range 3 * maxCompiled {
		r.keep(&own{scriptOf: scriptOf{ident.AccountID(i + 1), "x"}})
	}
	if len(r.compiled) != maxCompiled || r.order.Len() != maxCompiled || r.cached(scriptOf{1, "x"}, 0) != nil || r.cached(scriptOf{3 * maxCompiled, "x"}, 0) == nil {
		t.Error(len(r.compiled), r.order.Len())
	}
}

// A header that is too long to lie beside the message is read.
func TestLongHeader(t *testing.T) {
	h := newHome(t, Options{})
	w := h.o.Store.NewContent()
	_, err := io.WriteString(w, "X-Long: "+strings.Repeat("x ", 20_000)+"\r\nSubject: far behind\r\n\r\nbody\r\n")
	check(t, err)
	c, err := w.Finish()
	check(t, err)
	defer c.Close()
	h.mail = c
	h.script(`if header "subject" "far behind" { discard; }`)
	if gone, err := h.decide(); !gone || err != nil {
		t.Error(gone, err)
	}
}

// A header that is parsed already has the fields that it would be parsed into, whatever stands in front.
func TestParsedHeader(t *testing.T) {
	h := newHome(t, Options{})
	used := 0
	for _, head := range []string{"From: a@b.example\r\nSubject: x\r\n\tfolded\r\n", "", " begins with a blank\r\nSubject: y\r\n", "no field\r\nSubject: z\r\n", "A: b\nC: d\n", "\r\n", strings.Repeat("X-Line: y\r\n", 1450), strings.Repeat("X-Line: y\r\n", 1600), strings.Repeat("X-Line: y\r\n", 12_000)} {
		for _, end := range []string{"\r\nbody\r\n", "", "\n"} {
			w := h.o.Store.NewContent()
			_, err := io.WriteString(w, head+end)
			check(t, err)
			c, err := w.Finish()
			check(t, err)
			defer c.Close()
			for _, m := range []mail{{c}, {c.Prefixed([]byte("Return-Path: <x@y.example>\r\nX: y\r\n"))}, {c.Prefixed([]byte(strings.Repeat("X-Front: z\r\n", 200)))}} {
				front, rest, ok := m.ParsedHeader()
				if !ok {
					continue
				}
				used++
				fields := func(h message.Header) (all []string) {
					for _, f := range h.Fields {
						all = append(all, h.Name(f)+":"+h.Value(f))
					}
					return all
				}
				got := append(fields(message.ParseHeader(string(front))), fields(*rest)...)
				if want := fields(message.ParseHeader(string(m.Header()))); !slices.Equal(got, want) {
					t.Errorf("%.40q with %d octets in front: %d fields, want %d", head+end, len(front), len(got), len(want))
				}
			}
		}
	}
	if used < 20 {
		t.Errorf("%d headers are parsed already", used)
	}
}

// Scripts of the administrator include nobody's own.
func TestGlobalScripts(t *testing.T) {
	global := func(name string) (string, bool) { return "discard;", name == "all" }
	s, err := CompileGlobal("before", `require "include"; include :global "all";`, global, sieve.Limits{})
	check(t, err)
	h := newHome(t, Options{Before: []*sieve.Script{s}, Global: global})
	if !h.Apply(h.box) {
		t.Error("there are rules for all")
	}
	if gone, err := h.decide(); !gone || err != nil {
		t.Error(gone, err)
	}
	if s, err = CompileGlobal("before", `require "include"; include "main";`, global, sieve.Limits{}); err != nil || len(s.Warnings) != 1 {
		t.Error(s, err)
	}
}

// RFC 6134: lists are the addresses that the owner knows, and groups, as far as the owner may know of them.
func TestLists(t *testing.T) {
	knows := func(_ context.Context, _ *mailbox.Session, address string) (bool, error) {
		return address == "ann@far.example", nil
	}
	h := newHome(t, Options{Knows: knows})
	ctx := t.Context()
	_, err := h.dir.AddDomain(ctx, "other.example")
	check(t, err)
	for _, a := range []string{"carl@example.org", "zoe@other.example"} {
		_, err := h.dir.AddAccount(ctx, directory.NewAccount{Address: a})
		check(t, err)
	}
	check(t, h.dir.AddAlias(ctx, "karl@example.org", []string{"carl@example.org"}))
	for _, g := range []struct {
		address string
		members []string
	}{
		{"inner@example.org", []string{"carl@example.org", "Dan@far.example"}}, {"team@example.org", []string{"inner@example.org", "ann@far.example"}},
		{"ours@other.example", []string{"bob@example.org", "zoe@other.example"}}, {"theirs@other.example", []string{"zoe@other.example"}},
	} {
		_, err := h.dir.AddGroup(ctx, g.address, "")
		check(t, err)
		check(t, h.dir.SetMembers(ctx, g.address, g.members))
	}
	for question, want := range map[string]bool{
		`envelope :list "from" ":addrbook:default"`: true, `envelope :list "from" "urn:ietf:params:sieve:addrbook:Default"`: true, `envelope :list "to" ":addrbook:default"`: false,
		`address :list "from" "tag:example.org,2026:team"`: true, `string :list "dan@FAR.example" "tag:example.org,2026-11:team"`: true, `string :list ["x@far.example", "karl@example.org"] "tag:EXAMPLE.org,2026-11-21:Team"`: true,
		`string :list "eve@far.example" "tag:example.org,2026:team"`: false, `string :list "nobody@example.org" "tag:example.org,2026:team"`: false, `string :list "no address" "tag:example.org,2026:team"`: false,
		`valid_ext_list ["tag:example.org,2026:team", ":addrbook:default", "tag:other.example,2026:ours"]`: true, `valid_ext_list "tag:other.example,2026:theirs"`: false, `valid_ext_list "tag:example.org,2026:carl"`: false,
		`valid_ext_list "tag:example.org,2026:none"`: false, `valid_ext_list "tag:example.org:team"`: false, `valid_ext_list "team@example.org"`: false, `valid_ext_list ":addrbook:work"`: false, `valid_ext_list "tag:,2026:team"`: false,
		`string :list "zoe@other.example" "tag:other.example,2026:ours"`: true, `envelope :list "from" ":AddrBook:%44%65%66ault"`: true, `valid_ext_list [":aDdRbOOk:DeFauLt", "urn:ietf:params:sieve:addrbook:%64efault"]`: true,
		`valid_ext_list ":addrbook:default?name=x"`: false, `valid_ext_list ":addrbook:%4"`: false, `valid_ext_list "urn:ietf:params:sieve:addrbook"`: false,
	} {
		h.script(`require ["extlists", "envelope", "variables"]; if ` + question + ` { discard; }`)
		got, err := h.decide()
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", question, got, err)
		}
	}
	if got := Lists(); got != "urn tag" { // schemes of URIs (RFC 6134 §2.8)
		t.Error(got)
	}
	h.script(`require ["extlists", "envelope"]; if envelope :list "from" "tag:other.example,2026:theirs" { discard; }`)
	if gone, err := h.decide(); gone || err == nil || !strings.Contains(err.Error(), "there is no list") {
		t.Error(gone, err)
	}
	h.script(`require "extlists"; redirect :list "tag:example.org,2026:team";`)
	env := &sieve.Environment{Envelope: sieve.Envelope{From: "ann@far.example", To: "bob@example.org"}}
	out, err := h.Decide(ctx, h.box, env, h.mail)
	if err != nil || len(out.Actions) != 1 || out.Actions[0].Address != "team@example.org" {
		t.Errorf("%+v, %v", out.Actions, err)
	}
	h.script(`require "extlists"; redirect :list ":addrbook:default";`)
	if gone, err := h.decide(); gone || err == nil || !strings.Contains(err.Error(), "can be redirected to") {
		t.Error(gone, err)
	}
}

// RFC 5235: virustest is there where something looks for viruses.
func TestVirusTestIsOffered(t *testing.T) {
	for _, viruses := range []bool{false, true} {
		h := newHome(t, Options{Viruses: viruses})
		_, err := h.Compile(t.Context(), h.box, "x", `require "virustest"; if virustest "5" { discard; }`)
		if (err == nil) != viruses || slices.Contains(h.Extensions(), "virustest") != viruses {
			t.Errorf("%v: %v", viruses, err)
		}
	}
}

// BenchmarkDecide is the decision about one message by 50 rules that don't match, with what is looked up for it.
func BenchmarkDecide(b *testing.B) {
	rule := `if anyof(header :contains ["subject", "x-list"] "nothing", address :domain "from" "no.example", header :matches "from" "*@x*") { fileinto "Archive"; stop; } `
	for _, n := range []int{0, 1, 50} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			h := newHome(b, Options{})
			h.script(`require ["fileinto", "imap4flags"]; ` + strings.Repeat(rule, n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.decide(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fromStranger is a message with the fields that most have, and peoplesRules is a script as people have them.
const (
	fromStranger = "Received: from mail.far.example (mail.far.example [192.0.2.1])\r\n\tby mx.example.org with ESMTPS id abc;\r\n\tSun, 22 Nov 2026 19:00:00 +0000\r\n" +
		"DKIM-Signature: v=1; a=rsa-sha256; d=far.example; s=s; h=from:to:subject:date;\r\n\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\tb=" + "dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZ" + "\r\n" +
		"From: Ann <ann@far.example>\r\nTo: Bob <bob@example.org>\r\nSubject: what we said on Friday\r\nDate: Sun, 22 Nov 2026 19:00:00 +0000\r\n" +
		"Message-ID: <20261122190000.1@far.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n"
	infront      = "Return-Path: <ann@far.example>\r\nX-Postroad-Junk: no, score=3\r\nAuthentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom=far.example;\r\n\tdkim=pass header.d=far.example;\r\n\tdmarc=pass header.from=far.example\r\n"
	peoplesRules = `require ["fileinto", "mailbox", "imap4flags", "envelope", "relational", "comparator-i;ascii-numeric", "spamtest"];
if header :contains "List-Id" "announce.example" { fileinto :create "Lists/announce"; stop; }
if header :contains "List-Id" ["dev.example", "users.example"] { fileinto :create "Lists/more"; stop; }
if address :domain "From" ["shop.example", "store.example"] { fileinto :create "Shops"; stop; }
if allof (address :is "From" "boss@work.example", header :contains "Subject" "urgent") { setflag "\\Flagged"; }
if envelope :domain "from" "bank.example" { fileinto :create "Bank"; stop; }
if header :matches "Subject" "[ticket *] *" { fileinto :create "Tickets"; stop; }
if size :over 20M { fileinto :create "Large"; stop; }
if spamtest :value "ge" :comparator "i;ascii-numeric" "8" { fileinto "Junk"; stop; }
if header :contains ["To", "Cc"] "team@work.example" { addflag "team"; }
if not exists "Message-ID" { fileinto :create "Odd"; stop; }
`
)

// BenchmarkPeoplesRules is the decision about a stranger's message by a script as people have them, which keeps it.
func BenchmarkPeoplesRules(b *testing.B) {
	h := newHome(b, Options{})
	h.script(peoplesRules)
	w := h.o.Store.NewContent()
	_, err := io.WriteString(w, fromStranger)
	check(b, err)
	c, err := w.Finish()
	check(b, err)
	defer c.Close()
	h.mail = c.Prefixed([]byte(infront))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.decide(); err != nil {
			b.Fatal(err)
		}
	}
}
