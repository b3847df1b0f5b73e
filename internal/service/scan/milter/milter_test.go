package milter

import (
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	filter "github.com/emersion/go-milter"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
)

func scanner(dial scantest.Dial) scan.Scanner {
	return New(Options{Network: "tcp", Address: "milter.test:8891", Dial: dial})
}

func TestMisbehaviour(t *testing.T) {
	scantest.Misbehave(t, scantest.Program{New: scanner, Answer: "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01c"})
}

// recorder is a filter by somebody else's library.
type recorder struct {
	filter.NoOpMilter
	heard *[]string
	at    string // the step at which it answers other than "go on"
	reply filter.Response
	end   func(*filter.Modifier) (filter.Response, error)
}

func (r *recorder) step(name, what string) (filter.Response, error) {
	*r.heard = append(*r.heard, name+" "+what)
	if r.at == name {
		return r.reply, nil
	}
	return filter.RespContinue, nil
}

func (r *recorder) Connect(host, family string, port uint16, addr net.IP, m *filter.Modifier) (filter.Response, error) {
	return r.step("connect", host+" "+family+" "+addr.String()+" "+m.Macros["j"])
}
func (r *recorder) Helo(name string, m *filter.Modifier) (filter.Response, error) {
	return r.step("helo", name+" "+m.Macros["{tls_version}"])
}
func (r *recorder) MailFrom(from string, m *filter.Modifier) (filter.Response, error) {
	return r.step("mail", from+" "+m.Macros["i"]+" "+m.Macros["{auth_authen}"])
}
func (r *recorder) RcptTo(to string, m *filter.Modifier) (filter.Response, error) {
	return r.step("rcpt", to+" "+m.Macros["{rcpt_host}"])
}
func (r *recorder) Header(name, value string, _ *filter.Modifier) (filter.Response, error) {
	return r.step("header", name+"="+value)
}
func (r *recorder) Headers(textproto.MIMEHeader, *filter.Modifier) (filter.Response, error) {
	return r.step("eoh", "")
}
func (r *recorder) Abort(*filter.Modifier) error {
	*r.heard = append(*r.heard, "abort ")
	return nil
}
func (r *recorder) BodyChunk(b []byte, _ *filter.Modifier) (filter.Response, error) {
	return r.step("body", string(b))
}
func (r *recorder) Body(m *filter.Modifier) (filter.Response, error) {
	if r.end != nil {
		return r.end(m)
	}
	return r.step("end", "")
}

// listen starts the filter, and returns the way to it.
func listen(t *testing.T, r *recorder, actions filter.OptAction, protocol filter.OptProtocol) scantest.Dial {
	t.Helper()
	r.heard = new([]string)
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &filter.Server{NewMilter: func() filter.Milter { return r }, Actions: actions, Protocol: protocol}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return scantest.Serve(func(c net.Conn) {
		closed := make(chan struct{})
		l.conns <- &closing{Conn: c, done: closed}
		<-closed
	})
}

// pipes is a listener that is handed its connections.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipes) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// closing tells when it is closed.
type closing struct {
	net.Conn
	done chan struct{}
	once sync.Once
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

func letter(text string) *scan.Message {
	m := scantest.Message(0)
	m.Content, m.Size = strings.NewReader(text), int64(len(text))
	m.Client, m.ClientName = netip.MustParseAddr("192.0.2.7"), func() string { return "mail.example.org" }
	m.TLSVersion, m.Login = "TLSv1.3", "bob@example.test"
	return m
}

const text = "From: <ann@example.org>\r\nSubject:  two\r\n\tlines\r\nX-Empty:\r\n\r\nHello.\r\nBye.\r\n"

// Another's filter hears the whole message, in the right order, with the macros of each step.
func TestAllSteps(t *testing.T) {
	r := &recorder{}
	dial := listen(t, r, 0, 0)
	f, err := scanner(dial).Scan(t.Context(), letter(text))
	if err != nil || f.Action != scan.Accept {
		t.Fatalf("%+v, %v", f, err)
	}
	want := []string{
		"connect mail.example.org tcp4 192.0.2.7 mail.example.test", "helo mail.example.org TLSv1.3", "mail ann@example.org id1 bob@example.test",
		"rcpt bob@example.test example.test", "rcpt carol@example.test example.test",
		"header From=<ann@example.org>", "header Subject= two\n\tlines", "header X-Empty=", "eoh ", "body Hello.\r\nBye.\r\n", "end ",
	}
	if !slices.Equal(*r.heard, want) {
		t.Errorf("heard %q", *r.heard)
	}
	if v, err := scanner(dial).Ping(t.Context()); err != nil || !strings.HasPrefix(v, "milter, version") {
		t.Error(v, err)
	}
}

// A body of any size arrives whole.
func TestBodies(t *testing.T) {
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk + 5} {
		body := strings.Repeat("x", size)
		r := &recorder{}
		dial := listen(t, r, 0, filter.OptNoHeaders|filter.OptNoEOH|filter.OptNoConnect|filter.OptNoHelo|filter.OptNoMailFrom|filter.OptNoRcptTo)
		if f, err := scanner(dial).Scan(t.Context(), letter("A: b\r\n\r\n"+body)); err != nil || f.Action != scan.Accept {
			t.Fatalf("%+v, %v", f, err)
		}
		got := ""
		for _, h := range *r.heard {
			name, what, _ := strings.Cut(h, " ")
			if got += what; name != "body" && name != "end" {
				t.Errorf("heard %s", h)
			}
		}
		if got != body {
			t.Errorf("%d bytes of %d", len(got), size)
		}
	}
	for _, odd := range []string{"", "\r\n", "\r\nbody", "no header", "A: b", "A: b\r\n", "A: b\r\n\r\n", "odd line\r\nA: b\r\n\r\nx"} {
		r := &recorder{}
		if f, err := scanner(listen(t, r, 0, 0)).Scan(t.Context(), letter(odd)); err != nil || f.Action != scan.Accept {
			t.Errorf("%q: %+v, %v", odd, f, err)
		}
	}
}

// What a filter says at any step counts, and ends the conversation.
func TestDecisions(t *testing.T) {
	for _, at := range []string{"connect", "helo", "mail", "rcpt", "header", "eoh", "body", "end"} {
		for _, c := range []struct {
			reply filter.Response
			want  scan.Finding
		}{
			{filter.RespReject, scan.Finding{Action: scan.Reject}},
			{filter.RespTempFail, scan.Finding{Action: scan.TempFail}},
			{filter.RespDiscard, scan.Finding{Action: scan.Discard}},
			{filter.RespAccept, scan.Finding{}},
			{filter.NewResponseStr('y', "554 5.6.0 No such"), scan.Finding{Action: scan.Reject, Code: 554, Status: "5.6.0", Text: "No such", Reason: "No such"}},
			{filter.NewResponseStr('y', "451 later"), scan.Finding{Action: scan.TempFail, Code: 451, Text: "later", Reason: "later"}},
			{filter.NewResponseStr('y', "550-5.7.1 one\r\n550 5.7.1 two"), scan.Finding{Action: scan.Reject, Code: 550, Status: "5.7.1", Text: "one\ntwo", Reason: "one two"}},
		} {
			r := &recorder{at: at, reply: c.reply}
			f, err := scanner(listen(t, r, 0, 0)).Scan(t.Context(), letter(text))
			c.want.Final = true
			if err != nil || !reflect.DeepEqual(f, c.want) {
				t.Errorf("at %s: %+v, %v; want %+v", at, f, err, c.want)
			}
		}
	}
}

// What strangers say becomes no more than one word of the protocol.
func TestNUL(t *testing.T) {
	r := &recorder{}
	m := letter("A: b\x00c\r\n\r\n")
	m.Helo = "x\x00y"
	if _, err := scanner(listen(t, r, 0, 0)).Scan(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(*r.heard, "helo x TLSv1.3") || !slices.Contains(*r.heard, "header A=b") {
		t.Errorf("heard %q", *r.heard)
	}
}

func TestHugeHeader(t *testing.T) {
	r := &recorder{}
	big := strings.Repeat("X-Field: 0123456789\r\n", scan.MaxHeader/21+10) + "\r\nbody"
	if _, err := scanner(listen(t, r, 0, 0)).Scan(t.Context(), letter(big)); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
	for n, want := range map[int]bool{scan.MaxHeaderFields: true, scan.MaxHeaderFields + 1: false} { // a word each way for every field
		if _, err := scanner(listen(t, r, 0, 0)).Scan(t.Context(), letter(strings.Repeat("a:\r\n", n)+"\r\nbody")); (err == nil) != want || err != nil && !fault.Is(err, fault.Unsupported) {
			t.Errorf("%d fields: %v", n, err)
		}
	}
}

// TestGreedy: a filter can't fill our memory with what it wants.
func TestGreedy(t *testing.T) {
	const negotiated = "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x01\x00\x1f\xf3\xff"
	field := "\x00\x08\x00\x00hA\x00" + strings.Repeat("x", 1<<19-4) + "\x00"
	took := 0
	dial := scantest.Serve(func(c net.Conn) {
		go io.Copy(io.Discard, c) //nolint:errcheck // until it ends
		_, err := io.WriteString(c, negotiated)
		for ; err == nil && took < 100; took++ {
			_, err = io.WriteString(c, field)
		}
		c.Close()
	})
	if _, err := scanner(dial).Scan(t.Context(), letter(text)); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
	var f scan.Finding
	if err := replyCode(&f, []byte("550 "+strings.Repeat("a\n550 ", 100_000)+"\x00")); err != nil || strings.Count(f.Text, "\n") != maxReply-1 || f.Code != 550 {
		t.Errorf("%d bytes, %v", len(f.Text), err)
	}
}

// FuzzFilter shows a message to a filter that says anything.
func FuzzFilter(f *testing.F) {
	negotiated := "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x01\x00\x1f\xf3\xff"
	f.Add(negotiated + "\x00\x00\x00\x01c")
	f.Add(negotiated + "\x00\x00\x00\x05h" + "A\x00b\x00" + "\x00\x00\x00\x06q" + "why!\x00" + "\x00\x00\x00\x01a")
	f.Add(negotiated + "\x00\x00\x00\x0ey" + "550 5.7.1 no\x00")
	f.Fuzz(func(t *testing.T, said string) {
		s := scanner(scantest.Serve(func(c net.Conn) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				io.Copy(io.Discard, c)
			}()
			io.WriteString(c, said)
			c.Close()
			<-done
		}))
		found, err := s.Scan(t.Context(), letter(text))
		if err != nil && (found.Action != scan.Accept || !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsupported)) {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

func fixed() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func drain(c net.Conn) { io.Copy(io.Discard, c) }
