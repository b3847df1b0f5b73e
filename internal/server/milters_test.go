package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-milter"

	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/memnet"
)

// opinions is a milter by somebody else's library that does as the test wants.
type opinions struct {
	milter.NoOpMilter
	*orders
}

// orders are what the milters of a test do.
type orders struct {
	mu     sync.Mutex
	at     string          // the step at which it says something
	says   milter.Response // what
	change func(*milter.Modifier) error
	heard  []string
}

func (o *orders) set(at string, says milter.Response, change func(*milter.Modifier) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at, o.says, o.change, o.heard = at, says, change, nil
}

func (o *orders) step(at, what string) (milter.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, at+" "+what)
	if o.at == at {
		return o.says, nil
	}
	return milter.RespContinue, nil
}

// all is what was heard.
func (o *orders) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.heard, "\n")
}

func (o opinions) Connect(host, family string, port uint16, addr net.IP, m *milter.Modifier) (milter.Response, error) {
	return o.step("connect", fmt.Sprintf("%s %s %v %v", host, addr, port > 0, m.Macros["{daemon_name}"]))
}
func (o opinions) Helo(name string, m *milter.Modifier) (milter.Response, error) {
	return o.step("helo", strings.TrimSpace(name+" "+m.Macros["{tls_version}"]+" "+m.Macros["{cipher_bits}"]))
}
func (o opinions) MailFrom(from string, m *milter.Modifier) (milter.Response, error) {
	return o.step("mail", from+" "+m.Macros["{auth_authen}"]+" "+m.Macros["{auth_type}"])
}
func (o opinions) RcptTo(to string, m *milter.Modifier) (milter.Response, error) {
	return o.step("rcpt", to+" "+m.Macros["{rcpt_mailer}"])
}
func (o opinions) Header(name, value string, m *milter.Modifier) (milter.Response, error) {
	return o.step("header", name+"="+value)
}
func (o opinions) Abort(*milter.Modifier) error { _, err := o.step("abort", ""); return err }
func (o opinions) Body(m *milter.Modifier) (milter.Response, error) {
	o.mu.Lock()
	change := o.change
	o.mu.Unlock()
	if change != nil {
		if err := change(m); err != nil {
			return nil, err
		}
	}
	return o.step("end", "")
}

const allActions = milter.OptAddHeader | milter.OptChangeHeader | milter.OptChangeBody | milter.OptAddRcpt | milter.OptRemoveRcpt | milter.OptQuarantine | milter.OptChangeFrom

// withMilters starts a server with so many milters, one after the other, of which ann, ben and dan have nothing to say.
func withMilters(t *testing.T, n int, change func(*config.Scanner)) (*servertest.Server, []*orders, *outbox) {
	var network memnet.Network
	all := make([]*orders, n)
	scanners := make([]config.Scanner, n)
	for i := range all {
		o := &orders{}
		all[i] = o
		address := fmt.Sprintf("milter%d.example:8891", i)
		l, err := network.Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		filter := &milter.Server{NewMilter: func() milter.Milter { return opinions{orders: o} }, Actions: allActions}
		done := make(chan error, 1)
		go func() { done <- filter.Serve(l) }()
		t.Cleanup(func() {
			filter.Close()
			<-done
		})
		scanners[i] = config.Scanner{Kind: config.Milter, Name: fmt.Sprintf("m%d", i), Address: address, OnFailure: config.TempFail}
		if change != nil {
			change(&scanners[i])
		}
	}
	sent := &outbox{}
	s := servertest.Start(t, servertest.Options{DNS: senders(t), Send: sent.send, Dial: func(ctx context.Context, _, address string) (net.Conn, error) { return network.Dial(ctx, address) }, Change: func(c *config.Config) {
		c.Scanner = scanners
		c.Junk.Filter = config.SwitchOff
	}})
	for _, name := range []string{"ann", "ben", "dan"} {
		s.AddAccount(name)
	}
	return s, all, sent
}

// stranger is a connection from outside, and what is said to each line.
type stranger struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func knock(t *testing.T, s *servertest.Server) *stranger {
	t.Helper()
	c, err := s.Network.DialFrom(context.Background(), "192.0.2.1", "mem:25")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &stranger{t, c, bufio.NewReader(c)}
}

// hear reads a reply, with its lines; "": the connection is over.
func (x *stranger) hear() string {
	all := ""
	for {
		line, err := x.r.ReadString('\n')
		if err != nil {
			return all
		}
		all += strings.TrimRight(line, "\r\n")
		if line[3] == ' ' {
			return all
		}
		all += "|"
	}
}

func (x *stranger) say(line string) string {
	x.t.Helper()
	fmt.Fprintf(x.c, "%s\r\n", line)
	return x.hear()
}

// talk says lines, and wants replies that begin so.
func (x *stranger) talk(lines ...string) {
	x.t.Helper()
	for i := 0; i+1 < len(lines); i += 2 {
		if got := x.say(lines[i]); !strings.HasPrefix(got, lines[i+1]) {
			x.t.Errorf("%q: %q, want %q", lines[i], got, lines[i+1])
		}
	}
}

// TestMilterRefusesEachStep: a milter hears of each step when it is taken, and can refuse it, for now or for good, with its own words.
func TestMilterRefusesEachStep(t *testing.T) {
	s, all, _ := withMilters(t, 1, nil)
	m := all[0]
	no := milter.NewResponseStr('y', "550-5.7.1 We are\n550 5.7.1 closed")
	for says, want := range map[milter.Response][2]string{milter.RespReject: {"554 ", "550 5.7.1 The message is refused"}, milter.RespTempFail: {"421 ", "451 4.7.1 Try again later"}} {
		m.set("connect", says, nil)
		if x := knock(t, s); !strings.HasPrefix(x.hear(), want[0]) || x.hear() != "" {
			t.Errorf("at connect: want %s", want[0])
		}
		m.set("helo", says, nil)
		x := knock(t, s)
		x.hear()
		x.talk("EHLO mail.good.example", want[1][:4], "MAIL FROM:<eve@other.example>", "503 5.5.1")
		m.set("mail", says, nil)
		x.talk("EHLO mail.good.example", "250-", "MAIL FROM:<eve@other.example>", want[1], "RCPT TO:<ann@example.test>", "503 ")
		m.set("rcpt", says, nil)
		x.talk("MAIL FROM:<eve@other.example> SIZE=100", "250 ", "RCPT TO:<ann@example.test>", want[1])
		m.set("", nil, nil)
		x.talk("RCPT TO:<ben@example.test>", "250 ", "RCPT TO:<nobody@example.test>", "550 5.1.1")
		m.set("header", says, nil)
		x.talk("DATA", "354 ", unproved("x")+".", want[1], "DATA", "503 ")
		m.set("end", says, nil)
		x.talk("MAIL FROM:<eve@other.example>", "250 ", "RCPT TO:<ann@example.test>", "250 ", "BDAT 6 LAST\r\nA: b", want[1])
	}
	m.set("rcpt", no, nil)
	x := knock(t, s)
	x.hear()
	x.talk("EHLO mail.good.example", "250-", "MAIL FROM:<eve@other.example>", "250 ", "RCPT TO:<ann@example.test>", "550-5.7.1 We are|550 5.7.1 closed")
	m.set("", nil, nil)
	x.talk("RCPT TO:<ann@example.test>", "250 ", "RCPT TO:<nobody@example.test>", "550 5.1.1", "RSET", "250 ", "MAIL FROM:<eve@other.example>", "250 ", "NOOP", "250 ", "EHLO again.example", "250-", "QUIT", "221")
	if got, want := m.all(), "rcpt ann@example.test local\nabort \nmail eve@other.example  \nabort \nhelo again.example"; got != want {
		t.Errorf("heard\n%s\nwant\n%s", got, want)
	}
	if why := tracedTexts(t, s, "eve@other.example"); !strings.Contains(why, "refused rcpt scanner m0: We are closed") {
		t.Error(why)
	}
}

// TestMilterHearsWhoConnects: the client's name, address and port, and who has signed in how.
func TestMilterHearsWhoConnects(t *testing.T) {
	yes := true
	s, all, _ := withMilters(t, 1, func(c *config.Scanner) { c.Outgoing = &yes })
	m := all[0]
	m.set("", nil, nil)
	x := knock(t, s)
	x.hear()
	x.talk("EHLO mail.good.example", "250-", "QUIT", "221")
	if got, want := m.all(), "connect mail.good.example 192.0.2.1 true MTA\nhelo mail.good.example"; got != want {
		t.Errorf("heard\n%s\nwant\n%s", got, want)
	}
	l := s.Line(servertest.Submission)
	m.set("", nil, nil)
	l.Ask("EHLO client")
	l.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
	l.Ask("MAIL FROM:<ann@example.test>")
	l.Ask("RCPT TO:<far@away.example>")
	if got, want := m.all(), "helo client\nmail ann@example.test ann@example.test PLAIN\nrcpt far@away.example smtp"; got != want {
		t.Errorf("heard\n%s\nwant\n%s", got, want)
	}
}

// TestMilterHearsOfTLS: after STARTTLS the client introduces itself anew, and is told of with how private it is.
func TestMilterHearsOfTLS(t *testing.T) {
	s, all, _ := withMilters(t, 1, nil)
	all[0].set("", nil, nil)
	x := knock(t, s)
	x.hear()
	x.talk("EHLO mail.good.example", "250-", "STARTTLS", "220 ")
	c := tls.Client(x.c, s.TrustingTLS())
	x.c, x.r = c, bufio.NewReader(c)
	x.talk("EHLO mail.good.example", "250-", "MAIL FROM:<eve@other.example>", "250 ", "QUIT", "221")
	if got := all[0].all(); !strings.Contains(got, "\nhelo mail.good.example\nhelo mail.good.example TLSv1.3 ") || !strings.Contains(got, "\nmail eve@other.example") {
		t.Errorf("heard\n%s", got)
	}
}

// TestMilterChangesTheMessage: what it wants changed is changed before the message is ours, and the next milter sees it so.
func TestMilterChangesTheMessage(t *testing.T) {
	s, all, _ := withMilters(t, 2, nil)
	all[0].set("", nil, func(m *milter.Modifier) error {
		for _, err := range []error{m.ChangeHeader(1, "Subject", "[changed] hello"), m.ChangeHeader(1, "Date", ""), m.AddHeader("X-First", "1"), m.AddHeader("Reply-To", "<x@y.example>"), m.ReplaceBody([]byte("new\n")), m.ReplaceBody([]byte("body"))} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	all[1].set("", nil, func(m *milter.Modifier) error { return m.ChangeHeader(1, "X-First", "2") })
	if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("x")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	got := bytesOf(t, s.IMAP("ann", nil), 1)
	const want = "From: <eve@other.example>\r\nTo: ann@example.test\r\nSubject: [changed] hello\r\nMessage-ID: <1@x>\r\nReply-To: <x@y.example>\r\n\r\nnew\r\nbody"
	front, ok := strings.CutSuffix(got, want)
	if !ok || strings.Count(front, "Received: ") != 1 || !strings.Contains(front, "\r\nX-First: 2\r\nReceived: from mail.good.example") || !strings.Contains(front, "Authentication-Results: mail.example.test") {
		t.Errorf("delivered:\n%s", got)
	}
	if heard := all[1].all(); !strings.Contains(heard, "header X-First=1\nheader From=<eve@other.example>\nheader To=ann@example.test\nheader Subject=[changed] hello\nheader Message-Id=") && !strings.Contains(heard, "header X-First=1\nheader From=<eve@other.example>\nheader To=ann@example.test\nheader Subject=[changed] hello\nheader Message-ID=<1@x>\nheader Reply-To=<x@y.example>") {
		t.Errorf("the second heard\n%s", heard)
	}
}

// TestMilterMayNot: an administrator may keep milters from changing messages. What would be wrong without its change is put off.
func TestMilterMayNot(t *testing.T) {
	s, all, _ := withMilters(t, 1, func(c *config.Scanner) { c.Changes = config.ChangeHeaders })
	all[0].set("", nil, func(m *milter.Modifier) error { return m.ChangeHeader(1, "Subject", "other") })
	if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("x")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	if got := bytesOf(t, s.IMAP("ann", nil), 1); !strings.Contains(got, "\r\nSubject: other\r\n") {
		t.Error(got)
	}
	all[0].set("", nil, func(m *milter.Modifier) error { return m.ReplaceBody([]byte("x")) })
	if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("x")); !strings.HasPrefix(got, "451 4.7.1 The message can't be checked") {
		t.Error(got)
	}
}

// TestMilterChangesTheEnvelope: recipients come and go, and the sender becomes another; nobody elsewhere gets a stranger's mail by that.
func TestMilterChangesTheEnvelope(t *testing.T) {
	s, all, sent := withMilters(t, 1, nil)
	all[0].set("", nil, func(m *milter.Modifier) error {
		for _, err := range []error{m.DeleteRecipient("ANN@example.test"), m.AddRecipient("dan@example.test"), m.AddRecipient("far@away.example"), m.AddRecipient("nobody@example.test"), m.AddRecipient("not an address"), m.ChangeFrom("other@good.example")} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	x := knock(t, s)
	x.hear()
	x.talk("EHLO mail.good.example", "250-", "MAIL FROM:<eve@other.example>", "250 ", "RCPT TO:<ann@example.test>", "250 ", "RCPT TO:<ben@example.test>", "250 ", "DATA", "354 ", unproved("x")+".", "250 2.0.0")
	for _, name := range []string{"ben", "dan"} {
		if got := bytesOf(t, s.IMAP(name, nil), 1); !strings.HasPrefix(got, "Return-Path: <other@good.example>\r\n") {
			t.Errorf("%s has\n%s", name, got)
		}
	}
	if d, err := s.IMAP("ann", nil).Select("INBOX", nil).Wait(); err != nil || d.NumMessages != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if sent.mu.Lock(); len(sent.to) > 0 {
		t.Errorf("it left to %q", sent.to)
	}
	sent.mu.Unlock()
	all[0].set("", nil, func(m *milter.Modifier) error { return m.DeleteRecipient("ann@example.test") })
	if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("x")); !strings.HasPrefix(got, "250 ") {
		t.Error(got)
	}
	if d, err := s.IMAP("ann", nil).Select("INBOX", nil).Wait(); err != nil || d.NumMessages != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if why := tracedTexts(t, s, "eve@other.example"); !strings.Contains(why, "all recipients were taken out") {
		t.Error(why)
	}
}

// TestMilterForOutgoing adds recipients elsewhere: to mail of people here, and, as by an alias, to what strangers bring.
func TestMilterForOutgoing(t *testing.T) {
	yes := true
	s, all, sent := withMilters(t, 1, func(c *config.Scanner) { c.Outgoing = &yes })
	all[0].set("", nil, func(m *milter.Modifier) error { return m.AddRecipient("archive@away.example") })
	if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("x")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	sent.wait(t, 1)
	l := s.Line(servertest.Submission)
	l.Ask("EHLO client")
	l.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
	l.Ask("MAIL FROM:<ann@example.test>")
	l.Ask("RCPT TO:<ben@example.test>")
	l.Ask("DATA")
	l.Ask("%s\r\n.", letter("ann@example.test"))
	sent.wait(t, 1)
	for _, name := range []string{"ann", "ben"} {
		if d, err := s.IMAP(name, nil).Select("INBOX", nil).Wait(); err != nil || d.NumMessages != 1 {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if got := fmt.Sprint(sent.to); got != "[archive@away.example archive@away.example]" {
		t.Error(got)
	}
}

// TestMilterMarksWhatLeaves: fields that it adds, as a signature, stand in front of what leaves, too, under ours.
func TestMilterMarksWhatLeaves(t *testing.T) {
	yes := true
	s, all, sent := withMilters(t, 1, func(c *config.Scanner) { c.Outgoing = &yes })
	all[0].set("", nil, func(m *milter.Modifier) error { return m.InsertHeader(0, "DKIM-Signature", "v=1; d=example.test") })
	l := s.Line(servertest.Submission)
	l.Ask("EHLO client")
	l.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
	l.Ask("MAIL FROM:<ann@example.test>")
	l.Ask("RCPT TO:<ben@example.test>")
	l.Ask("RCPT TO:<far@away.example>")
	l.Ask("DATA")
	if got := l.Ask("%s\r\n.", letter("ann@example.test")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	sent.wait(t, 1)
	for _, text := range []string{sent.texts[0], bytesOf(t, s.IMAP("ben", nil), 1)} {
		if strings.Count(text, "DKIM-Signature: v=1; d=example.test\r\n") != 1 {
			t.Error(text)
		}
	}
}

// TestMilterByLMTP: each recipient that the relay has named gets a reply, whoever was taken out or added.
func TestMilterByLMTP(t *testing.T) {
	yes := true
	s, all, _ := withMilters(t, 1, func(c *config.Scanner) { c.Relayed = &yes })
	all[0].set("", nil, func(m *milter.Modifier) error {
		if err := m.AddRecipient("dan@example.test"); err != nil {
			return err
		}
		return m.DeleteRecipient("ann@example.test")
	})
	c := s.Dial(servertest.LMTP)
	x := &stranger{t, c, bufio.NewReader(c)}
	defer c.Close()
	x.hear()
	x.talk("LHLO relay.example", "250-", "MAIL FROM:<eve@other.example>", "250 ", "RCPT TO:<ann@example.test>", "250 ", "RCPT TO:<ben@example.test>", "250 ", "DATA", "354 ", unproved("x")+".", "250 2.0.0")
	if got := x.hear(); !strings.HasPrefix(got, "250 2.0.0") {
		t.Error(got)
	}
	x.talk("NOOP", "250 2.0.0 Ok")
	for name, want := range map[string]uint32{"ann": 0, "ben": 1, "dan": 1} {
		if d, err := s.IMAP(name, nil).Select("INBOX", nil).Wait(); err != nil || d.NumMessages != want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// TestMilterOfManyClients: many more clients than the milter has connections all get their messages through, and each message is seen whole.
func TestMilterOfManyClients(t *testing.T) {
	s, all, _ := withMilters(t, 2, func(c *config.Scanner) { c.Connections = 1 })
	all[0].set("", nil, func(m *milter.Modifier) error { return m.ChangeHeader(1, "Subject", "seen") })
	const clients, messages = 30, 3
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			x := knock(t, s)
			x.hear()
			x.talk("EHLO mail.good.example", "250-")
			for i := range messages {
				x.talk(fmt.Sprintf("MAIL FROM:<eve%d.%d@other.example>", n, i), "250 ", "RCPT TO:<ann@example.test>", "250 ", "RCPT TO:<ben@example.test>", "250 ")
				if i == 1 {
					x.talk("RSET", "250 ")
					continue
				}
				x.talk("DATA", "354 ", unproved("x")+".", "250 ")
			}
			x.talk("QUIT", "221")
		})
	}
	wg.Wait()
	c := s.IMAP("ann", nil)
	if d, err := c.Select("INBOX", nil).Wait(); err != nil || d.NumMessages != clients*(messages-1) {
		t.Fatalf("%+v, %v", d, err)
	}
	if got := bytesOf(t, c, 1); !strings.Contains(got, "\r\nSubject: seen\r\n") {
		t.Error(got)
	}
	counts := map[string]int{}
	for _, heard := range strings.Split(all[1].all(), "\n") {
		counts[strings.Fields(heard)[0]]++
	}
	if counts["end"] != clients*(messages-1) {
		t.Errorf("heard %v", counts)
	}
}
