package server_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender/dkim"
)

// goodKey signs for good.example.
func goodKey() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("good.example"))
	return ed25519.NewKeyFromSeed(seed[:])
}

// senders has good.example, which does all as it should from 192.0.2.1, and policies of others.
func senders(t *testing.T) *dnstest.World {
	public := base64.StdEncoding.EncodeToString(goodKey().Public().(ed25519.PublicKey))
	return dnstest.New(t, `
		good.example.               TXT "v=spf1 ip4:192.0.2.0/24 -all"
		mail.good.example.          A 192.0.2.1
		1.2.0.192.in-addr.arpa.     PTR mail.good.example.
		_dmarc.good.example.        TXT "v=DMARC1; p=reject"
		s._domainkey.good.example.  TXT "v=DKIM1; k=ed25519; p=`+public+`"
		_dmarc.soft.example.        TXT "v=DMARC1; p=quarantine"
		host.bad.example.           A 203.0.113.9
		9.113.0.203.in-addr.arpa.   PTR host.bad.example.
		7.113.0.203.bl.example.     A 127.0.0.2
		7.113.0.203.bl.example.     TXT "spammer"
	`)
}

// from brings a message by SMTP from an address, and returns the last reply.
func from(t *testing.T, s *servertest.Server, ip, sender, to, message string) string {
	t.Helper()
	conn, err := s.Network.DialFrom(context.Background(), ip, "mem:25")
	if err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	last := ""
	read := func() bool {
		for {
			line, err := c.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			if last = line; len(line) < 4 || line[3] != '-' {
				return last[0] == '2' || last[0] == '3'
			}
		}
	}
	if !read() {
		return last
	}
	for _, line := range []string{"EHLO mail.good.example", "MAIL FROM:<" + sender + ">", "RCPT TO:<" + to + "@" + servertest.Domain + ">", "DATA"} {
		c.PrintfLine("%s", line)
		if !read() {
			return last
		}
	}
	w := c.DotWriter()
	w.Write([]byte(message))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	read()
	return last
}

func letter(author string) string {
	return "From: <" + author + ">\r\nTo: ann@example.test\r\nSubject: hello\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nHello.\r\n"
}

func signedLetter(t *testing.T, s *servertest.Server, more string) string {
	t.Helper()
	msg := more + letter("ann@good.example")
	d, err := dkim.NewSigner(dkim.SignOptions{Keys: []dkim.SigningKey{{Domain: "good.example", Selector: "s", Private: goodKey()}}, Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	d.Write([]byte(msg))
	fields, err := d.Fields()
	if err != nil {
		t.Fatal(err)
	}
	return fields + msg
}

// TestReception: mail of strangers is judged on its way in: what is signed passes and is marked so, what is forged is refused or goes to the
// junk, and nobody gets a word in our name past us.
func TestReception(t *testing.T) {
	s := servertest.Start(t, servertest.Options{DNS: senders(t)})
	s.AddAccount("ann")
	foreign := "Authentication-Results: mail.example.test;\r\n\tdkim=pass header.d=bank.example\r\n"
	others := "Authentication-Results: mx.elsewhere.example; spf=pass\r\n"
	msg := signedLetter(t, s, foreign+others)
	if got := from(t, s, "192.0.2.1", "ann@good.example", "ann", msg); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	c := s.IMAP("ann", nil)
	got := bytesOf(t, c, 1)
	front, ok := strings.CutSuffix(got, strings.Replace(msg, foreign, "", 1))
	if !ok {
		t.Fatalf("not byte for byte:\n%s", got)
	}
	wantFront := []string{"Return-Path: <ann@good.example>\r\nAuthentication-Results: mail.example.test;\r\n\tiprev=pass (mail.good.example)",
		"spf=pass", "dkim=pass (256-bit key) header.d=good.example", "dmarc=pass (p=reject dis=none) header.from=good.example", "arc=none\r\nReceived: from mail.good.example ([192.0.2.1])"}
	for _, w := range wantFront {
		at := strings.Index(front, w)
		if at < 0 {
			t.Fatalf("no %q in\n%s", w, front)
		}
		front = front[at+len(w):]
	}

	if got := from(t, s, "203.0.113.9", "x@bad.example", "ann", letter("ann@good.example")); !strings.HasPrefix(got, "550 5.7.1 The DMARC policy of good.example (p=reject)") {
		t.Error(got)
	}
	if got := from(t, s, "203.0.113.9", "x@bad.example", "ann", letter("x@soft.example")); !strings.HasPrefix(got, "250 ") {
		t.Error(got)
	}
	if m, err := c.Select("Junk", nil).Wait(); err != nil || m.NumMessages != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if junk := bytesIn(t, c, "Junk", 1); !strings.Contains(junk, "dmarc=fail (p=quarantine dis=quarantine) header.from=soft.example") {
		t.Error(junk)
	}
	if m, err := c.Select("INBOX", nil).Wait(); err != nil || m.NumMessages != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	traced(t, s, "x@bad.example", "refused")
	s.Check()
}

// traced demands that the history of what a sender sent has something that happened.
func traced(t *testing.T, s *servertest.Server, sender, kind string) {
	t.Helper()
	all, err := s.Store().Admin.Trace(context.Background(), admin.TraceQuery{Sender: sender})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(fmt.Sprintf("%+v", all), kind) {
		t.Errorf("%+v", all)
	}
}

// TestComeBackLater: a stranger that looks bad is asked to come back, and is let in then.
func TestComeBackLater(t *testing.T) {
	s := servertest.Start(t, servertest.Options{DNS: senders(t)})
	s.AddAccount("ann")
	for _, to := range []string{"ann", "nobody"} {
		if got := from(t, s, "198.51.100.9", "x@bad.example", to, letter("x@bad.example")); !strings.HasPrefix(got, "451 4.7.1 ") {
			t.Error(to, got)
		}
	}
	s.Clock.Advance(10 * time.Minute)
	if got := from(t, s, "198.51.100.9", "x@bad.example", "ann", letter("x@bad.example")); !strings.HasPrefix(got, "250 ") {
		t.Error(got)
	}
	if got := from(t, s, "198.51.100.9", "x@bad.example", "nobody", letter("x@bad.example")); !strings.HasPrefix(got, "550 5.1.1 ") {
		t.Error(got)
	}
}

// TestBlockList: settings, a list, its words, and who may write all the same.
func TestBlockList(t *testing.T) {
	s := servertest.Start(t, servertest.Options{DNS: senders(t), Change: func(c *config.Config) {
		c.Checks.DNSBL = []config.List{{Zone: "bl.example"}}
		c.Checks.TrustedNetworks = []string{"198.51.100.0/24"}
	}})
	s.AddAccount("ann")
	if got := from(t, s, "203.0.113.7", "x@bad.example", "ann", letter("x@bad.example")); got != "554 5.7.1 Your address 203.0.113.7 is listed by bl.example: spammer" {
		t.Error(got)
	}
	for _, ip := range []string{"192.0.2.1", "198.51.100.9", "127.0.0.1"} {
		if got := from(t, s, ip, "x@bad.example", "ann", letter("x@bad.example")); !strings.HasPrefix(got, "250 ") {
			t.Error(ip, got)
		}
	}
}

// TestDNSOutageStopsNoMail: who can't be checked is let in, and marked.
func TestDNSOutageStopsNoMail(t *testing.T) {
	w := senders(t)
	for _, name := range []string{"good.example", "mail.good.example", "1.2.0.192.in-addr.arpa", "_dmarc.good.example", "s._domainkey.good.example"} {
		w.Fail(name, "", dns.Temporary)
	}
	s := servertest.Start(t, servertest.Options{DNS: w})
	s.AddAccount("ann")
	if got := from(t, s, "192.0.2.1", "ann@good.example", "ann", letter("ann@good.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	c := s.IMAP("ann", nil)
	if got := bytesOf(t, c, 1); !strings.Contains(got, "dmarc=temperror") {
		t.Error(got)
	}
}

// TestAccountLimit: what a person sends is counted, also over a restart.
func TestAccountLimit(t *testing.T) {
	out := &outside{make(chan string, 10)}
	o := servertest.Options{Send: out.send, Change: func(c *config.Config) { c.Limits.Account.MessagesPerHour = 2 }}
	s := servertest.Start(t, o)
	s.AddAccount("ann")
	for range 2 {
		if err := submit(t, s, "ann@"+servertest.Domain, "ben@elsewhere.example"); err != nil {
			t.Fatal(err)
		}
		<-out.got
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	o.Files, o.Folder = s.Files, s.Folder
	s = servertest.Start(t, o)
	if err := submit(t, s, "ann@"+servertest.Domain, "ben@elsewhere.example"); err == nil || !strings.Contains(err.Error(), "4.7.1 Too many messages in an hour") {
		t.Error(err)
	}
}

// TestStolenAccount: an account whose mail others refuse again and again is held, until an administrator releases it.
func TestStolenAccount(t *testing.T) {
	out := &outside{make(chan string, 10)}
	s := servertest.Start(t, servertest.Options{Send: out.send, Change: func(c *config.Config) { c.Limits.Account.RefusedPerDay = 2 }})
	s.AddAccount("ann")
	told := watch(t, s, "ann")
	ann := "ann@" + servertest.Domain
	for n := range 2 {
		if err := submit(t, s, ann, "nobody@elsewhere.example"); err != nil {
			t.Fatal(err)
		}
		told.hears(t, fmt.Sprintf("exists %d", n+1)) // the bounce
	}
	if err := submit(t, s, ann, "ben@elsewhere.example"); err == nil || !strings.Contains(err.Error(), "4.7.1 Sending is on hold") {
		t.Error(err)
	}
	a := s.Store().Admin
	held, err := a.HeldAccounts(t.Context())
	if err != nil || len(held) != 1 || held[0].Address != ann || held[0].RefusedDay.Count != 2 || held[0].RecipientsDay.Count != 2 {
		t.Errorf("%+v, %v", held, err)
	}
	if err := a.ResetAccountLimits(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if err := submit(t, s, ann, "ben@elsewhere.example"); err != nil {
		t.Error(err)
	}
	if u, err := a.AccountLimits(t.Context(), ann); err != nil || !u.Held.IsZero() || u.MessagesDay != (admin.Count{Count: 1, Limit: 2000}) {
		t.Errorf("%+v, %v", u, err)
	}
}
