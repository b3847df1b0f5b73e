package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// mailOf reads all messages of a folder.
func mailOf(t *testing.T, s *servertest.Server, local, folder string) (all []string) {
	t.Helper()
	c := s.IMAP(local, nil)
	got, err := c.Select(folder, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	for n := range got.NumMessages {
		all = append(all, bytesOf(t, c, imap.UID(n+1)))
	}
	return all
}

// unjudged has no filter for junk.
func unjudged(c *config.Config) { c.Junk.Filter = config.SwitchOff }

// TestJournal: who keeps an archive gets each message, unchanged, with all its recipients, and nobody else can tell.
func TestJournal(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: unjudged})
	for _, who := range []string{"ann", "bob", "archive"} {
		s.AddAccount(who)
	}
	const at = "@" + servertest.Domain
	decide(t, s, admin.Policy{Kind: "journal", Scope: "ann" + at, Pattern: "archive" + at}, admin.Policy{Kind: "journal", Scope: servertest.Domain, Direction: "out", Pattern: "archive" + at})
	l := s.Line(servertest.SMTP)
	l.Ask("EHLO x.example")
	l.Ask("MAIL FROM:<eve@elsewhere.example>")
	for _, to := range []string{"ann", "bob"} {
		l.Ask("RCPT TO:<%s%s>", to, at)
	}
	l.Ask("DATA")
	l.Ask("%s.", letter("eve@elsewhere.example"))
	text := "From: ann" + at + "\r\nTo: bob" + at + "\r\nSubject: =?utf-8?q?gr=C3=B6=C3=9Fe?=\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <2@x>\r\n\r\nA line.\r\n"
	if err := submitText(t, s, "ann"+at, "bob"+at, text); err != nil {
		t.Fatal(err)
	}
	if err := submitText(t, s, "bob"+at, "ann"+at, strings.ReplaceAll(text, "ann", "bob")); err != nil { // a blind copy, as far as its header tells
		t.Fatal(err)
	}
	kept := mailOf(t, s, "archive", "INBOX")
	if len(kept) != 3 {
		t.Fatalf("%d reports", len(kept))
	}
	for i, want := range []string{
		"Sender: eve@elsewhere.example\r\nSubject: hello\r\nMessage-Id: <1@x>\r\nTo: ann@example.test\r\nRecipient: bob@example.test\r\n",
		"Sender: ann@example.test\r\nSubject: ", "Message-Id: <2@x>\r\nBcc: ann@example.test\r\n",
	} {
		if !strings.Contains(kept[i], want) || !strings.Contains(kept[i], "\r\nX-MS-Journal-Report:") || !strings.Contains(kept[i], "Content-Type: message/rfc822\r\n") {
			t.Errorf("report %d:\n%s", i, kept[i])
		}
	}
	if !strings.Contains(kept[1], strings.TrimSuffix(text, "\r\n")) || !strings.HasPrefix(kept[1], "Return-Path: <postmaster@example.test>\r\n") {
		t.Errorf("the message was changed:\n%s", kept[1])
	}
	for _, m := range append(mailOf(t, s, "ann", "INBOX"), mailOf(t, s, "bob", "INBOX")...) {
		if strings.Contains(strings.ToLower(m), "journal") || strings.Contains(m, "archive") {
			t.Errorf("it can be seen that there is a journal:\n%s", m)
		}
	}
}

// TestJournalsDontFollowEachOther: reports aren't reported, also if they come back by a forwarding address; what only says it is one is.
func TestJournalsDontFollowEachOther(t *testing.T) {
	o := &outside{make(chan string, 100)}
	s := servertest.Start(t, servertest.Options{Send: o.send, Change: unjudged})
	for _, who := range []string{"ann", "archive"} {
		s.AddAccount(who)
	}
	const at = "@" + servertest.Domain
	decide(t, s, admin.Policy{Kind: "journal", Pattern: "archive" + at}, admin.Policy{Kind: "journal", Pattern: "keep@elsewhere.example"})
	if err := submit(t, s, "ann"+at, "ann"+at); err != nil {
		t.Fatal(err)
	}
	left := <-o.got
	from, report, ok := strings.Cut(left, ": ")
	if !ok || from != "postmaster@example.test > keep@elsewhere.example" || !strings.Contains(report, "X-MS-Journal-Report:") {
		t.Fatalf("%s", left)
	}
	s.Deliver(report, "ann")                                                     // it comes back
	s.Deliver("X-Postroad-Journal: 1.2 0123\r\n"+letter("eve@x.example"), "ann") // and this never was one
	if kept := mailOf(t, s, "archive", "INBOX"); len(kept) != 2 || !strings.Contains(kept[1], "eve@x.example") {
		t.Errorf("%d reports:\n%s", len(kept), strings.Join(kept, "\n----\n"))
	}
}

// TestJournalThatFails: its report waits in the queue, or, if that is wanted, the message isn't taken.
func TestJournalThatFails(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint(strict), func(t *testing.T) {
			o := &outside{make(chan string, 100)}
			s := servertest.Start(t, servertest.Options{Send: o.send, Change: unjudged})
			for _, who := range []string{"ann", "archive"} {
				s.AddAccount(who)
			}
			const at = "@" + servertest.Domain
			decide(t, s, admin.Policy{Kind: "journal", Scope: servertest.Domain, Pattern: "archive" + at, Strict: strict})
			if err := s.Store().Admin.SetQuota(t.Context(), "archive"+at, 10); err != nil {
				t.Fatal(err)
			}
			l := s.Line(servertest.SMTP)
			l.Ask("EHLO x.example")
			l.Ask("MAIL FROM:<eve@elsewhere.example>")
			l.Ask("RCPT TO:<ann%s>", at)
			l.Ask("DATA")
			got, _ := l.Try("%s.", letter("eve@elsewhere.example"))
			mail := len(mailOf(t, s, "ann", "INBOX"))
			waiting, err := s.Store().Admin.Queue(t.Context(), admin.QueueFilter{})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case strict && (!strings.HasPrefix(got, "451 4.3.2 ") || mail != 0 || len(waiting.Items) != 0):
				t.Errorf("%s; %d messages, %d in the queue", got, mail, len(waiting.Items))
			case !strict && (!strings.HasPrefix(got, "250 ") || mail != 1 || len(waiting.Items) != 1 || waiting.Items[0].Recipient != "archive"+at):
				t.Errorf("%s; %d messages, %+v in the queue", got, mail, waiting.Items)
			}
		})
	}
}

// TestArchivesStay: a journal goes on when its archive gets another address, and an archive isn't removed from under it.
func TestArchivesStay(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: unjudged})
	for _, who := range []string{"ann", "archive"} {
		s.AddAccount(who)
	}
	ctx, a := t.Context(), s.Store().Admin
	const at = "@" + servertest.Domain
	must(t, a.AddAlias(ctx, admin.Alias{Address: "old" + at, Targets: []string{"archive" + at}}))
	must(t, a.AddGroup(ctx, admin.Group{Address: "keepers" + at, Members: []string{"archive" + at, "ann" + at}}))
	decide(t, s, admin.Policy{Kind: "journal", Scope: "ann" + at, Direction: "in", Pattern: "Archive+mail" + at}, admin.Policy{Kind: "journal", Direction: "out", Pattern: "old" + at},
		admin.Policy{Kind: "journal", Scope: servertest.Domain, Direction: "out", Pattern: "keepers" + at})
	wants(t, a.RemoveAccount(ctx, admin.Removal{Address: "archive" + at}), fault.Conflict)
	wants(t, a.RemoveAccount(ctx, admin.Removal{Address: "archive" + at, Now: true}), fault.Conflict)
	wants(t, a.RemoveAlias(ctx, "OLD"+at), fault.Conflict)
	wants(t, a.RemoveGroup(ctx, "keepers"+at), fault.Conflict)
	_, err := a.RenameAccount(ctx, admin.Rename{Address: "archive" + at, To: "vault" + at, Drop: true})
	must(t, err)
	s.Deliver("Subject: kept\r\n\r\nx\r\n", "ann")
	if n := len(mailOf(t, s, "vault", "INBOX")); n != 1 {
		t.Errorf("%d reports at the new address", n)
	}
	list, err := a.Policies(ctx)
	must(t, err)
	if list[0].Pattern != "vault"+at || list[1].Pattern != "old"+at {
		t.Errorf("%+v", list)
	}
	for _, p := range list {
		must(t, a.RemovePolicy(ctx, admin.PolicyID{ID: p.ID}))
	}
	must(t, a.RemoveAccount(ctx, admin.Removal{Address: "vault" + at}))
}

// TestDisclaimer: what leaves has it, once, and what stays here doesn't.
func TestDisclaimer(t *testing.T) {
	o := &outside{make(chan string, 100)}
	s := servertest.Start(t, servertest.Options{Send: o.send, Change: unjudged})
	s.AddAccount("ann")
	s.AddAccount("bob")
	const at = "@" + servertest.Domain
	decide(t, s, admin.Policy{Kind: "disclaimer", Scope: servertest.Domain, Text: "Keep this secret.\nThe Company\n"})
	text := "From: ann" + at + "\r\nTo: bob" + at + "\r\nSubject: x\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <2@x>\r\n\r\nA line.\r\n"
	const below = "\r\nKeep this secret.\r\nThe Company\r\n"
	for _, message := range []string{text, text + "> Keep this\r\n> secret. The Company\r\n"} {
		if err := submitText(t, s, "ann"+at, "eve@elsewhere.example", message); err != nil {
			t.Fatal(err)
		}
		got := <-o.got
		if want := strings.TrimPrefix(message, text) == ""; strings.HasSuffix(got, "\r\nA line.\r\n"+below) != want || strings.Count(got, "secret") != 1 {
			t.Errorf("%s", got)
		}
	}
	if err := submitText(t, s, "ann"+at, "bob"+at, text); err != nil {
		t.Fatal(err)
	}
	if got := mailOf(t, s, "bob", "INBOX"); len(got) != 1 || !strings.HasSuffix(got[0], text[strings.Index(text, "From: "):]) {
		t.Errorf("%s", got)
	}
}

// TestJournalsKeepToTheirOwn: who journals a domain doesn't learn whom else, in others' domains, a stranger has sent a blind copy.
func TestJournalsKeepToTheirOwn(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: unjudged})
	must(t, s.Store().Admin.AddDomain(t.Context(), "other.example"))
	for _, who := range []string{"eve@other.example", "open@other.example"} {
		_, err := s.Store().Admin.AddAccount(t.Context(), admin.NewAccount{Address: who, Password: servertest.Password})
		must(t, err)
	}
	for _, who := range []string{"ann", "bob", "archive", "every", "hers"} {
		s.AddAccount(who)
	}
	const at = "@" + servertest.Domain
	decide(t, s, admin.Policy{Kind: "journal", Scope: servertest.Domain, Pattern: "archive" + at},
		admin.Policy{Kind: "journal", Scope: "ann" + at, Pattern: "hers" + at}, admin.Policy{Kind: "journal", Pattern: "every" + at})
	l := s.Line(servertest.SMTP)
	l.Ask("EHLO x.example")
	l.Ask("MAIL FROM:<someone@elsewhere.example>")
	for _, to := range []string{"eve@other.example", "open@other.example", "ann" + at, "bob" + at} {
		l.Ask("RCPT TO:<%s>", to)
	}
	l.Ask("DATA")
	l.Ask("%s.", strings.Replace(letter("someone@elsewhere.example"), "To: ", "Cc: open@other.example\r\nTo: ", 1))
	kept := map[string]string{}
	for _, who := range []string{"archive", "hers", "every"} {
		all := mailOf(t, s, who, "INBOX")
		if len(all) != 1 {
			t.Fatalf("%s has %d reports", who, len(all))
		}
		kept[who] = all[0]
	}
	for _, who := range []string{"archive", "hers"} {
		if report := kept[who]; strings.Contains(report, "eve@") || strings.Contains(report, "postmaster@other.example") ||
			!strings.Contains(report, "\r\nCc: open@other.example\r\n") || !strings.Contains(report, "bob"+at) {
			t.Errorf("%s:\n%s", who, report)
		}
	}
	if !strings.Contains(kept["every"], "\r\nRecipient: eve@other.example\r\n") {
		t.Errorf("the server's own:\n%s", kept["every"])
	}
}
