package milter

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	filter "github.com/emersion/go-milter"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
)

// counted counts connections, and keeps the last one.
func counted(dial scantest.Dial, n *int, last *net.Conn) scantest.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		*n++
		c, err := dial(ctx, network, address)
		*last = c
		return c, err
	}
}

// client is somebody who brings messages, step by step.
type client struct {
	t *testing.T
	c scan.Conversation
	m scan.Message
}

func begin(t *testing.T, s *Scanner) *client {
	x := &client{t: t, c: s.Begin(), m: *letter(text)}
	x.m.From, x.m.To = "", nil
	t.Cleanup(x.c.Close)
	return x
}

func (x *client) step(at scan.Stage) scan.Finding {
	x.t.Helper()
	f, err := x.c.Step(x.t.Context(), at, &x.m)
	if err != nil {
		x.t.Fatal(err)
	}
	return f
}

func (x *client) mail(from string) { x.m.From, x.m.To = from, nil; x.step(scan.AtMail) }
func (x *client) rcpt(to string) scan.Finding {
	x.m.To = append(x.m.To, to)
	return x.step(scan.AtRecipient)
}
func (x *client) refused(to string) scan.Finding {
	f := x.rcpt(to)
	x.m.To = x.m.To[:len(x.m.To)-1]
	return f
}

// A client's steps are told as they are taken, over one connection, however many messages come.
func TestAlong(t *testing.T) {
	r := &recorder{}
	dials, last := 0, net.Conn(nil)
	s := New(Options{Dial: counted(listen(t, r, 0, 0), &dials, &last)})
	x := begin(t, s)
	x.m.Helo = ""
	x.step(scan.AtConnect)
	x.m.Helo = "mail.example.org"
	x.step(scan.AtHello)
	x.mail("ann@example.org")
	x.rcpt("bob@example.test")
	x.step(scan.AtData)
	x.step(scan.AtContent)
	x.c.Abort() // after the message, this is nothing
	x.mail("eve@example.org")
	x.rcpt("bob@example.test")
	r.at, r.reply = "rcpt", filter.NewResponseStr('y', "550 5.1.1 No")
	if f := x.refused("carol@example.test"); f.Action != scan.Reject || f.Code != 550 || f.Text != "No" {
		t.Errorf("%+v", f)
	}
	r.at = ""
	x.rcpt("dan@example.test")
	x.c.Abort()
	x.step(scan.AtHello)
	x.mail("eve@example.org")
	content := []string{"header From=<ann@example.org>", "header Subject= two\n\tlines", "header X-Empty=", "eoh ", "body Hello.\r\nBye.\r\n", "end "}
	want := slices.Concat([]string{"connect mail.example.org tcp4 192.0.2.7 mail.example.test", "helo mail.example.org TLSv1.3",
		"mail ann@example.org id1 bob@example.test", "rcpt bob@example.test example.test"}, content, []string{
		"mail eve@example.org id1 bob@example.test", "rcpt bob@example.test example.test", "rcpt carol@example.test example.test", "rcpt dan@example.test example.test",
		"abort ", "helo mail.example.org TLSv1.3", "mail eve@example.org id1 bob@example.test"})
	if !slices.Equal(*r.heard, want) || dials != 1 {
		t.Errorf("%d connections heard\n%s\nwant\n%s", dials, strings.Join(*r.heard, "\n"), strings.Join(want, "\n"))
	}
	if f, err := x.c.Step(t.Context(), scan.AtContent, &x.m); err != nil || f.Action != scan.Accept {
		t.Error(f, err)
	}
}

// A connection that has gone meanwhile is made anew, and all is told again; so is one that another client has had to have.
func TestAnew(t *testing.T) {
	r := &recorder{}
	dials, last := 0, net.Conn(nil)
	s := New(Options{Dial: counted(listen(t, r, 0, 0), &dials, &last), Connections: 1})
	x := begin(t, s)
	x.step(scan.AtConnect)
	x.step(scan.AtHello)
	x.mail("ann@example.org")
	x.rcpt("bob@example.test")
	last.Close()
	*r.heard = nil
	x.rcpt("carol@example.test")
	want := []string{"connect mail.example.org tcp4 192.0.2.7 mail.example.test", "helo mail.example.org TLSv1.3", "mail ann@example.org id1 bob@example.test",
		"rcpt bob@example.test example.test", "rcpt carol@example.test example.test"}
	if !slices.Equal(*r.heard, want) || dials != 2 {
		t.Errorf("%d connections, heard %q", dials, *r.heard)
	}
	y := begin(t, s)
	y.mail("eve@example.org")
	if dials != 3 || s.lines.open != 1 {
		t.Errorf("%d connections, %d open", dials, s.lines.open)
	}
	*r.heard = nil
	x.rcpt("dan@example.test")
	if want := append(want, "rcpt dan@example.test example.test"); !slices.Equal(*r.heard, want) || dials != 4 || s.lines.open != 1 {
		t.Errorf("%d connections, heard %q", dials, *r.heard)
	}
	y.c.Abort()
	y.c.Close()
	x.c.Close()
	if s.lines.open != 0 || s.lines.idle.Len() != 0 {
		t.Errorf("%d are open", s.lines.open)
	}
	s.Close()
}

// A filter that is known to have nothing to say about steps isn't asked, nor connected to before it must be.
func TestHeeds(t *testing.T) {
	r := &recorder{}
	dials, last := 0, net.Conn(nil)
	s := New(Options{Dial: counted(listen(t, r, 0, filter.OptNoConnect|filter.OptNoHelo|filter.OptNoMailFrom|filter.OptNoRcptTo), &dials, &last)})
	for at := scan.AtConnect; at <= scan.AtContent; at++ {
		if !s.Heeds(at) {
			t.Errorf("%v is known already", at)
		}
	}
	x := begin(t, s)
	x.step(scan.AtConnect)
	for at := scan.AtConnect; at <= scan.AtContent; at++ {
		if want := at == scan.AtContent; s.Heeds(at) != want { // one of version 2 doesn't know of DATA
			t.Errorf("%v: %v", at, !want)
		}
	}
	x.m.To = []string{"bob@example.test"}
	x.step(scan.AtContent)
	if (*r.heard)[0] != "header From=<ann@example.org>" || dials != 1 {
		t.Errorf("heard %q", *r.heard)
	}
}

// talkTo is what a filter hears of a step at byte level, and nothing else.
func macrosOf(t *testing.T, wanted string, at byte, m *scan.Message, to int) string {
	t.Helper()
	var said strings.Builder
	x := &talk{wire: newWire(struct {
		*strings.Reader
		*strings.Builder
	}{strings.NewReader(""), &said}), now: fixed}
	if err := x.wants([]byte(wanted)); err != nil {
		t.Fatal(err)
	}
	x.macros(at, m, to)
	x.flush()
	all, ok := texts([]byte(said.String()[6:]))
	if !ok || said.String()[4] != cmdMacro || said.String()[5] != at {
		t.Fatalf("%q", said.String())
	}
	var pairs []string
	for i := 0; i+1 < len(all); i += 2 {
		pairs = append(pairs, all[i]+"="+all[i+1])
	}
	return strings.Join(pairs, " ")
}

func TestMacros(t *testing.T) {
	m := letter(text)
	m.Port, m.Local, m.Listener, m.Cipher, m.Mechanism, m.Author, m.Locals = 4711, netip.MustParseAddrPort("192.0.2.1:587"), "submission", "TLS_AES_128_GCM_SHA256", "PLAIN", "x@y", []bool{true}
	none := &scan.Message{}
	for _, c := range []struct {
		wanted string
		at     byte
		m      *scan.Message
		to     int
		want   string
	}{
		{"", cmdConnect, m, -1, "j=mail.example.test _=mail.example.org [192.0.2.7] {daemon_name}=MSA {daemon_addr}=192.0.2.1 {daemon_port}=587 {if_addr}=192.0.2.1 v=Postroad " +
			"{client_addr}=192.0.2.7 {client_name}=mail.example.org {client_port}=4711 {client_ptr}=mail.example.org {client_resolve}=OK"},
		{"", cmdConnect, none, -1, "_=localhost [] {daemon_name}=MTA v=Postroad {client_name}=localhost {client_ptr}=unknown {client_resolve}=FAIL"},
		{"", cmdHelo, m, -1, "{tls_version}=TLSv1.3 {cipher}=TLS_AES_128_GCM_SHA256 {cipher_bits}=128"},
		{"", cmdHelo, none, -1, ""},
		{"", cmdMail, m, -1, "i=id1 {auth_type}=PLAIN {auth_authen}=bob@example.test {auth_author}=x@y {mail_addr}=ann@example.org {mail_host}=example.org {mail_mailer}=smtp"},
		{"", cmdRcpt, m, 0, "{rcpt_addr}=bob@example.test {rcpt_host}=example.test {rcpt_mailer}=local"},
		{"", cmdRcpt, m, 1, "{rcpt_addr}=carol@example.test {rcpt_host}=example.test {rcpt_mailer}=smtp"},
		{"", cmdEnd, m, -1, "i=id1"},
		{"\x00\x00\x00\x02i {client_addr},{s} {unknown} b r f\x00\x00\x00\x00\x09x\x00\x00\x00\x00\x03\x00", cmdMail, m, -1,
			"i=id1 {client_addr}=192.0.2.7 {s}=mail.example.org b=Sun, 22 Nov 2026 12:00:00 +0000 f=ann@example.org"},
		{"\x00\x00\x00\x03\x00", cmdRcpt, m, 0, ""},
		{"\x00\x00\x00\x05i j\x00", cmdEnd, m, -1, "i=id1 j=mail.example.test"},
		{"\x00\x00\x00\x06j\x00", cmdEOH, m, -1, "j=mail.example.test"},
	} {
		if got := macrosOf(t, c.wanted, c.at, c.m, c.to); got != c.want {
			t.Errorf("%q at %c:\n got %s\nwant %s", c.wanted, c.at, got, c.want)
		}
	}
	for _, bad := range []string{"\x00", "\x00\x00\x00\x01", "\x00\x00\x00\x01j"} {
		if err := new(talk).wants([]byte(bad)); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	x := &talk{}
	x.wants([]byte("\x00\x00\x00\x00" + strings.Repeat("j ", 10000) + "\x00"))
	if n := len(x.wanted[cmdConnect]); n != maxSymbols {
		t.Errorf("%d macros", n)
	}
}

// What a filter wants changed arrives as it is meant.
func TestChanges(t *testing.T) {
	const all = filter.OptAddHeader | filter.OptChangeHeader | filter.OptChangeBody | filter.OptAddRcpt | filter.OptRemoveRcpt | filter.OptQuarantine | filter.OptChangeFrom
	long := strings.Repeat("0123456789abcdef", 10000)
	for name, c := range map[string]struct {
		change func(*filter.Modifier) error
		want   scan.Finding
		body   string
	}{
		"fields": {func(m *filter.Modifier) error {
			return errors.Join(m.AddHeader("X-Last", "a"), m.InsertHeader(0, "X-Second", "b\n\tc"), m.InsertHeader(1, "X-First", "d"), m.InsertHeader(7, "X-Later", "e"))
		}, scan.Finding{Fields: []scan.Field{{Name: "X-First", Value: "d"}, {Name: "X-Second", Value: "b\n\tc"}, {Name: "X-Last", Value: "a"}, {Name: "X-Later", Value: "e"}}}, ""},
		"a field of the message's": {func(m *filter.Modifier) error { return m.AddHeader("Reply-To", "a") },
			scan.Finding{Changes: &scan.Changes{Header: []scan.HeaderChange{{Name: "Reply-To", Value: "a", Do: scan.AddField}}}}, ""},
		"quarantine": {func(m *filter.Modifier) error { return m.Quarantine("odd") }, scan.Finding{Action: scan.Quarantine, Reason: "odd"}, ""},
		"header": {func(m *filter.Modifier) error {
			return errors.Join(m.ChangeHeader(1, "Subject", "x"), m.ChangeHeader(0, "A", "y"), m.ChangeHeader(3, "B", ""))
		}, scan.Finding{Changes: &scan.Changes{Header: []scan.HeaderChange{{Name: "Subject", Place: 1, Value: "x"}, {Name: "A", Place: 1, Value: "y"}, {Name: "B", Place: 3, Do: scan.RemoveField}}}}, ""},
		"body": {func(m *filter.Modifier) error {
			return errors.Join(m.ReplaceBody([]byte("one ")), m.ReplaceBody([]byte(long)), m.ReplaceBody(nil))
		}, scan.Finding{Changes: &scan.Changes{}}, "one " + long},
		"recipients": {func(m *filter.Modifier) error {
			return errors.Join(m.AddRecipient("a@b"), m.AddRecipient("c@d"), m.DeleteRecipient("bob@example.test"))
		}, scan.Finding{Changes: &scan.Changes{Envelope: []scan.EnvelopeChange{{Do: scan.AddRecipient, Address: "a@b"}, {Do: scan.AddRecipient, Address: "c@d"}, {Do: scan.RemoveRecipient, Address: "bob@example.test"}}}}, ""},
		"sender": {func(m *filter.Modifier) error { return m.ChangeFrom("") }, scan.Finding{Changes: &scan.Changes{Envelope: []scan.EnvelopeChange{{Do: scan.SetSender}}}}, ""},
	} {
		r := &recorder{end: func(m *filter.Modifier) (filter.Response, error) { return filter.RespContinue, c.change(m) }}
		m := letter(text)
		m.Limit, m.Draft = 1<<20, func() scan.Draft { return &memory{} }
		f, err := scanner(listen(t, r, all, 0)).Scan(t.Context(), m)
		if c.body != "" {
			if f.Changes == nil || f.Changes.Body.(*memory).String() != c.body {
				t.Errorf("%s: %+v, %v", name, f, err)
				continue
			}
			f.Changes.Body = nil
		}
		c.want.Final = true
		if err != nil || !reflect.DeepEqual(f, c.want) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

// memory is a Draft.
type memory struct{ strings.Builder }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(m.String()).ReadAt(p, off)
}
func (m *memory) Size() int64 { return int64(m.Len()) }

// What a filter may say without end has one. (What it says otherwise is in testdata.)
func TestEndlessWishes(t *testing.T) {
	const negotiated = "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xf3\xff"
	big := scantest.Serve(func(c net.Conn) {
		go func() {
			b := append([]byte("\x00\x08\x00\x00b"), make([]byte, 1<<19-1)...)
			c.Write([]byte(negotiated))
			for {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}()
		drain(c)
	})
	m := letter(text)
	m.Limit, m.Draft = 1<<20, func() scan.Draft { return &memory{} }
	if _, err := scanner(big).Scan(t.Context(), m); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
}

// letters are those that a filter has heard.
type letters struct {
	mu  sync.Mutex
	all []byte
}

func (l *letters) add(c byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, c)
}

func (l *letters) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.all)
}

// script is a filter that negotiates steps, and answers to letters as it is told; "": it says nothing, and "-": as nobody else, it goes on.
func script(steps uint32, heard *letters, answer func(letter byte, data string) string) scantest.Dial {
	return scantest.Serve(func(c net.Conn) {
		w := newWire(c)
		for {
			p, err := w.next()
			if err != nil {
				return
			}
			heard.add(p.letter)
			said := "c"
			switch p.letter {
			case cmdOptions:
				said = "O\x00\x00\x00\x06\x00\x00\x01\xff" + string(binary.BigEndian.AppendUint32(nil, steps))
			case cmdMacro, cmdAbort:
				continue
			case cmdQuit:
				return
			default:
				if a := answer(p.letter, string(p.data)); a != "-" {
					said = a
				}
			}
			if said != "" {
				w.put(said[0], []byte(said[1:]))
				w.flush()
			}
		}
	})
}

// Steps that the filter doesn't want aren't told, and to those that it won't answer nobody waits for an answer.
func TestStepsThatAreNegotiated(t *testing.T) {
	const steps = "CHMRRTLLLNBE"
	for bit, without := range map[uint32]string{0: "", noConnect: "C", noHelo: "H", noMail: "M", noRcpt: "R", noBody: "B", noHeaders: "L", noEOH: "N", noData: "T", noUnknown: "",
		quietHeader: "l", quietConnect: "c", quietHelo: "h", quietMail: "m", quietRcpt: "r", quietData: "t", quietEOH: "n", quietBody: "b"} {
		var heard letters
		dial := script(bit, &heard, func(letter byte, _ string) string {
			if strings.EqualFold(without, string(letter)) {
				return ""
			}
			return "-"
		})
		if f, err := scanner(dial).Scan(t.Context(), letter(text)); err != nil || f.Action != scan.Accept {
			t.Errorf("%x: %+v, %v", bit, f, err)
		}
		want := strings.ReplaceAll(steps, strings.TrimLeft(without, "abcdefghijklmnopqrstuvwxyz"), "")
		if without == "" || without == strings.ToLower(without) {
			want = steps
		}
		if got := strings.NewReplacer("D", "", "O", "", "Q", "").Replace(heard.String()); got != want {
			t.Errorf("%x: %s, want %s", bit, got, want)
		}
	}
}

// A body that the filter wants no more of isn't told to its end; who asks for time has it.
func TestSkip(t *testing.T) {
	var heard letters
	dial := script(canSkip, &heard, func(letter byte, _ string) string {
		if letter == cmdBody {
			return "s"
		}
		return "-"
	})
	m := letter("A: b\r\n\r\n" + strings.Repeat("x", 5*chunk))
	if f, err := scanner(dial).Scan(t.Context(), m); err != nil || f.Action != scan.Accept || strings.Count(heard.String(), "B") != 1 {
		t.Error(f, err, heard.String())
	}
	dial = scantest.Serve(func(c net.Conn) {
		go c.Write([]byte("\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xf3\xff" + strings.Repeat("\x00\x00\x00\x01p", 100) + "\x00\x00\x00\x01r"))
		drain(c)
	})
	if f, err := scanner(dial).Scan(t.Context(), letter(text)); err != nil || f.Action != scan.Reject {
		t.Error(f, err)
	}
}

// TestAnswersAtEachStep: whatever a filter says to a step is said to the client at that step.
func TestAnswersAtEachStep(t *testing.T) {
	for at, l := range map[scan.Stage]byte{scan.AtConnect: cmdConnect, scan.AtHello: cmdHelo, scan.AtMail: cmdMail, scan.AtRecipient: cmdRcpt, scan.AtData: cmdData, scan.AtContent: cmdEnd} {
		for said, want := range map[string]scan.Finding{
			"c": {}, "a": {Final: true}, "r": {Action: scan.Reject, Final: true}, "t": {Action: scan.TempFail, Final: true}, "d": {Action: scan.Discard, Final: true},
			"y451 4.7.1 later\x00": {Action: scan.TempFail, Code: 451, Status: "4.7.1", Text: "later", Reason: "later", Final: true},
		} {
			if want.Final = want.Final || at == scan.AtContent; said == "a" && at == scan.AtContent {
				want.Final = true
			}
			var heard letters
			dial := script(0, &heard, func(letter byte, _ string) string {
				if letter == l {
					return said
				}
				return "-"
			})
			x := begin(t, New(Options{Dial: dial}))
			for s := scan.AtConnect; s < at; s++ {
				if s == scan.AtMail {
					x.mail("ann@example.org")
				} else if s == scan.AtRecipient {
					x.rcpt("bob@example.test")
				} else {
					x.step(s)
				}
			}
			x.m.From = "ann@example.org"
			if at == scan.AtRecipient {
				x.m.To = append(x.m.To, "bob@example.test")
			}
			if f := x.step(at); !reflect.DeepEqual(f, want) {
				t.Errorf("%c says %q: %+v", l, said, f)
			}
		}
	}
	var heard letters
	for _, bad := range []string{"f", "4", "s", "h", "z", "O", "y", "y250 ok\x00", "yx"} {
		x := begin(t, New(Options{Dial: script(0, &heard, func(byte, string) string { return bad })}))
		if f, err := x.c.Step(t.Context(), scan.AtConnect, &x.m); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%q: %+v, %v", bad, f, err)
		}
	}
}

// What a filter says too much isn't taken for what it says to the next step, or of the next message.
func TestAnswersTooMany(t *testing.T) {
	first := true
	s := New(Options{Dial: scantest.Serve(func(c net.Conn) {
		w, bad := newWire(c), first
		first = false
		for {
			p, err := w.next()
			switch {
			case err != nil:
				return
			case p.letter == cmdMacro || p.letter == cmdAbort:
				continue
			case p.letter == cmdOptions:
				w.put(cmdOptions, append([]byte{0, 0, 0, 6, 0, 0, 1, 0xff}, 0, 0, 0, 0))
			default:
				w.put(actContinue)
			}
			if bad && p.letter == cmdMail {
				w.put(actReject)
			}
			w.flush()
		}
	})})
	x := begin(t, s)
	x.mail("ann@example.org")
	if f := x.rcpt("bob@example.test"); f.Action != scan.Accept {
		t.Errorf("%+v", f)
	}
	x.c.Close()
	if s.lines.open != 0 {
		t.Errorf("%d are open", s.lines.open)
	}
}

// broken is a content that breaks who reads it.
type broken struct{ *strings.Reader }

func (broken) ReadAt([]byte, int64) (int, error) { panic("broken") }

// What breaks in a step is the end of its connection, which isn't forgotten: the client can go on, and leave.
func TestPanicInAStep(t *testing.T) {
	s := New(Options{Dial: listen(t, &recorder{}, 0, 0)})
	x := begin(t, s)
	x.mail("ann@example.org")
	whole := x.m.Content
	x.m.Content = broken{}
	if _, err := x.c.Step(t.Context(), scan.AtContent, &x.m); !fault.Is(err, fault.Internal) {
		t.Error(err)
	}
	x.m.Content = whole
	x.mail("ann@example.org")
	x.c.Close()
	if s.lines.open != 0 || s.lines.idle.Len() != 0 {
		t.Errorf("%d are open", s.lines.open)
	}
}

// The parameters of MAIL and RCPT are told.
func TestParameters(t *testing.T) {
	var heard letters
	var paths []string
	dial := script(0, &heard, func(letter byte, data string) string {
		if letter == cmdMail || letter == cmdRcpt {
			paths = append(paths, strings.ReplaceAll(data, "\x00", " "))
		}
		return "-"
	})
	m := letter(text)
	m.FromArgs, m.ToArgs = []string{"SIZE=10", "BODY=8BITMIME"}, [][]string{nil, {"NOTIFY=NEVER"}}
	scanner(dial).Scan(t.Context(), m)
	if want := []string{"<ann@example.org> SIZE=10 BODY=8BITMIME ", "<bob@example.test> ", "<carol@example.test> NOTIFY=NEVER "}; !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
}

// FuzzConversation goes through steps with a filter that says anything.
func FuzzConversation(f *testing.F) {
	negotiated := "\x00\x00\x00\x15O\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x04\x00\x00\x00\x00\x01i j\x00"
	f.Add(negotiated + strings.Repeat("\x00\x00\x00\x01c", 20))
	f.Add(negotiated + strings.Repeat("\x00\x00\x00\x01c", 9) + "\x00\x00\x00\x09m\x00\x00\x00\x01A\x00b\x00" + "\x00\x00\x00\x04bxyz" + "\x00\x00\x00\x01a")
	f.Add(negotiated + "\x00\x00\x00\x01p\x00\x00\x00\x01a")
	f.Fuzz(func(t *testing.T, said string) {
		s := New(Options{Dial: scantest.Serve(func(c net.Conn) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				drain(c)
			}()
			c.Write([]byte(said))
			c.Close()
			<-done
		})})
		c := s.Begin()
		m := letter(text)
		m.Limit, m.Draft = 1<<16, func() scan.Draft { return &memory{} }
		for at := scan.AtConnect; at <= scan.AtContent; at++ {
			if found, err := c.Step(t.Context(), at, m); err != nil && (!reflect.DeepEqual(found, scan.Finding{}) || !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsupported)) {
				t.Errorf("%+v, %v", found, err)
			}
		}
		c.Abort()
		c.Close()
		if s.lines.open != 0 || s.lines.idle.Len() != 0 {
			t.Errorf("%d connections are open", s.lines.open)
		}
	})
}
