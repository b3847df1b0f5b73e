package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/transfer"
)

// outside stands for the other servers: it takes all mail but that for nobody@.
type outside struct{ got chan string }

func (o *outside) send(_ context.Context, job transfer.Job) []transfer.Outcome {
	text, _ := io.ReadAll(io.NewSectionReader(job.Content, 0, job.Content.Size()))
	out := make([]transfer.Outcome, len(job.Recipients))
	for i, r := range job.Recipients {
		out[i] = transfer.Outcome{Result: transfer.Delivered, Code: 250, Status: "2.0.0", Text: "ok", Remote: "mx.elsewhere.example"}
		if strings.HasPrefix(r.Address, "nobody@") {
			out[i] = transfer.Outcome{Result: transfer.Failed, Code: 550, Status: "5.1.1", Text: "no such user", Remote: "mx.elsewhere.example"}
		}
		o.got <- fmt.Sprintf("%s > %s: %s", job.From, r.Address, text)
	}
	return out
}

func submit(t *testing.T, s *servertest.Server, from, to string) error {
	t.Helper()
	return submitText(t, s, from, to, "From: "+from+"\r\nSubject: out\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nA line.\r\n")
}

// submitText hands in a message for somebody who signs in.
func submitText(t *testing.T, s *servertest.Server, from, to, text string) error {
	t.Helper()
	c, err := smtp.NewClient(s.Dial(servertest.Submission), servertest.Hostname)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(s.TrustingTLS()); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", from, servertest.Password, servertest.Hostname)); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	io.WriteString(w, text)
	return w.Close()
}

// TestMailLeaves: what a person here sends to another server goes through the queue, and what can't be
// delivered comes back to their mailbox at once.
func TestMailLeaves(t *testing.T) {
	out := &outside{make(chan string, 10)}
	s := servertest.Start(t, servertest.Options{Send: out.send})
	s.AddAccount("ann")
	ann := watch(t, s, "ann")
	if err := submit(t, s, "ann@"+servertest.Domain, "ben@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	if got := <-out.got; !strings.HasPrefix(got, "ann@example.test > ben@elsewhere.example: ") || !strings.Contains(got, "\r\nA line.\r\n") {
		t.Errorf("sent %q", got)
	}
	if err := submit(t, s, "ann@"+servertest.Domain, "nobody@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	if got := <-ann.told; got != "exists 1" {
		t.Errorf("told %q", got)
	}
	notice := bytesOf(t, s.IMAP("ann", nil), 1)
	for _, want := range []string{"Return-Path: <>\r\n", "multipart/report", "nobody@elsewhere.example", "no such user", "5.1.1", "Subject: out"} {
		if !strings.Contains(notice, want) {
			t.Errorf("the notification lacks %q:\n%s", want, notice)
		}
	}
	s.Check()
}

// TestMailOutlastsARestart: what was accepted is sent by the next process, if this one is stopped.
func TestMailOutlastsARestart(t *testing.T) {
	stopped := make(chan struct{})
	never := func(ctx context.Context, job transfer.Job) []transfer.Outcome {
		<-ctx.Done()
		close(stopped)
		return nil
	}
	first := servertest.Start(t, servertest.Options{Send: never})
	first.AddAccount("ann")
	if err := submit(t, first, "ann@"+servertest.Domain, "ben@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	out := &outside{make(chan string, 10)}
	servertest.Start(t, servertest.Options{Send: out.send, Files: first.Files, Folder: first.Folder})
	if got := <-out.got; !strings.HasPrefix(got, "ann@example.test > ben@elsewhere.example: ") {
		t.Errorf("sent %q", got)
	}
}

// TestStrangersCannotRelay: a queue makes no open relay.
func TestStrangersCannotRelay(t *testing.T) {
	out := &outside{make(chan string, 10)}
	s := servertest.Start(t, servertest.Options{Send: out.send})
	s.AddAccount("ann")
	for _, port := range []int{servertest.SMTP, servertest.LMTP, servertest.Submission} {
		c := s.Dial(port)
		io.WriteString(c, map[bool]string{true: "LHLO", false: "EHLO"}[port == servertest.LMTP]+
			" x\r\nMAIL FROM:<ann@example.test>\r\nRCPT TO:<ben@elsewhere.example>\r\nQUIT\r\n")
		said, _ := io.ReadAll(c)
		if !strings.Contains(string(said), "\r\n550 ") && !strings.Contains(string(said), "\r\n530 ") {
			t.Errorf("port %d:\n%s", port, said)
		}
	}
	if len(out.got) > 0 {
		t.Error("relayed", <-out.got)
	}
}

// TestRoutesAreObeyed: the settings' routes, resolvers, source addresses and names are what mail goes by, and a password that can't be
// read ends the start.
func TestRoutesAreObeyed(t *testing.T) {
	smart, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer smart.Close()
	c := config.Default()
	c.Hostname, c.Data, c.Listen = "mx.example.test", t.TempDir(), []config.Listener{{Protocol: config.LMTP, Address: "127.0.0.1:0", TLS: config.NoTLS}}
	c.DNS.Servers = []string{"127.0.0.1:1"}
	c.Sending = config.Sending{Bind: []string{"127.0.0.2"}, Names: map[string]string{"127.0.0.2": "out.example.test"}}
	c.Route = []config.Route{{Host: "127.0.0.1", Port: smart.Addr().(*net.TCPAddr).AddrPort().Port(), TLS: config.NoTLS}}
	s, err := server.New(t.Context(), c, server.World{Online: true, Files: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	if err := s.Submit(ctx, transfer.Job{Envelope: transfer.Envelope{ID: "1", From: ""}, Content: strings.NewReader("Subject: x\r\n\r\n"),
		Recipients: []transfer.Recipient{{Address: "ben@elsewhere.example"}}}); err != nil {
		t.Fatal(err)
	}
	conn, err := smart.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "220 smart.example\r\n")
	if hello, err := bufio.NewReader(conn).ReadString('\n'); hello != "EHLO out.example.test\r\n" {
		t.Errorf("%q %v", hello, err)
	}
	if from := conn.RemoteAddr().(*net.TCPAddr).IP.String(); from != "127.0.0.2" {
		t.Errorf("connected from %s", from)
	}
	conn.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPasswordFileOfARoute(t *testing.T) {
	c := config.Default()
	c.Hostname, c.Data = "mx.example.test", t.TempDir()
	c.DNS.Servers = []string{"127.0.0.1:1"}
	c.Route = []config.Route{{Host: "smtp.provider.example", Port: 587, TLS: config.Verified, User: "u", PasswordFile: filepath.Join(c.Data, "password")}}
	start := func() error {
		s, err := server.New(t.Context(), c, server.World{Online: true, Files: vfs.NewMem()})
		if err != nil {
			return err
		}
		return s.Close()
	}
	if err := start(); !fault.Is(err, fault.Invalid) {
		t.Errorf("without the password file: %v", err)
	}
	if err := os.WriteFile(c.Route[0].PasswordFile, []byte("secret\r\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(); err != nil {
		t.Errorf("with it: %v", err)
	}
}

// TestSuccessNotice: whoever has signed in and asks with NOTIFY=SUCCESS is told of a delivery here (RFC 3461 §5.2.3).
func TestSuccessNotice(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Send: (&outside{make(chan string, 10)}).send})
	s.AddAccount("ann")
	s.AddAccount("ben")
	ann := watch(t, s, "ann")
	c, err := smtp.NewClient(s.DialTLS(servertest.Submissions), servertest.Hostname)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Hello("client"); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", "ann@example.test", servertest.Password, servertest.Hostname)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		say  string
		code int
	}{
		{"MAIL FROM:<ann@example.test> ENVID=e7", 250}, {"RCPT TO:<ben@example.test> NOTIFY=SUCCESS", 250},
		{"DATA", 354}, {"Subject: x\r\n\r\nA line.\r\n.", 250},
	} {
		if err := c.Text.PrintfLine("%s", step.say); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Text.ReadResponse(step.code); err != nil {
			t.Fatal(step.say, err)
		}
	}
	if got := <-ann.told; got != "exists 1" {
		t.Errorf("told %q", got)
	}
	notice := bytesOf(t, s.IMAP("ann", nil), 1)
	for _, want := range []string{"Action: delivered", "ben@example.test", "Original-Envelope-Id: e7"} {
		if !strings.Contains(notice, want) {
			t.Errorf("the notice lacks %q:\n%s", want, notice)
		}
	}
}

// TestTwoServers (the client of net/smtp asserts SMTPUTF8, so each hop does): mail goes from one whole server to another by a DNS and a network in memory, over STARTTLS,
// and what the other refuses comes back.
func TestTwoServers(t *testing.T) {
	there := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Hostname = "mx.there.example" }})
	there.AddAccount("ben")
	if err := there.Store().Admin.AddDomain(t.Context(), "there.example"); err != nil {
		t.Fatal(err)
	}
	if err := there.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "ben@there.example", Targets: []string{"ben@example.test"}}); err != nil {
		t.Fatal(err)
	}
	zone := dnstest.New(t, "there.example. 60 IN MX 10 mx.there.example.\nmx.there.example. 60 IN A 192.0.2.25\n")
	here := servertest.Start(t, servertest.Options{DNS: zone,
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			if address != "192.0.2.25:25" {
				return nil, fault.New(fault.Unavailable, "nobody at %s", address)
			}
			return there.Network.DialFrom(ctx, "192.0.2.1", "mem:25")
		}})
	here.AddAccount("ann")
	ann, ben := watch(t, here, "ann"), watch(t, there, "ben")
	for _, to := range []string{"ben@there.example", "nobody@there.example"} {
		if err := submit(t, here, "ann@example.test", to); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-ben.told; got != "exists 1" {
		t.Errorf("told %q", got)
	}
	text := bytesOf(t, there.IMAP("ben", nil), 1)
	if !strings.Contains(text, "by mx.there.example with UTF8SMTPS id") || !strings.Contains(text, servertest.Hostname) || strings.Count(text, "Return-Path:") != 1 || !strings.HasSuffix(text, "\r\n\r\nA line.\r\n") {
		t.Errorf("arrived:\n%s", text)
	}
	if got := <-ann.told; got != "exists 1" {
		t.Errorf("told %q", got)
	}
	if notice := bytesOf(t, here.IMAP("ann", nil), 1); !strings.Contains(notice, "Remote-MTA: dns; mx.there.example") || !strings.Contains(notice, "550") {
		t.Errorf("came back:\n%s", notice)
	}
	here.Check()
	there.Check()
}
