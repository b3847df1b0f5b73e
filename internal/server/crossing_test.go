package server_test

import (
	"fmt"
	"io"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// What is changed through one front end is seen through every other. Each test here
// crosses from one protocol to another.

const hello = "From: sender@elsewhere.example\r\nSubject: hello\r\n\r\nA line.\r\n"

// watcher is an IMAP client that waits in IDLE on INBOX, and what it has been told.
type watcher struct {
	*imapclient.Client
	told chan string
	idle *imapclient.IdleCommand
}

func watch(t *testing.T, s *servertest.Server, local string) *watcher {
	t.Helper()
	w := &watcher{told: make(chan string, 100)}
	w.Client = s.IMAP(local, &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				w.told <- fmt.Sprintf("exists %d", *d.NumMessages)
			}
		},
		Expunge: func(n uint32) { w.told <- fmt.Sprintf("expunge %d", n) },
		Fetch: func(m *imapclient.FetchMessageData) {
			b, err := m.Collect()
			if err != nil {
				return
			}
			w.told <- fmt.Sprintf("flags %d %v", b.SeqNum, b.Flags)
		},
	})
	if _, err := w.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for len(w.told) > 0 {
		<-w.told // what SELECT itself says
	}
	idle, err := w.Idle()
	if err != nil {
		t.Fatal(err)
	}
	w.idle = idle
	t.Cleanup(func() { w.idle.Close() })
	return w
}

// hears waits for news. Nothing else may come before it but news that begins with one of also.
func (w *watcher) hears(t *testing.T, want string, also ...string) {
	t.Helper()
	for {
		got := <-w.told
		if got == want {
			return
		}
		known := false
		for _, a := range also {
			known = known || strings.HasPrefix(got, a)
		}
		if !known {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
}

func TestDeliveryByLMTPIsSeenInIdle(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	w := watch(t, s, "ann")
	for n := 1; n <= 3; n++ {
		s.Deliver(hello, "ann")
		w.hears(t, fmt.Sprintf("exists %d", n))
	}
	s.Check()
}

func TestOneDeliveryToManyIsSeenByEach(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	var watchers []*watcher
	for _, local := range []string{"ann", "ben", "cleo"} {
		s.AddAccount(local)
		watchers = append(watchers, watch(t, s, local))
	}
	s.Deliver(hello, "ann", "ben", "cleo")
	for _, w := range watchers {
		w.hears(t, "exists 1")
	}
}

func TestSubmissionIsSeenInIdle(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.AddAccount("ben")
	w := watch(t, s, "ben")
	c, err := smtp.NewClient(s.DialTLS(servertest.Submissions), servertest.Hostname)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from := "ann@" + servertest.Domain
	if err := c.Auth(smtp.PlainAuth("", from, servertest.Password, servertest.Hostname)); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(from); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("ben@" + servertest.Domain); err != nil {
		t.Fatal(err)
	}
	data, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	data.Write([]byte(hello))
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	w.hears(t, "exists 1")
}

func TestFlagsAreSeenBySessionsOnTheSameFolder(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.Deliver(hello, "ann")
	w := watch(t, s, "ann")
	other := s.IMAP("ann", nil)
	if _, err := other.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	store := imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	if err := other.Store(imap.SeqSetNum(1), &store, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-w.told; !strings.HasPrefix(got, "flags 1") || !strings.Contains(got, `\Flagged`) {
		t.Errorf("heard %q", got)
	}
	store.Flags = []imap.Flag{imap.FlagDeleted}
	if err := other.Store(imap.SeqSetNum(1), &store, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	w.hears(t, "expunge 1", "flags 1", "exists 0")
	s.Check()
}

// bytesOf fetches a message in INBOX by IMAP.
func bytesOf(t *testing.T, c *imapclient.Client, uid imap.UID) string {
	t.Helper()
	return bytesIn(t, c, "INBOX", uid)
}

// bytesIn fetches a message in a folder by IMAP.
func bytesIn(t *testing.T, c *imapclient.Client, folder string, uid imap.UID) string {
	t.Helper()
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	all, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for _, b := range all[0].BodySection {
		return string(b.Bytes)
	}
	t.Fatal("no body")
	return ""
}

func TestBytesAreNeverChanged(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	// Eight bits, odd headers, a line that begins with a dot, no MIME.
	odd := "subject:no space\r\nX-Odd : \xe9\xff\r\n\r\n.leading dot\r\n..two\r\n" + strings.Repeat("long ", 190) + "\r\n\r\n\r\n"
	s.Deliver(odd, "ann")
	got := bytesOf(t, s.IMAP("ann", nil), 1)
	if !strings.HasSuffix(got, odd) {
		t.Errorf("got %q", got)
	}
	if trace := strings.TrimSuffix(got, odd); !strings.HasPrefix(trace, "Return-Path: <sender@elsewhere.example>\r\nReceived: ") {
		t.Errorf("in front of it stands %q", trace)
	}
}

func TestMailLastsOverARestart(t *testing.T) {
	first := servertest.Start(t, servertest.Options{})
	ann := first.AddAccount("ann")
	first.Deliver(hello, "ann")
	before := bytesOf(t, first.IMAP("ann", nil), 1)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := servertest.Start(t, servertest.Options{Files: first.Files, Folder: first.Folder})
	if after := bytesOf(t, second.IMAP("ann", nil), 1); after != before {
		t.Errorf("before %q, after %q", before, after)
	}
	second.Deliver(hello, "ann")
	if used := second.Mailbox(ann).State().Used.Items; used != 2 {
		t.Errorf("%d items", used)
	}
	second.Check()
}

func TestShutdownSaysGoodbye(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	line, c := s.Line(servertest.SMTP), s.IMAP("ann", nil)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if got, err := line.ReadLine(); err != nil || !strings.HasPrefix(got, "421") {
		t.Errorf("SMTP says %q %v", got, err)
	}
	if err := c.Noop().Wait(); err == nil {
		t.Error("IMAP goes on")
	}
}

func TestDisabledAccountsCannotSignInButGetMail(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	a := s.AddAccount("ann")
	if err := s.Store().Admin.SetEnabled(t.Context(), a.Address, false); err != nil {
		t.Fatal(err)
	}
	c := imapclient.New(s.Dial(servertest.IMAP), nil)
	defer c.Close()
	if err := c.Login(a.Address, servertest.Password).Wait(); err == nil {
		t.Error("signed in")
	}
	s.Deliver(hello, "ann")
	if n := s.Mailbox(a).State().Used.Items; n != 1 {
		t.Errorf("%d items", n)
	}
}

// pop3 signs an account in.
func pop3(t *testing.T, s *servertest.Server, local string) servertest.Line {
	t.Helper()
	l := s.Line(servertest.POP3)
	l.Ask("USER %s@%s", local, servertest.Domain)
	l.Ask("PASS %s", servertest.Password)
	return l
}

func TestPOP3DeletesAtQuitAndIMAPSeesIt(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.Deliver(hello, "ann")
	s.Deliver("Subject: second\r\n\r\n.dots\r\n", "ann")
	w := watch(t, s, "ann")
	p := pop3(t, s, "ann")
	if got := p.Ask("STAT"); !strings.HasPrefix(got, "+OK 2 ") {
		t.Error(got)
	}
	p.Ask("RETR 2")
	b, err := p.ReadDotBytes()
	if err != nil || !strings.HasSuffix(string(b), "\n\n.dots\n") {
		t.Errorf("%q %v", b, err)
	}
	p.Ask("DELE 1")
	// The lock on the maildrop is for POP3 alone: IMAP is served, a second POP3 session is not.
	other := s.Line(servertest.POP3)
	other.Ask("USER ann@%s", servertest.Domain)
	if got, err := other.Try("PASS %s", servertest.Password); err != nil || !strings.HasPrefix(got, "-ERR [IN-USE]") {
		t.Errorf("%q %v", got, err)
	}
	s.Deliver(hello, "ann")
	w.hears(t, "exists 3")
	p.Ask("QUIT")
	w.hears(t, "expunge 1", "exists 2")
	s.Check()
}

func TestSeenByPOP3AndIMAPHaveTheSameBytes(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.Deliver(hello, "ann")
	p := pop3(t, s, "ann")
	p.Ask("RETR 1")
	b, err := p.ReadDotBytes()
	if err != nil {
		t.Fatal(err)
	}
	if imap := bytesOf(t, s.IMAP("ann", nil), 1); strings.ReplaceAll(imap, "\r\n", "\n") != string(b) {
		t.Errorf("POP3 %q, IMAP %q", b, imap)
	}
}

// A proxy in front tells who the client is; others can't pretend to be one.
func TestProxyTellsTheClientsAddress(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		for i, l := range c.Listen {
			if l.Protocol == config.LMTP {
				c.Listen[i].Proxy = []string{"198.51.100.0/24"}
			}
		}
	}})
	s.AddAccount("ann")
	for _, from := range []string{"198.51.100.7", "192.0.2.5"} { // the first one's message is UID 1
		conn, err := s.Network.DialFrom(t.Context(), from, "mem:24")
		if err != nil {
			t.Fatal(err)
		}
		c := textproto.NewConn(conn)
		c.PrintfLine("PROXY TCP4 203.0.113.9 198.51.100.1 40000 24")
		greeting, err := c.ReadLine()
		if err != nil || !strings.HasPrefix(greeting, "220") {
			t.Fatal(greeting, err)
		}
		for _, command := range []string{"LHLO x", "MAIL FROM:<>", "RCPT TO:<ann@" + servertest.Domain + ">", "DATA", "Subject: x\r\n\r\nx\r\n.", "QUIT"} {
			c.PrintfLine("%s", command)
		}
		rest, _ := io.ReadAll(c.R)
		if refused := strings.Contains(string(rest), "500 "); refused != (from == "192.0.2.5") {
			t.Errorf("from %s: %s", from, rest)
		}
		c.Close()
	}
	if got := bytesOf(t, s.IMAP("ann", nil), 1); !strings.Contains(got, "203.0.113.9") {
		t.Errorf("no trace of the client: %s", got)
	}
}

// A message that is on its way when the server is told to stop comes in whole, and is acknowledged.
func TestShutdownLetsAMessageComeIn(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	sender, idle := s.Line(servertest.LMTP), s.Line(servertest.SMTP)
	sender.Ask("LHLO x")
	sender.Ask("MAIL FROM:<>")
	sender.Ask("RCPT TO:<ann@%s>", servertest.Domain)
	sender.Ask("DATA")
	sender.PrintfLine("Subject: slow")
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	if got, err := idle.ReadLine(); err != nil || !strings.HasPrefix(got, "421") {
		t.Fatalf("%q %v", got, err)
	}
	sender.PrintfLine("\r\nbut whole\r\n.")
	if got, err := sender.ReadLine(); err != nil || !strings.HasPrefix(got, "250") {
		t.Errorf("%q %v", got, err)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	again := servertest.Start(t, servertest.Options{Files: s.Files, Folder: s.Folder})
	if got := bytesOf(t, again.IMAP("ann", nil), 1); !strings.HasSuffix(got, "Subject: slow\r\n\r\nbut whole\r\n") {
		t.Errorf("%q", got)
	}
}

// TestBareLineEndings: the setting decides what becomes of a message with a lone LF.
func TestBareLineEndings(t *testing.T) {
	for setting, want := range map[string]string{"": "550 ", config.Refuse: "550 ", config.Normalise: "250 "} {
		s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.SMTP.BareLineEndings = setting }})
		s.AddAccount("ann")
		c := textproto.NewConn(s.Dial(servertest.LMTP))
		for _, step := range []struct{ say, hear string }{
			{"", "220"}, {"LHLO x", "250"}, {"MAIL FROM:<>", "250"}, {"RCPT TO:<ann@" + servertest.Domain + ">", "250"}, {"DATA", "354"},
		} {
			if step.say != "" {
				c.PrintfLine("%s", step.say)
			}
			for {
				l, err := c.ReadLine()
				if err != nil || !strings.HasPrefix(l, step.hear) {
					t.Fatal(step.say, l, err)
				}
				if l[3] == ' ' {
					break
				}
			}
		}
		c.PrintfLine("Subject: x\r\n\r\none\ntwo\r\n.")
		if l, err := c.ReadLine(); err != nil || !strings.HasPrefix(l, want) {
			t.Errorf("%q: %s %v", setting, l, err)
		}
		c.Close()
		if setting == config.Normalise {
			if got := bytesOf(t, s.IMAP("ann", nil), 1); !strings.HasSuffix(got, "\r\none\r\ntwo\r\n") {
				t.Errorf("kept %q", got)
			}
		}
	}
}
