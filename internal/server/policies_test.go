package server_test

import (
	"context"
	"encoding/base64"
	"net/smtp"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
)

// decide adds policies.
func decide(t *testing.T, s *servertest.Server, all ...admin.Policy) {
	t.Helper()
	for _, p := range all {
		if _, err := s.Store().Admin.AddPolicy(t.Context(), p); err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
	}
}

// program is a message with an attached program.
func program(author, name string) string {
	return "From: <" + author + ">\r\nTo: ann@example.test\r\nSubject: a program\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <2@x>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee this.\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=" + name +
		"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte("MZ")) + "\r\n--b--\r\n"
}

// TestPoliciesRefuse: at the first step at which it is clear, in words that tell nothing of others, and the trace says which policy it was.
func TestPoliciesRefuse(t *testing.T) {
	s := servertest.Start(t, servertest.Options{DNS: senders(t), Change: unjudged})
	s.AddAccount("ann")
	decide(t, s,
		admin.Policy{Kind: "sender", Pattern: "spam.example", Action: "reject"},
		admin.Policy{Kind: "network", Pattern: "198.51.100.0/24", Action: "reject", Text: "Not from there"},
		admin.Policy{Kind: "sender", Scope: servertest.Domain, Pattern: "eve@quiet.example", Action: "reject"},
		admin.Policy{Kind: "file", Pattern: "exe", Action: "reject", Direction: "both", Text: "No programs"},
		admin.Policy{Kind: "file", Pattern: "scr", Action: "junk"},
		admin.Policy{Kind: "sender", Pattern: "odd.example", Action: "junk"},
	)
	for _, c := range []struct{ ip, sender, message, want, stage, policy string }{
		{"192.0.2.1", "bob@sub.spam.example", "", "550 5.7.1 Mail of this sender is not wanted here", "mail", "policy 1"},
		{"198.51.100.7", "bob@fine.example", "", "554 Not from there", "connect", "policy 2"},
		{"192.0.2.1", "Eve@quiet.example", "", "550 5.7.1 Mail of this sender is not wanted here", "rcpt", "policy 3"},
		{"192.0.2.1", "bob@fine.example", letter("bob@spam.example"), "550 5.7.1 Mail of this author is not wanted here", "data", "policy 1"},
		{"192.0.2.1", "eva@fine.example", program("bob@fine.example", "a.exe"), "550 5.7.1 No programs", "data", "policy 4"},
	} {
		if got := from(t, s, c.ip, c.sender, "ann", c.message); got != c.want {
			t.Errorf("%s from %s: %s", c.sender, c.ip, got)
		}
		q := admin.TraceQuery{Sender: c.sender}
		if c.stage == "connect" {
			q = admin.TraceQuery{Client: c.ip}
		}
		found, err := s.Store().Admin.Trace(t.Context(), q)
		if err != nil || len(found) != 1 || found[0].Events[0].Stage != c.stage || found[0].Events[0].Text != c.policy {
			t.Errorf("%s: the trace tells %+v %v", c.sender, found, err)
		}
	}
	for i, message := range []string{letter("bob@fine.example"), letter("bob@odd.example"), program("bob@fine.example", "a.scr")} {
		if got := from(t, s, "192.0.2.1", "bob@fine.example", "ann", message); !strings.HasPrefix(got, "250 ") {
			t.Errorf("%d: %s", i, got)
		}
	}
	c := s.IMAP("ann", nil)
	for folder, want := range map[string]uint32{"INBOX": 1, "Junk": 2} {
		if got, err := c.Select(folder, nil).Wait(); err != nil || got.NumMessages != want {
			t.Errorf("%s: %+v %v", folder, got, err)
		}
	}
}

// TestPoliciesLetIn: a sender who is let in is so only if it is proved that it is they; a network is.
func TestPoliciesLetIn(t *testing.T) {
	s := servertest.Start(t, servertest.Options{DNS: senders(t)})
	s.AddAccount("ann")
	decide(t, s, admin.Policy{Kind: "sender", Pattern: "soft.example", Action: "allow"}, admin.Policy{Kind: "network", Pattern: "203.0.113.64/26", Action: "allow"})
	for _, ip := range []string{"203.0.113.9", "203.0.113.70"} { // whose DMARC policy says junk: once for a forger, once for a friend
		if got := from(t, s, ip, "bob@soft.example", "ann", letter("bob@soft.example")); !strings.HasPrefix(got, "250 ") {
			t.Fatal(got)
		}
	}
	c := s.IMAP("ann", nil)
	for _, folder := range []string{"INBOX", "Junk"} {
		if got, err := c.Select(folder, nil).Wait(); err != nil || got.NumMessages != 1 {
			t.Errorf("%s: %+v %v", folder, got, err)
		}
	}
}

// TestDomainsPoliciesKeepApart: recipients for whom other policies count get a copy of their own.
func TestDomainsPoliciesKeepApart(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	if err := s.Store().Admin.AddDomain(t.Context(), "strict.example"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store().Admin.AddAccount(t.Context(), admin.NewAccount{Address: "bob@strict.example"}); err != nil {
		t.Fatal(err)
	}
	decide(t, s, admin.Policy{Kind: "file", Scope: "strict.example", Pattern: "exe", Action: "reject"})
	l := s.Line(servertest.SMTP)
	l.Ask("EHLO x.example")
	l.Ask("MAIL FROM:<eve@elsewhere.example>")
	l.Ask("RCPT TO:<ann@%s>", servertest.Domain)
	if got, _ := l.Try("RCPT TO:<bob@strict.example>"); !strings.HasPrefix(got, "452 4.5.3 ") {
		t.Errorf("%s", got)
	}
	l.Ask("DATA")
	if got := l.Ask("%s\r\n.", program("eve@elsewhere.example", "a.exe")); !strings.HasPrefix(got, "250") {
		t.Errorf("%s", got)
	}
	l.Ask("MAIL FROM:<eve@elsewhere.example>")
	l.Ask("RCPT TO:<bob@strict.example>")
	l.Ask("DATA")
	if got, _ := l.Try("%s\r\n.", program("eve@elsewhere.example", "a.exe")); got != "550 5.7.1 Messages with files such as a.exe are not taken here" {
		t.Errorf("%s", got)
	}
}

// TestSizesOfDomainsAndAccounts: what is announced is refused at once, and what is larger than it was said to be as it comes. RFC 1870 §6.1.
func TestSizesOfDomainsAndAccounts(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.AddAccount("bob")
	decide(t, s,
		admin.Policy{Kind: "size", Scope: servertest.Domain, MaxBytes: 5000, Direction: "in"},
		admin.Policy{Kind: "size", Scope: "ann@" + servertest.Domain, MaxBytes: 2000},
	)
	const tooLarge = "552 5.3.4 The message is larger than is allowed here"
	l := s.Line(servertest.SMTP)
	l.Ask("EHLO x.example")
	text := func(n int) string {
		return letter("eve@elsewhere.example") + strings.Repeat(strings.Repeat("x", 98)+"\r\n", n/100)
	}
	for _, c := range []struct {
		declared, size int
		to, want       string
	}{
		{3000, 0, "ann", tooLarge}, {0, 3000, "ann", tooLarge}, {1000, 3000, "ann", tooLarge}, {0, 1000, "ann", "250"},
		{3000, 3000, "bob", "250"}, {6000, 0, "bob", tooLarge}, {0, 6000, "bob", tooLarge},
	} {
		l.Ask("MAIL FROM:<eve@elsewhere.example> SIZE=%d", c.declared)
		got, _ := l.Try("RCPT TO:<%s@%s>", c.to, servertest.Domain)
		if c.size > 0 {
			l.Ask("DATA")
			got, _ = l.Try("%s.", text(c.size))
		} else {
			l.Ask("RSET")
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	err := submitText(t, s, "ann@"+servertest.Domain, "bob@"+servertest.Domain, text(3000))
	if err == nil || !strings.Contains(err.Error(), tooLarge[4:]) {
		t.Errorf("ann sends more than she may: %v", err)
	}
	if err := submitText(t, s, "bob@"+servertest.Domain, "bob@"+servertest.Domain, text(3000)); err != nil {
		t.Error(err)
	}
}

// TestFilesThatPeopleSend: policies on files hold for those who have signed in, too, if they are for mail that goes out.
func TestFilesThatPeopleSend(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	decide(t, s, admin.Policy{Kind: "file", Pattern: "exe", Action: "reject", Direction: "out"}, admin.Policy{Kind: "file", Pattern: "js", Action: "reject"},
		admin.Policy{Kind: "sender", Pattern: servertest.Domain, Action: "reject"})
	ann := "ann@" + servertest.Domain
	if err := submitText(t, s, ann, ann, program(ann, "a.exe")); err == nil || !strings.Contains(err.Error(), "5.7.1") {
		t.Errorf("%v", err)
	}
	if err := submitText(t, s, ann, ann, program(ann, "a.js")); err != nil {
		t.Error(err)
	}
	c, err := smtp.NewClient(s.Dial(servertest.SMTP), servertest.Hostname)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("eve@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(ann); err != nil {
		t.Error(err)
	}
}

// TestPoliciesOfDomains: they are the domain's, and go with it.
func TestPoliciesOfDomains(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	a := s.Store().Admin
	if err := a.AddDomain(t.Context(), "gone.example"); err != nil {
		t.Fatal(err)
	}
	decide(t, s, admin.Policy{Kind: "sender", Scope: "GONE.example", Pattern: "x.example", Action: "reject"}, admin.Policy{Kind: "sender", Pattern: "x.example", Action: "junk"})
	for _, p := range []admin.Policy{
		{Kind: "sender", Scope: "other.example", Pattern: "x.example", Action: "reject"},
		{Kind: "size", Scope: "nobody@" + servertest.Domain, MaxBytes: 7},
		{Kind: "journal", Pattern: "nobody@" + servertest.Domain},
	} {
		if _, err := a.AddPolicy(t.Context(), p); !fault.Is(err, fault.NotFound) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if err := a.RemovePolicy(t.Context(), admin.PolicyID{ID: 2, Scope: "gone.example"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("a domain's administrator removed the server's: %v", err)
	}
	if err := a.RemoveDomain(t.Context(), "gone.example"); err != nil {
		t.Fatal(err)
	}
	all, err := a.Policies(context.Background())
	if err != nil || len(all) != 1 || all[0].ID != 2 {
		t.Errorf("%+v %v", all, err)
	}
}

// TestPoliciesSetAside: what a policy puts into quarantine is taken, nobody gets it, no archive either, until an administrator lets it go on.
func TestPoliciesSetAside(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: unjudged})
	s.AddAccount("ann")
	s.AddAccount("archive")
	const at = "@" + servertest.Domain
	decide(t, s, admin.Policy{Kind: "file", Pattern: "exe", Action: "quarantine", Direction: "both"}, admin.Policy{Kind: "journal", Pattern: "archive" + at})
	s.Deliver(program("eve@elsewhere.example", "a.exe"), "ann")
	if err := submitText(t, s, "ann"+at, "ann"+at, program("ann"+at, "b.exe")); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"ann", "archive"} {
		if got := mailOf(t, s, who, "INBOX"); len(got) != 0 {
			t.Errorf("%s has %d messages", who, len(got))
		}
	}
	a := s.Store().Admin
	list, err := a.Quarantined(t.Context(), admin.QuarantineQuery{})
	if err != nil || len(list.Messages) != 2 || !strings.Contains(list.Messages[0].Reason, "policy 1 (file exe)") {
		t.Fatalf("%+v %v", list, err)
	}
	for _, m := range list.Messages {
		if _, err := a.ReleaseQuarantined(t.Context(), admin.QuarantineChange{Number: m.Number}); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []string{"ann", "archive"} {
		if got := mailOf(t, s, who, "INBOX"); len(got) != 2 {
			t.Errorf("%s has %d messages after the release", who, len(got))
		}
	}
}
