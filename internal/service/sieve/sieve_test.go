package sieve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	syntax "postroad/internal/format/sieve"
)

const letter = "Return-Path: <ann@far.example>\r\n" +
	"Received: from far.example by here.example; Fri, 20 Nov 2026 23:30:00 -0500\r\n" +
	"Received: from ann by far.example; Fri, 20 Nov 2026 22:00:00 -0500\r\n" +
	"From: \"Ann Other\" <Ann+news@Far.example>\r\n" +
	"To: bob@here.example, Group: carl@here.example, dora@here.example;\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from\r\n the sea\r\n" +
	"Date: Sat, 21 Nov 2026 05:00:00 +0100\r\n" +
	"Message-ID: <1@far.example>\r\n" +
	"X-Number: 17\r\n" +
	"X-Empty:\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=\"b\"\r\n" +
	"\r\n" +
	"prologue\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=FC=DFe\r\n" +
	"--b\r\nContent-Type: text/html\r\n\r\n<p>Hello <b>World</b></p>\r\n" +
	"--b\r\nContent-Type: image/png; name=\"pic.png\"\r\nContent-Disposition: attachment; filename=\"pic.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n" +
	"--b--\r\nepilogue\r\n"

// world is the world of a test.
type world struct {
	folders map[string]string // name: special use
	meta    map[string]string
	seen    map[string]bool
	lists   map[string][]string
	err     error
}

func (w *world) Mailbox(_ context.Context, name string) (bool, error) {
	_, ok := w.folders[name]
	return ok, w.err
}
func (w *world) MailboxID(_ context.Context, id string) (bool, error) { return id == "F1", w.err }
func (w *world) SpecialUse(_ context.Context, name, use string) (bool, error) {
	for n, u := range w.folders {
		if (name == "" || n == name) && u == use {
			return true, w.err
		}
	}
	return false, w.err
}
func (w *world) Metadata(_ context.Context, box, name string) (string, bool, error) {
	v, ok := w.meta[box+" "+name]
	return v, ok, w.err
}
func (w *world) Seen(_ context.Context, id string) (bool, error) { return w.seen[id], w.err }
func (w *world) List(_ context.Context, list, v string) (in, known bool, err error) {
	members, ok := w.lists[list]
	for _, m := range members {
		in = in || m == v
	}
	return in, ok, w.err
}

func (w *world) ListAddress(_ context.Context, list string) (string, error) {
	if list == "friends" {
		return "friends@here.example", w.err
	}
	return "", w.err
}

func testEnv() *Environment {
	zone := time.FixedZone("", 3600)
	return &Environment{
		Envelope: Envelope{From: "ann@far.example", To: "bob@here.example", Auth: "ann"}, Now: time.Date(2026, 11, 21, 6, 30, 0, 0, zone),
		Addresses: []string{"bob@here.example"}, Name: "Bob", Item: func(name string) (string, bool) { return "here.example", name == "domain" }, Spam: 34, Virus: 2,
		World: &world{
			folders: map[string]string{"INBOX": "", "Junk": "\\Junk"}, meta: map[string]string{"INBOX /private/a": "yes", " /shared/b": "no"},
			seen: map[string]bool{}, lists: map[string][]string{"friends": {"Ann+news@Far.example", "ann@far.example"}},
		},
	}
}

// owner is one who has no other addresses.
type owner struct {
	separators string
	asked      *int // nil: nobody counts
}

func (o *owner) Mine(string) (bool, error) {
	if o.asked != nil {
		*o.asked++
	}
	return false, nil
}

func (o *owner) Item(string) (string, bool) { return "", false }
func (o *owner) Separators() string         { return o.separators }

// describe tells what an outcome is.
func describe(out *Outcome) string {
	var parts []string
	for _, a := range out.Actions {
		s := a.Op.String()
		switch a.Op {
		case Keep:
			if a.Implicit {
				s = "implicit keep"
			}
		case FileInto:
			s += " " + a.Mailbox
			if a.Create {
				s += " create"
			}
			s += a.MailboxID + a.Use
		case Redirect:
			s += " " + a.Address + a.List
		case Reject, Ereject:
			s += " " + a.Text
		case Vacation:
			s += fmt.Sprintf(" to=%s from=%s subject=%q every=%s", a.Reply.To, a.Reply.From, a.Reply.Subject, a.Reply.Every)
		case Notify:
			s += fmt.Sprintf(" %v %q %d", a.Notice.Mail.everybody(), a.Notice.Message, a.Notice.Importance)
		}
		if a.SetFlags {
			s += " [" + strings.Join(a.Flags, " ") + "]"
		}
		if a.Message != nil {
			s += " changed"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

func compileText(t testing.TB, text string, o Options) *Script {
	t.Helper()
	s, err := Compile(text, o)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return s
}

// everything requires all extensions.
func everything() string {
	return "require [\"" + strings.Join(Extensions(), "\", \"") + "\"]; "
}

// checkTest checks that a test is true, and that it isn't what it is not.
func checkTest(t *testing.T, text string, want bool) {
	t.Helper()
	s := compileText(t, everything()+"if "+text+" { discard; }", Options{})
	out, err := s.Run(t.Context(), testEnv(), rawMessage(letter))
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
	if got := len(out.Actions) == 0; got != want {
		t.Errorf("%s: %v", text, got)
	}
}

func checkTests(t *testing.T, yes, no []string) {
	t.Helper()
	for _, text := range yes {
		checkTest(t, text, true)
	}
	for _, text := range no {
		checkTest(t, text, false)
	}
}

// RFC 5228 §5.
func TestBaseTests(t *testing.T) {
	checkTests(t, []string{
		`true`, `not false`, `allof(true, not false)`, `anyof(false, true)`, `exists ["from", "X-Empty"]`, `size :over 100`, `size :under 1M`,
		`header "subject" "GRüße from the sea"`, `header :comparator "i;octet" "subject" "Grüße from the sea"`, `header :contains "subject" "SEA"`, `header :contains "x-empty" ""`,
		`header :matches "subject" "Gr??e*sea"`, `header ["x-none", "subject"] ["nothing", "Grüße from the sea"]`, `header :is "x-empty" ""`,
		`address "from" "ann+news@far.example"`, `address :localpart "from" "ann+news"`, `address :domain "from" "FAR.example"`, `address "to" "dora@here.example"`,
		`envelope "from" "ann@far.example"`, `envelope :domain "to" "here.example"`, `envelope "auth" "ann"`,
	}, []string{
		`false`, `allof(true, false)`, `anyof(false, false)`, `exists ["from", "x-none"]`, `size :over 1M`, `header "subject" "the sea"`,
		`header :comparator "i;octet" "subject" "grüße from the sea"`, `header :contains "x-none" ""`, `header "from:" "x"`, `header :matches "subject" "?Gr*"`,
		`address "from" "Ann Other"`, `envelope "from" "ann+news@far.example"`,
	})
}

// RFC 5231, RFC 5233, RFC 5260, RFC 5183, RFC 5235, the draft on regex.
func TestMoreTests(t *testing.T) {
	checkTests(t, []string{
		`header :value "gt" :comparator "i;ascii-numeric" "x-number" "9"`, `header :count "eq" "received" "2"`, `address :count "ge" "to" "3"`, `not header :value "lt" :comparator "i;ascii-numeric" "x-number" "17"`,
		`address :user "from" "ann"`, `address :detail "from" "NEWS"`, `address :user "to" "bob"`, `header :index 2 :contains "received" "ann"`, `header :index 1 :last :contains "received" "ann"`,
		`date :originalzone "date" "iso8601" "2026-11-21T05:00:00+01:00"`, `date :zone "-0500" "date" "date" "2026-11-20"`, `date :index 2 :zone "+0000" "received" "hour" "03"`, `date "date" "julian" "61365"`, `date "date" "weekday" "6"`,
		`currentdate "time" "06:30:00"`, `currentdate :zone "+0000" "hour" "05"`, `currentdate "zone" "+0100"`, `currentdate "year" "2026"`, `currentdate "std11" "Sat, 21 Nov 2026 06:30:00 +0100"`,
		`environment "domain" "here.example"`, `environment :contains "name" ""`, `spamtest :value "ge" :comparator "i;ascii-numeric" "4"`, `spamtest :percent "34"`, `virustest "2"`,
		`header :regex "subject" "^gr.{2}e (from|to)"`, `header :comparator "i;unicode-casemap" :contains "subject" "GRÜ" `, `string :count "eq" ["a", "", "b"] "2"`,
	}, []string{
		`header :value "gt" :comparator "i;ascii-numeric" "x-number" "18"`, `address :detail "to" ""`, `header :index 3 :contains "received" ""`, `date "subject" "year" "2026"`, `date "x-none" "year" "2026"`,
		`environment "nothing" ""`, `header :regex :comparator "i;octet" "subject" "^gr"`, `spamtest "0"`,
	})
}

// RFC 5173.
func TestBody(t *testing.T) {
	checkTests(t, []string{
		`body :contains "schöne grüße"`, `body :text :contains "Hello World"`, `body :raw :contains "Sch=F6ne"`, `body :raw :contains "--b"`, `body :content "text/html" :contains "<b>"`,
		`body :content "multipart" :contains "prologue"`, `body :content "multipart" :contains "epilogue"`, `body :content "image" :comparator "i;octet" :contains "${hex:01 02 03}"`, `body :content "" :contains "World"`,
	}, []string{`body :contains "<b>"`, `body :contains "prologue"`, `body :content "text/" :contains ""`, `body :content "audio" :contains ""`, `body :content "multipart" :contains "--b"`})
	s := compileText(t, everything()+`if body :matches "*" { set "a" "${1}"; } if body :contains "" { discard; }`, Options{})
	if out, err := s.Run(t.Context(), testEnv(), rawMessage("From: a@b.example\r\n")); err != nil || describe(out) != "implicit keep" {
		t.Errorf("a message without a body: %v, %v", describe(out), err)
	}
}

// RFC 5490, RFC 9042, RFC 8579, RFC 6134.
func TestWorld(t *testing.T) {
	checkTests(t, []string{
		`mailboxexists ["INBOX", "Junk"]`, `mailboxidexists "F1"`, `specialuse_exists "\\Junk"`, `specialuse_exists "Junk" "\\Junk"`, `metadata "INBOX" "/private/a" "yes"`, `metadataexists "INBOX" ["/private/a"]`,
		`servermetadata :contains "/shared/b" "N"`, `servermetadataexists "/shared/b"`, `valid_ext_list "friends"`, `address :list "from" "friends"`, `envelope :list "from" ["friends"]`,
	}, []string{
		`mailboxexists ["INBOX", "None"]`, `mailboxidexists ["F1", "F2"]`, `specialuse_exists "\\Sent"`, `specialuse_exists "INBOX" "\\Junk"`, `metadata "INBOX" "/private/b" ""`,
		`metadataexists "INBOX" ["/private/a", "/private/b"]`, `valid_ext_list ["friends", "foes"]`, `address :list "to" "friends"`,
	})
	env := testEnv()
	env.World = nil
	s := compileText(t, everything()+`if anyof(mailboxexists "X", metadata "INBOX" "/private/a" "yes", valid_ext_list "friends", duplicate) { discard; }`, Options{})
	if out, err := s.Run(t.Context(), env, rawMessage(letter)); err != nil || describe(out) != "implicit keep" {
		t.Errorf("no world: %s, %v", describe(out), err)
	}
}

// RFC 5703.
func TestMIME(t *testing.T) {
	checkTests(t, []string{
		`header :mime :anychild :contenttype "content-type" "image/png"`, `header :mime :anychild :param "filename" "content-disposition" "pic.png"`, `header :mime :type "content-type" "multipart"`,
		`header :mime :anychild :subtype "content-type" "HTML"`, `exists :mime :anychild "content-disposition"`,
	}, []string{`header :mime :contenttype "content-type" "image/png"`, `exists :mime "content-disposition"`})
	// §4.1: others than Content-Type and Content-Disposition have neither type nor subtype.
	checkTests(t, []string{
		`header :mime :type "subject" ""`, `header :mime :subtype "subject" ""`, `header :mime :contenttype "subject" ""`, `header :mime :anychild :type "content-disposition" "attachment"`,
		`header :mime :anychild :subtype "content-disposition" ""`, `header :mime :anychild :contenttype "content-disposition" "attachment"`, `header :mime :count "eq" :type "subject" "1"`,
	}, []string{`header :mime :type :contains "subject" "e"`, `header :mime :anychild :contenttype "content-transfer-encoding" "base64"`})
	// §3: an inner loop hides the name of an outer one.
	checkOutcome(t, `set "n" ""; foreverypart :name "a" { set "n" "${n}x"; foreverypart :name "a" { set "n" "${n}y"; break :name "a"; } } fileinto "${n}";`, "fileinto xyxxx")
	checkOutcome(t, `foreverypart { if header :mime :subtype "content-type" "html" { extracttext :first 5 "t"; break; } } fileinto "${t}";`, "fileinto Hello")
	checkOutcome(t, `set "n" ""; foreverypart :name "out" { set "n" "${n}x"; foreverypart { set "n" "${n}y"; if header :mime :type "content-type" "image" { break :name "out"; } } } fileinto "${n}";`, "fileinto xyyy")
}

// RFC 9671 waits for calendars: who requires it hears so, and who asks (ihave) finds out.
func TestNoCalendars(t *testing.T) {
	if _, err := Compile(`require "processcalendar"; processcalendar;`, Options{}); err == nil || !strings.Contains(err.Error(), "unknown extension 'processcalendar'") {
		t.Error(err)
	}
	checkOutcome(t, `if ihave "processcalendar" { processcalendar :allowpublic; } else { fileinto "X"; }`, "fileinto X")
}

// RFC 5703 §7: the content is decoded, and nothing comes of what can't be.
func TestExtractText(t *testing.T) {
	s := compileText(t, everything()+`foreverypart { extracttext :first 3 "t"; } fileinto "-${t}-";`, Options{})
	for head, want := range map[string]string{
		"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nR3L832U=": "-Grü-",
		"Content-Type: text/plain\r\n\r\nplain":                                         "-pla-",
		"Content-Type: text/plain; charset=x-nobodys\r\n\r\nplain":                      "--",
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-nobodys\r\n\r\nplain": "--",
		"Content-Type: image/png\r\n\r\nplain":                                          "--",
	} {
		out, err := s.Run(t.Context(), testEnv(), rawMessage("MIME-Version: 1.0\r\n"+head+"\r\n"))
		if got := describe(out); err != nil || got != "fileinto "+want {
			t.Errorf("%q: %s, %v, want %s", head, got, err, want)
		}
	}
}

func checkOutcome(t *testing.T, text, want string) {
	t.Helper()
	s := compileText(t, everything()+text, Options{})
	out, err := s.Run(t.Context(), testEnv(), rawMessage(letter))
	got := describe(out)
	if err != nil {
		got += " ! " + err.Error()[strings.IndexByte(err.Error(), ' ')+1:]
	}
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", text, got, want)
	}
}

// RFC 5228 §4, RFC 3894, RFC 5429, RFC 5232 and others: what is to be done.
func TestActions(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "implicit keep"}, {`keep;`, "keep"}, {`discard;`, ""}, {`discard; keep;`, "keep"}, {`stop; discard;`, "implicit keep"},
		{`fileinto "A"; fileinto "A"; fileinto "B";`, "fileinto A; fileinto B"}, {`fileinto :copy "A";`, "fileinto A; implicit keep"},
		{`fileinto :create "A/B";`, "fileinto A/B create"}, {`fileinto "inbox"; keep;`, "keep"}, {`keep; fileinto "INBOX";`, "keep"},
		{`fileinto :mailboxid "F1" "A";`, "fileinto AF1"}, {`fileinto :specialuse "\\Junk" "A";`, `fileinto A\Junk`},
		{`redirect "carl@there.example"; redirect "CARL@there.example";`, "redirect carl@there.example"}, {`redirect :copy "Carl C <carl@there.example>";`, "redirect carl@there.example; implicit keep"},
		{`redirect :list "friends";`, "redirect friends@here.examplefriends"}, {`redirect :list "foes";`, "implicit keep ! there is no list 'foes' that can be redirected to"}, {`reject "no";`, "reject no"}, {`ereject "no";`, "ereject no"},
		{`reject "no"; keep;`, "implicit keep ! 'keep' contradicts 'reject'"}, {`fileinto "A"; reject "no";`, "implicit keep ! 'reject' contradicts 'fileinto'"},
		{`reject "a"; ereject "b";`, "implicit keep ! the message has been refused already"}, {`vacation "x"; reject "a";`, "implicit keep ! 'reject' contradicts 'vacation'"},
		{`setflag ["\\Seen", "a b"]; addflag "c A"; removeflag "B"; keep;`, `keep [\Seen a c]`}, {`addflag "\\Recent x(y ok";`, "implicit keep [ok]"}, {`fileinto :flags "\\Flagged" "A";`, `fileinto A [\Flagged]`},
		{`setflag "v" "a b"; if hasflag "v" "B" { keep :flags "${v}"; }`, "keep [a b]"}, {`setflag "a"; keep; setflag "b"; fileinto "B";`, "keep [a]; fileinto B [b]"},
		{`if anyof(hasflag "a", hasflag :count "ge" "1") { discard; }`, "implicit keep"},
	} {
		checkOutcome(t, c.text, c.want)
	}
}

// RFC 5229.
func TestVariables(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`set "a" "x"; set "A" "${a}${b}y"; fileinto "${a}";`, "fileinto xy"}, {`if header :matches "subject" "* from *" { fileinto "${2}/${1}/${0}${9}"; }`, "fileinto the sea/Grüße/Grüße from the sea"},
		{`set :upperfirst :lower "a" "HELLO"; fileinto "${a}";`, "fileinto Hello"}, {`set :length "a" "Grüße"; fileinto "${a}";`, "fileinto 5"}, {`set :quotewildcard "a" "a*b?\\"; fileinto "${a}";`, `fileinto a\*b\?\\`},
		{`set :encodeurl "a" "a b/ü"; fileinto "${a}";`, "fileinto a%20b%2F%C3%BC"}, {`fileinto "${full}x${0}${ }${a!}";`, "fileinto x${ }${a!}"}, {`set "d" "$"; fileinto "${d}{beep}";`, "fileinto ${beep}"},
		{`if allof(header :matches "x-number" "*", header :matches "subject" "nothing*") {} fileinto "${1}";`, "fileinto 17"}, {`if address :matches "from" "*@*.*" { fileinto "${1} ${2} ${3}"; }`, "fileinto Ann+news Far example"},
		{`if header :regex "subject" "^(..).* (s.a)$" { fileinto "${1}${2}"; }`, "fileinto Grsea"}, {`if string :matches :comparator "i;unicode-casemap" "ÄÖÜ" "?ö*" { fileinto "${1}-${2}"; }`, "fileinto Ä-Ü"},
		{`set "k" "*SEA"; if header :matches "subject" "${k}" { discard; }`, ""}, {`set "n" "a/${unicode:e9}${hex:41 42}"; fileinto "${n}";`, "fileinto a/éAB"},
	} {
		checkOutcome(t, c.text, c.want)
	}
}

// RFC 5293.
func TestEditHeader(t *testing.T) {
	checkOutcome(t, `addheader "X-New" "väl ue"; fileinto "A"; addheader :last "X-Last" "2"; if allof(header "x-new" "väl ue", header "x-last" "2") { keep; }`, "fileinto A changed; keep changed")
	s := compileText(t, everything()+`deleteheader :index 1 :contains "x-number" "1"; deleteheader "received"; addheader "X-A" "b"; deleteheader :is "to" "nobody";`, Options{})
	out, err := s.Run(t.Context(), testEnv(), rawMessage(letter))
	if err != nil {
		t.Fatal(err)
	}
	want := "X-A: b\r\n" + strings.Replace(letter, "X-Number: 17\r\n", "", 1) // what tells the way stays
	if got := textOf(out.Actions[0].Message); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// RFC 5230, RFC 6131, RFC 3834.
func TestVacation(t *testing.T) {
	s := compileText(t, everything()+`vacation :days 3 :subject "Aw${hex:61}y" "I am not here.";`, Options{})
	run := func(change func(e *Environment), msg string) string {
		env := testEnv()
		change(env)
		out, err := s.Run(t.Context(), env, rawMessage(msg))
		if err != nil {
			t.Fatal(err)
		}
		return describe(out)
	}
	same := func(*Environment) {}
	const yes, no = `vacation to=ann@far.example from=Bob <bob@here.example> subject="Away" every=72h0m0s; implicit keep`, `vacation to= from= subject="" every=72h0m0s; implicit keep`
	for _, c := range []struct {
		what, want, msg string
		change          func(e *Environment)
	}{
		{"mail for the owner", yes, letter, same},
		{"a bounce", no, letter, func(e *Environment) { e.Envelope.From = "" }},
		{"own mail", no, letter, func(e *Environment) { e.Envelope.From = "BOB@here.example" }},
		{"a daemon", no, letter, func(e *Environment) { e.Envelope.From = "MAILER-DAEMON@far.example" }},
		{"a list's owner", no, letter, func(e *Environment) { e.Envelope.From = "owner-list@far.example" }},
		{"junk", no, letter, func(e *Environment) { e.Junk = true }},
		{"a list", no, "List-Id: <x.y>\r\n" + letter, same},
		{"a machine", no, "Auto-Submitted: auto-generated (x)\r\n" + letter, same},
		{"a person", yes, "Auto-Submitted: no\r\n" + letter, same},
		{"bulk", no, "Precedence: bulk\r\n" + letter, same},
		{"a server that wants none", no, "X-Auto-Response-Suppress: DR, OOF\r\n" + letter, same},
		{"mail for somebody else", no, strings.Replace(letter, "bob@", "rob@", 1), same},
	} {
		if got := run(c.change, c.msg); got != c.want {
			t.Errorf("%s: %s", c.what, got)
		}
	}
	checkOutcome(t, `vacation :seconds 0 :addresses "carl@here.example" :from "B <bob@here.example>" "x";`, `vacation to=ann@far.example from=B <bob@here.example> subject="Auto: Grüße from the sea" every=0s; implicit keep`)
	checkOutcome(t, `vacation "x"; vacation "y";`, "implicit keep ! there is an answer by vacation already")
}

// RFC 5230 §4.2: what tells answers apart is what the script says, not what it comes to.
func TestVacationHandles(t *testing.T) {
	handle := func(text string) string {
		s := compileText(t, everything()+text, Options{})
		out, err := s.Run(t.Context(), testEnv(), rawMessage(letter))
		if err != nil {
			t.Fatal(err)
		}
		return out.Actions[0].Reply.Handle
	}
	a := handle(`set "v" "1"; vacation :subject "${v}" "x";`)
	if a != handle(`set "v" "2"; vacation :subject "${v}" "x";`) {
		t.Error("a variable makes another answer of it")
	}
	if a == handle(`vacation :subject "${v}" "y";`) || a == handle(`vacation "x";`) {
		t.Error("another text is the same answer")
	}
	if handle(`vacation :handle "h" "x";`) != handle(`vacation :handle "h" "y";`) {
		t.Error("the handle doesn't count")
	}
}

// RFC 5230 §5: the answer as it is sent.
func TestReplyText(t *testing.T) {
	post := &Composer{Host: "here.example", ID: func() string { return "7.x" }}
	text := func(script string) string {
		s := compileText(t, everything()+script, Options{})
		env := testEnv()
		out, err := s.Run(t.Context(), env, rawMessage(letter))
		if err != nil {
			t.Fatal(err)
		}
		l := post.Reply(env, out.Actions[0].Reply)
		if l.From != "" || len(l.To) != 1 || l.To[0] != "ann@far.example" {
			t.Errorf("envelope: %q %q", l.From, l.To)
		}
		return string(l.Text)
	}
	got := text(`vacation "I am away.";`)
	for _, line := range []string{
		"From: Bob <bob@here.example>", "To: ann@far.example", "Subject: Auto: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= from the sea", "In-Reply-To: <1@far.example>", "References: <1@far.example>",
		"Auto-Submitted: auto-replied (vacation)", "Date: Sat, 21 Nov 2026 06:30:00 +0100", "Message-ID: <7.x@here.example>", "I am away.",
	} {
		if !strings.Contains(strings.ToLower(got), strings.ToLower(line+"\r\n")) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
	got = text("vacation :mime text:\nContent-Type: text/html\nBcc: evil@far.example\n\n<p>away</p>\n.\n;")
	if !strings.HasSuffix(got, "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>away</p>\r\n") || strings.Contains(got, "Bcc") {
		t.Error(got)
	}
}

// RFC 5435, RFC 5436.
func TestNotify(t *testing.T) {
	checkOutcome(t, `notify :importance "1" :message "news" "mailto:a@x.example,b@x.example?cc=a@x.example&to=c%40x.example";`, `notify [a@x.example b@x.example c@x.example] "news" 1; implicit keep`)
	checkOutcome(t, `notify "mailto:a@x.example"; notify "mailto:a@x.example";`, `notify [a@x.example] "" 2; implicit keep`)
	checkTests(t, []string{`valid_notify_method ["mailto:a@x.example", "MAILTO:?to=b@x.example"]`, `notify_method_capability "mailto:a@x.example" "Online" "maybe"`},
		[]string{`valid_notify_method "tel:+1"`, `valid_notify_method "mailto:a b@x.example"`, `notify_method_capability "tel:+1" "online" "maybe"`, `notify_method_capability "mailto:a@x.example" "color" ""`})
	s := compileText(t, everything()+`notify :from "Bob <bob@here.example>" "mailto:a@x.example?subject=S%20T&body=B&x-y=z&from=evil@x.example&date=never";`, Options{})
	env := testEnv()
	out, err := s.Run(t.Context(), env, rawMessage(letter))
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&Composer{Host: "here.example", ID: func() string { return "7" }}).Notification(env, rawMessage(letter), out.Actions[0].Notice)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"From: Bob <bob@here.example>", "Subject: S T", "X-y: z", "Auto-Submitted: auto-notified; owner-email=\"bob@here.example\"", "B"} {
		if !strings.Contains(string(l.Text), line+"\r\n") {
			t.Errorf("no %q in\n%s", line, l.Text)
		}
	}
	if strings.Contains(string(l.Text), "evil") || strings.Contains(string(l.Text), "never") || l.From != "bob@here.example" {
		t.Errorf("%q\n%s", l.From, l.Text)
	}
}

// RFC 7352.
func TestDuplicate(t *testing.T) {
	s := compileText(t, everything()+`if duplicate :seconds 60 { discard; } if duplicate :handle "h" :uniqueid "x" :last { stop; }`, Options{})
	env := testEnv()
	out, err := s.Run(t.Context(), env, rawMessage(letter))
	if err != nil || describe(out) != "implicit keep" || len(out.Remember) != 2 || !out.Remember[0].Until.Equal(env.Now.Add(time.Minute)) || !out.Remember[1].Extend {
		t.Fatalf("%s %v %v", describe(out), out.Remember, err)
	}
	for _, r := range out.Remember {
		env.World.(*world).seen[r.ID] = true
	}
	out, err = s.Run(t.Context(), env, rawMessage(letter))
	if err != nil || describe(out) != "" || len(out.Remember) != 1 {
		t.Errorf("%s %v %v", describe(out), out.Remember, err)
	}
}

// RFC 6609.
func TestInclude(t *testing.T) {
	texts := map[string]string{
		"stop": "stop;", "back": `require "include"; return; `, "a": `require ["include"]; include "b";`, "b": `require "include"; include "a";`, "bad": "nonsense;",
		"vars": `require ["include", "variables"]; global "g"; set "g" "${g}!"; set "own" "x";`,
	}
	include := func(l Location, name string) (string, bool, error) {
		text, ok := texts[name]
		return text, ok && l == Personal, nil
	}
	for _, c := range []struct{ text, want string }{
		{`include "stop"; discard;`, "implicit keep"}, {`include "back"; discard;`, ""}, {`global "g"; set "g" "a"; set "own" "o"; include "vars"; include :once "vars"; include "vars"; fileinto "${g}${own}${global.g}";`, "fileinto a!!oa!!"},
		{`include :optional "none"; discard;`, ""}, {`include "none";`, "implicit keep !"}, {`include "a";`, "implicit keep !"}, {`include :global "stop"; discard;`, "implicit keep !"}, {`include :once "main"; discard;`, ""},
	} {
		s := compileText(t, everything()+c.text, Options{Include: include, Name: "main"})
		out, err := s.Run(t.Context(), testEnv(), rawMessage(letter))
		got := describe(out)
		if err != nil {
			got += " !"
		}
		if got != c.want {
			t.Errorf("%s: %s (%v)", c.text, got, err)
		}
	}
	_, err := Compile(everything()+`include "bad";`, Options{Include: include})
	if err == nil || err.Error() != "bad:1:1: unknown command 'nonsense'" {
		t.Error(err)
	}
}

// RFC 5463.
func TestIhave(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`require "ihave"; if ihave "nonsense" { frobnicate :x "y"; } else { keep; }`, "keep"}, {`require "ihave"; if ihave ["fileinto", "copy"] { fileinto :copy "A"; }`, "fileinto A; implicit keep"},
		{`require "ihave"; fileinto "A";`, "implicit keep !"}, {`require "ihave"; if true { frobnicate; }`, "implicit keep !"}, {`require "ihave"; if ihave "variables" { discard; }`, "implicit keep"},
		{`require "ihave"; error "oops";`, "implicit keep !"}, {`require "ihave"; if allof(ihave "nonsense", nonsense "x") { discard; }`, "implicit keep"}, {`require "ihave"; discard :nonsense;`, "implicit keep !"},
	} {
		s := compileText(t, c.text, Options{})
		out, err := s.Run(t.Context(), testEnv(), rawMessage(letter))
		got := describe(out)
		if err != nil {
			got += " !"
		}
		if got != c.want {
			t.Errorf("%s: %s (%v)", c.text, got, err)
		}
	}
}

// Scripts one after the other: the next decides about what the one before keeps.
func TestSequence(t *testing.T) {
	for _, c := range []struct{ before, own, after, want string }{
		{"", "", "", "implicit keep"}, {`discard;`, `keep;`, "", ""}, {`keep;`, `fileinto "A";`, `fileinto "B";`, "fileinto A"}, {`fileinto :copy "A";`, ``, `fileinto "B";`, "fileinto A; fileinto B"},
		{`stop;`, `discard;`, ``, ""}, {`addheader "X-A" "1";`, `if exists "x-a" { fileinto "A"; }`, ``, "fileinto A changed"}, {`keep :flags "\\Seen";`, ``, ``, `keep [\Seen]`},
		{`fileinto "A";`, `fileinto "B";`, ``, "fileinto A"}, {`setflag "a";`, `fileinto "B";`, ``, "fileinto B [a]"},
	} {
		var scripts []*Script
		for _, text := range []string{c.before, c.own, c.after} {
			scripts = append(scripts, compileText(t, everything()+text, Options{}))
		}
		out, err := RunAll(t.Context(), scripts, testEnv(), rawMessage(letter))
		if err != nil || describe(out) != c.want {
			t.Errorf("%q %q %q: %s, %v", c.before, c.own, c.after, describe(out), err)
		}
	}
}

// A script that is compiled for it tells what it does.
func TestExplain(t *testing.T) {
	s := compileText(t, "require \"fileinto\";\nif anyof(header \"subject\" \"x\",\n  not exists \"x-none\") {\n  fileinto \"A\";\n}\n", Options{Explain: true, Name: "s"})
	env := testEnv()
	var got []string
	env.Trace = func(script string, at syntax.Pos, what string) {
		got = append(got, fmt.Sprint(script, " ", at, " ", what))
	}
	if out, err := s.Run(t.Context(), env, rawMessage(letter)); err != nil || describe(out) != "fileinto A" {
		t.Error(describe(out), err)
	}
	if want := "s 2:10 header: false, s 3:7 exists: false, s 3:3 not: true, s 2:4 anyof: true, s 4:3 fileinto"; strings.Join(got, ", ") != want {
		t.Error(got)
	}
}

// A script that fails changes nothing of what those before it want.
func TestSequenceFails(t *testing.T) {
	for _, c := range []struct{ before, own, want string }{
		{`fileinto :copy "Journal"; addheader "X-A" "1";`, `addheader "X-B" "2"; fileinto "A"; error "oops";`, "fileinto Journal; implicit keep changed"},
		{`keep :flags "\\Seen";`, `discard; error "oops";`, `keep [\Seen]`}, {``, `discard; error "oops";`, "implicit keep"}, {`setflag "a";`, `setflag "b"; error "oops";`, "implicit keep [a]"},
	} {
		scripts := []*Script{compileText(t, everything()+c.before, Options{}), compileText(t, everything()+c.own, Options{}), compileText(t, everything()+`discard;`, Options{})}
		out, err := RunAll(t.Context(), scripts, testEnv(), rawMessage(letter))
		if err == nil || describe(out) != c.want {
			t.Errorf("%q %q: %s, %v", c.before, c.own, describe(out), err)
		}
	}
}

// What is wrong is told with its place, before anything runs.
func TestCompileErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`fileinto "a";`, `1:1: command 'fileinto' needs require "fileinto"`}, {`nonsense;`, "1:1: unknown command 'nonsense'"}, {`if nonsense {}`, "1:4: unknown test 'nonsense'"},
		{`keep; require "copy";`, "1:7: require must stand before all other commands"}, {`require ["a", "b"];`, "1:10: unknown extension 'a'|1:15: unknown extension 'b'"},
		{`keep; else {}`, "1:7: 'else' must follow the block of an if or elsif"}, {`if true {} else {} elsif true {}`, "1:20: 'elsif' must follow the block of an if or elsif"},
		{`true;`, "1:1: cannot use test 'true' as a command"}, {`if keep {}`, "1:4: cannot use command 'keep' as a test"}, {`if true;`, "1:1: the if command requires a block of commands"},
		{`keep {}`, "1:1: the keep command accepts no block of commands"}, {`keep 5;`, "1:6: the keep command requires no positional arguments, but 1 is given"},
		{`if size 5 {}`, "1:9: the size test requires no positional arguments"}, {`if header :comparator "x" "a" "b" {}`, "1:23: unknown comparator 'x'"},
		{`if header :is :contains "a" "b" {}`, "1:15: unexpected ':contains' in the header test: there is ':is' already"}, {`redirect "not an address";`, "1:10: 'not an address' is no address to redirect to"},
		{`require "relational"; if header :value "xx" "a" "b" {}`, "1:40: 'xx' is no relation"}, {`require "variables"; set "1" "a";`, "1:26: the match variable ${1} can't be set"}, {`require "variables"; set "a" "${b.c}";`, "1:30: there is no namespace 'b' for variables here"},
		{`require "regex"; if header :regex "a" "(" {}`, "1:39: this regular expression is wrong"}, {`require ["index"]; if header :last "a" "b" {}`, "1:30: :last needs :index"}, {`require "foreverypart"; break;`, "1:25: break is only possible inside of foreverypart"},
		{"keep;\r\n  fileinto\r\n    5;", `2:3: command 'fileinto' needs require "fileinto"`}, {`require "vacation"; vacation :from "x" "y";`, "1:36: 'x' is no address"}, {`require "encoded-character"; redirect "${unicode:110000}";`, "1:39: '110000' is no Unicode character"},
		{`require ["fileinto", "mailbox"]; fileinto :copy "a";`, "1:43: unknown tagged argument ':copy' for the fileinto command: it needs require \"copy\""}, {`if address "subject" "x" {}`, "1:12: the header field 'subject' is not allowed for the address test"},
		{`require "enotify"; notify "tel:+1";`, "1:27: there is no notification method 'tel'"}, {`require "fcc"; require "vacation"; require "mailbox"; vacation :create "x";`, "1:64: :create needs :fcc"},
		{`require ["fcc", "vacation", "mailboxid", "special-use"]; vacation :fcc "A" :specialuse "\\Sent" :mailboxid "F1" "x";`, "1:58: :mailboxid and :specialuse can't be used together"},
		{`require ["fcc", "vacation", "special-use"]; vacation :fcc "A" :specialuse "Sent" "x";`, "1:75: 'Sent' is no special use"},
	} {
		_, err := Compile(c.text, Options{})
		if got := strings.ReplaceAll(fmt.Sprint(err), "\n", "|"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// An error of the world's is told, and the message is kept.
func TestWorldFails(t *testing.T) {
	env := testEnv()
	env.World.(*world).err = errors.New("away")
	s := compileText(t, everything()+`discard; if mailboxexists "A" { discard; }`, Options{})
	out, err := s.Run(t.Context(), env, rawMessage(letter))
	if err == nil || describe(out) != "implicit keep" {
		t.Error(describe(out), err)
	}
}

// A run is bounded, whatever the script says. Limits are tested at, above and far beyond.
func TestRunLimits(t *testing.T) {
	many := func(text string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, text, i)
		}
		return b.String()
	}
	for _, c := range []struct {
		text string
		at   int
	}{{`fileinto "f%d";`, 32}, {`redirect "a%d@x.example";`, 4}, {`notify "mailto:a%d@x.example";`, 4}, {`set "v%d" "x";`, 255}, {`addheader "X-%d" "` + strings.Repeat("x ", 400) + `";`, 316}} {
		for _, n := range []int{c.at, c.at + 1, c.at * 10} {
			var err error
			s, err := Compile(everything()+many(c.text, n), Options{})
			if err == nil {
				_, err = s.Run(t.Context(), testEnv(), rawMessage(letter))
			}
			if (err != nil) != (n > c.at) {
				t.Errorf("%d times %s: %v", n, c.text[:10], err)
			}
		}
	}
	checkOutcome(t, `set "a" "`+strings.Repeat("ab", 3000)+`"; set :length "l" "${a}"; fileinto "${l}";`, "fileinto 4000")
}

// Scripts that would take forever are ended.
func TestBombs(t *testing.T) {
	a := strings.Repeat("a", 30_000)
	msg := rawMessage("From: a@b.example\r\nSubject: " + a + "\r\n\r\n" + strings.Repeat("a", 4<<20))
	texts := map[string]string{"x9": "keep;"}
	for i := range 9 {
		texts[fmt.Sprint("x", i)] = fmt.Sprintf(`require "include"; %s`, strings.Repeat(fmt.Sprintf(`include "x%d"; `, i+1), 20))
	}
	include := func(_ Location, name string) (string, bool, error) { text, ok := texts[name]; return text, ok, nil }
	for what, text := range map[string]string{
		"stars": `if body :raw :matches "` + strings.Repeat("*a", 1000) + `*b" {}`, "long keys": strings.Repeat(`if body :raw :contains "`+a[:4000]+`b" {} `, 200),
		"regex": `if body :raw :regex "(a*)*(a|aa)*(a?){200}b" {}`, "regex of variables": `set "a" "(((a{1,9}){1,9}){1,9})"; ` + strings.Repeat(`set "a" "${a}a"; if header :regex "subject" "${a}b" {} `, 2000),
		"folded bodies": strings.Repeat(`if body :raw :comparator "i;unicode-casemap" :contains "ü" {} `, 50), "annotations": strings.Repeat(`if metadata "INBOX" "/private/b" "" {} `, 5000),
		"includes": `include "x0";`, "loops": strings.Repeat(`foreverypart { if body :contains "x" {} } `, 1) + strings.Repeat(`if header :matches "subject" "*a*a*a*a*b" {} `, 5000), "variables": `set "a" "` + a[:4000] + `"; ` + strings.Repeat(`set "b" "${a}${a}${a}${a}${a}${a}"; `, 20_000),
	} {
		s, err := Compile(everything()+text, Options{Include: include, Limits: Limits{Fuel: 1_000_000}})
		if err != nil {
			if what != "includes" {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		out, err := s.Run(t.Context(), testEnv(), msg)
		if describe(out) != "implicit keep" || out.Steps > 1_000_000 || (err == nil) != (what == "stars") {
			t.Errorf("%s: %s after %d steps: %v", what, describe(out), out.Steps, err)
		}
	}
}

// A script's regular expressions are bounded together, before they are compiled.
func TestManyExpressions(t *testing.T) {
	many := func(n int) string {
		return `require "regex"; if header :regex "a" ["` + strings.Repeat(strings.Repeat("(a|b)", 200)+`", "`, n) + `"] {}`
	}
	if _, err := Compile(many(60), Options{}); err != nil {
		t.Error(err)
	}
	for _, n := range []int{70, 700} {
		if _, err := Compile(many(n), Options{}); err == nil || !strings.Contains(err.Error(), "too large together") {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// On the hot path rules that don't match cost no memory.
func TestNoAllocationPerRule(t *testing.T) {
	if underRace {
		t.Skip("allocations can't be counted")
	}
	for _, rule := range []string{
		`anyof(header :contains ["subject", "x-list"] "nothing", address :domain "from" "no.example", header :matches "from" "*@x*")`,
		`header :is "subject" "nothing"`, `header :contains ["subject", "to"] ["a b c", "nothing"]`, `header :regex "subject" "^x.*y$"`, `header :contains "subject" "${x}"`, `header :index 1 "received" "x"`,
		`header :value "ge" :comparator "i;ascii-numeric" "x-number" "100"`, `header :count "ge" "received" "10"`, `header :comparator "i;unicode-casemap" ["subject", "from"] ["x", "y"]`, `header :comparator "i;unicode-casemap" :contains "subject" "xyz"`,
		`exists "x-none"`, `not exists "subject"`, `size :over 100K`, `address :all :is "from" "x@y.example"`, `address :localpart :contains "to" "zzz"`, `address :user "from" "zzz"`, `address :detail "from" "zzz"`,
		`envelope :is "from" "x@y"`, `envelope :domain "to" "x"`, `envelope :detail "to" "zz"`, `hasflag "zzz"`, `environment "domain" "zzz"`, `spamtest :value "ge" "9"`, `spamtest :percent :value "ge" "99"`, `virustest "5"`,
		`currentdate "year" "2000"`, `currentdate :value "ge" "date" "2030-01-01"`, `date "date" "weekday" "9"`, `string "${x}" "b"`, `header :mime "content-type" "x"`, `header :mime :anychild :contenttype "content-type" "x/y"`,
		`body :contains "zzz"`, `body :raw :contains "zzz"`, `mailboxexists "None"`, `specialuse_exists "\\Archive"`, `metadata "INBOX" "/private/z" "a"`,
	} {
		count := func(n int) float64 {
			s := compileText(t, everything()+`set "x" "zz"; `+strings.Repeat(`if allof(`+rule+`, false) { fileinto "A"; stop; } `, n), Options{})
			env := testEnv()
			return testing.AllocsPerRun(20, func() { _, _ = s.Run(context.Background(), env, rawMessage(letter)) })
		}
		if one, many := count(1), count(100); many > one {
			t.Errorf("%s: 1 rule: %v allocations, 100 rules: %v", rule, one, many)
		}
	}
}

func FuzzRun(f *testing.F) {
	f.Add(`if header :matches "subject" "*" { fileinto "${1}"; }`, letter)
	f.Add(`foreverypart { extracttext "a"; addheader "X" "${a}"; } vacation "x"; if body :contains "a" { redirect "a@b.example"; }`, letter)
	f.Add(`foreverypart { if header :mime :type "content-type" "text" { replace :mime "a: b"; foreverypart { replace "x"; } } } enclose :headers "From" "y"; replace :subject "z" "w"; addheader "a" "b"; redirect "a@b.example";`, letter)
	f.Add(`setflag "a"; if date :index 1 "date" "julian" "1" { reject "x"; } include "x"; notify "mailto:a@b.example";`, "a: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, text, msg string) {
		s, err := Compile(everything()+text, Options{Limits: Limits{Fuel: 20_000}})
		if err != nil {
			return
		}
		env := testEnv()
		out, err := s.Run(context.Background(), env, rawMessage(msg))
		if out == nil || err != nil && describe(out) != "implicit keep" {
			t.Fatal(describe(out), err)
		}
		post := &Composer{Host: "x.example", ID: func() string { return "1" }}
		for _, a := range out.Actions {
			switch {
			case a.Op == Vacation && a.Reply.To != "":
				post.Reply(env, a.Reply)
			case a.Op == Notify:
				_, _ = post.Notification(env, rawMessage(msg), a.Notice)
			}
		}
	})
}

func BenchmarkRun(b *testing.B) {
	text := everything() + strings.Repeat(`if anyof(header :contains ["subject", "x-list"] "nothing", address :domain "from" "no.example") { fileinto "A"; stop; } `, 20)
	s := compileText(b, text, Options{})
	env := testEnv()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Run(context.Background(), env, rawMessage(letter)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	text := everything() + strings.Repeat(`if anyof(header :contains ["subject", "x-list"] "nothing", address :domain "from" "no.example") { fileinto "A"; stop; } `, 20)
	b.ReportAllocs()
	for b.Loop() {
		compileText(b, text, Options{})
	}
}
