package server_test

import (
	"context"
	"crypto/x509"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/transfer"
)

// gathering is a server that fetches mail of bob's at another one for ann, and shows it to programs.
type gathering struct {
	*testing.T
	here, there *servertest.Server
	programs    *programs
	ann         *mailbox.Session
	sent        chan transfer.Job // what left
}

func newGathering(t *testing.T, change func(*config.Config)) *gathering {
	t.Helper()
	g := &gathering{T: t, there: servertest.Start(t, servertest.Options{}), programs: startPrograms(t), sent: make(chan transfer.Job, 100)}
	g.there.AddAccount("bob")
	roots := x509.NewCertPool()
	roots.AddCert(g.there.Certificate().Leaf())
	over := reach(g.there)
	g.here = servertest.Start(t, servertest.Options{Roots: roots, Now: g.there.Clock.Now(),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if network == "unix" || strings.HasPrefix(address, "rspamd.") {
				return g.programs.dial(ctx, network, address)
			}
			return over(ctx, network, address)
		},
		Send: func(_ context.Context, job transfer.Job) []transfer.Outcome {
			g.sent <- job
			out := make([]transfer.Outcome, len(job.Recipients))
			for i := range out {
				out[i] = transfer.Outcome{Result: transfer.Delivered}
			}
			return out
		},
		Change: func(c *config.Config) {
			c.Scanner = []config.Scanner{{Name: "clamav", Kind: config.Clamd, Address: "unix:/clamd.sock"}, {Kind: config.Rspamd, Address: "http://rspamd.example:11333"}}
			c.Junk.Filter = config.SwitchOff
			if change != nil {
				change(c)
			}
		}})
	g.ann = g.here.Mailbox(g.here.AddAccount("ann"))
	return g
}

// from has bob's mail fetched from now on.
func (g *gathering) from(change func(*admin.NewFetch)) uint32 {
	g.Helper()
	f := admin.NewFetch{Account: ann, Protocol: "pop3", Security: "tls", Address: servertest.Hostname + ":995", User: "bob@" + servertest.Domain, Secret: servertest.Password,
		Policy: "keep", EverySeconds: 7 * 24 * 3600, Unchecked: true}
	change(&f)
	made, err := g.here.Store().Admin.AddFetch(g.Context(), f)
	must(g.T, err)
	return made.ID
}

// run fetches. The server may have done so by itself just now.
func (g *gathering) run(id uint32) {
	g.Helper()
	_, err := g.here.Store().Admin.RunFetch(g.Context(), id)
	must(g.T, err)
}

// mail is what ann has: subjects by folder.
func (g *gathering) mail() map[string][]string {
	g.Helper()
	out := map[string][]string{}
	for _, f := range g.ann.Folders() {
		view, err := g.ann.View(g.Context(), f.ID)
		must(g.T, err)
		for _, row := range view.All(0, view.Len()) {
			out[f.Name] = append(out[f.Name], g.text(row))
		}
	}
	return out
}

func (g *gathering) text(row *mailbox.Row) string {
	g.Helper()
	b, err := io.ReadAll(g.ann.Content(row).Section(0, row.Size))
	must(g.T, err)
	return string(b)
}

// subjectsIn are the subjects of what is in folders.
func (g *gathering) subjectsIn() map[string][]string {
	out := map[string][]string{}
	for folder, texts := range g.mail() {
		for _, text := range texts {
			_, after, _ := strings.Cut(text, "Subject: ")
			subject, _, _ := strings.Cut(after, "\r\n")
			out[folder] = append(out[folder], subject)
		}
		slices.Sort(out[folder])
	}
	return out
}

func (g *gathering) held() []admin.Quarantined {
	g.Helper()
	list, err := g.here.Store().Admin.Quarantined(g.Context(), admin.QuarantineQuery{})
	must(g.T, err)
	return list.Messages
}

func (g *gathering) left() int { return len(subjects(g.T, g.there, "bob")) }

// Fetched mail is shown to scanners and policies. What would be refused goes to the quarantine, and is removed there only where that means "it is
// here"; what they can't look at now comes later; junk goes to the junk.
func TestFetchedMailIsScanned(t *testing.T) {
	for _, policy := range []string{"keep", "delete", "mirror"} {
		t.Run(policy, func(t *testing.T) {
			g := newGathering(t, nil)
			decide(t, g.here, admin.Policy{Kind: "file", Pattern: "exe", Action: "reject", Direction: "in"})
			for _, m := range []string{"good\r\n\r\nhello", "virus\r\n\r\nEICAR", "spam\r\n\r\na casino", "refused\r\n\r\nGTUBE", "later\r\n\r\nnew here",
				"file\r\nContent-Type: application/octet-stream; name=x.exe\r\n\r\nMZ", "gone\r\n\r\nvanish"} {
				g.there.Deliver("Subject: "+m+"\r\n", "bob")
			}
			id := g.from(func(f *admin.NewFetch) { f.Policy = policy })
			for range 2 { // nothing comes twice
				g.run(id)
			}
			if d := cmp.Diff(map[string][]string{"INBOX": {"good"}, "Junk": {"spam"}}, g.subjectsIn()); d != "" {
				t.Error(d)
			}
			why := map[string]bool{}
			for _, m := range g.held() {
				why[m.Subject+": "+m.Reason] = true
			}
			if d := cmp.Diff([]string{"file: policy 1: Messages with files such as x.exe are not taken here", "refused: rspamd: score 20 of 6", "virus: clamav: virus Eicar-Test-Signature"},
				slices.Sorted(maps.Keys(why))); d != "" {
				t.Error(d)
			}
			if want := map[string]int{"keep": 7, "delete": 1, "mirror": 6}[policy]; g.left() != want {
				t.Errorf("%d are left there, want %d: %v", g.left(), want, subjects(t, g.there, "bob"))
			}
			g.programs.set(func() {
				g.programs.rspamd = `{"action":"no action","score":0,"required_score":15,"thresholds":{"add header":6}}`
			})
			g.run(id)
			if d := cmp.Diff([]string{"good", "later"}, g.subjectsIn()["INBOX"]); d != "" {
				t.Error(d)
			}
			for _, m := range g.held() {
				if m.Subject == "virus" {
					_, err := g.here.Store().Admin.ReleaseQuarantined(t.Context(), admin.QuarantineChange{Number: m.Number})
					must(t, err)
				}
			}
			g.run(id)
			if d := cmp.Diff([]string{"good", "later", "virus"}, g.subjectsIn()["INBOX"]); d != "" {
				t.Error("released: " + d)
			}
			if len(g.sent) != 0 {
				t.Errorf("somebody was told: %+v", (<-g.sent).Envelope)
			}
			g.here.Check()
		})
	}
}

// While a scanner gives no answer nothing comes unseen, and nothing is lost.
func TestFetchedMailWaitsForScanners(t *testing.T) {
	g := newGathering(t, nil)
	g.there.Deliver("Subject: 1\r\n\r\n", "bob")
	g.programs.set(func() { g.programs.refuses = true })
	id := g.from(func(f *admin.NewFetch) {
		f.Policy, f.Protocol, f.Address = "delete", "imap", servertest.Hostname+":993"
	})
	g.run(id)
	if g.left() != 1 || len(g.subjectsIn()) != 0 {
		t.Errorf("here %v, there %d", g.subjectsIn(), g.left())
	}
	g.programs.set(func() { g.programs.refuses = false })
	g.here.Clock.Advance(time.Hour)
	g.run(id)
	if g.left() != 0 || !slices.Contains(g.subjectsIn()["INBOX"], "1") { // a notice of changes may have come too
		t.Errorf("here %v, there %d", g.subjectsIn(), g.left())
	}
}

// The account's filter decides: folders, flags, what nobody wants. It writes to nobody, sends on only what came lately, and each once.
func TestFetchedMailIsFiltered(t *testing.T) {
	g := newGathering(t, nil)
	_, err := g.here.Store().Admin.PutScript(t.Context(), admin.NewScript{Address: ann, Name: "main", Activate: true, Text: `
		require ["fileinto", "mailbox", "imap4flags", "vacation", "reject", "copy"];
		if header :is "subject" "news" { addflag "\\Flagged"; fileinto :create "News"; stop; }
		if header :is "subject" "dull" { discard; stop; }
		if header :is "subject" "rude" { reject "no"; stop; }
		if header :contains "subject" "onward" { redirect "ann@elsewhere.example"; stop; }
		vacation "away";`})
	must(t, err)
	at := func(age time.Duration) string {
		return "Received: from a.example by b.example; " + g.here.Clock.Now().Add(-age).Format(time.RFC1123Z) + "\r\n"
	}
	for _, m := range []string{"Subject: news", "Subject: dull", "Subject: rude", at(time.Hour) + "Subject: onward 1", at(30*24*time.Hour) + "Subject: onward 2",
		"Delivered-To: " + ann + "\r\n" + at(time.Hour) + "Subject: onward 3", "From: <eve@good.example>\r\nTo: " + ann + "\r\nSubject: other"} {
		appendTo(t, g.there, "bob", m+"\r\n\r\nbody\r\n")
	}
	id := g.from(func(*admin.NewFetch) {})
	for range 2 {
		g.run(id)
	}
	got := g.subjectsIn()
	trouble := slices.DeleteFunc(got["INBOX"], func(s string) bool { return !strings.HasPrefix(s, "onward") && s != "rude" && s != "other" })
	if d := cmp.Diff([]string{"onward 2", "onward 3", "other", "rude"}, trouble); d != "" || len(got["News"]) != 1 {
		t.Error(d, got)
	}
	news, _ := g.ann.Child(0, "News")
	view, err := g.ann.View(t.Context(), news.ID)
	must(t, err)
	if view.Len() != 1 || view.At(0).Flags&mailbox.Flagged == 0 {
		t.Error("the filter's flag is missing")
	}
	if job := <-g.sent; job.Recipients[0].Address != "ann@elsewhere.example" || job.Recipients[0].Notify != transfer.NotifyNever {
		t.Errorf("%+v", job.Recipients)
	}
	if len(g.sent) != 0 {
		t.Errorf("besides, somebody gets %+v", (<-g.sent).Recipients)
	}
}

// What somebody else wrote in our name about the sender is taken out, and what the server there found out counts if it is believed. Mail that isn't to be
// looked at comes as it is.
func TestFetchedResults(t *testing.T) {
	g := newGathering(t, nil)
	const theirs = "Authentication-Results: mx.there.example; dmarc=pass header.from=good.example; spf=pass smtp.mailfrom=good.example\r\n"
	forged := "Authentication-Results: " + servertest.Hostname + "; dmarc=pass header.from=bank.example\r\nX-Postroad-Junk: no\r\n"
	letter := theirs + forged + "X-Spam-Flag: NO\r\n" + // which the spam filter takes for a forgery
		"Authentication-Results: mx.there.example; dmarc=pass header.from=other.example\r\nFrom: <eve@good.example>\r\nSubject: x\r\n\r\nbody\r\n"
	appendTo(t, g.there, "bob", letter)
	for results, want := range map[string]string{
		"":                 "Authentication-Results: " + servertest.Hostname + "; none\r\n",
		"mx.there.example": "Authentication-Results: " + servertest.Hostname + ";\r\n\tdmarc=pass (as mx.there.example tells) header.from=good.example",
		"mx.other.example": "Authentication-Results: " + servertest.Hostname + "; none\r\n",
	} {
		id := g.from(func(f *admin.NewFetch) { f.Folder, f.Results = []string{"from " + results}, results })
		g.run(id)
		texts := g.mail()["from "+results]
		if len(texts) != 1 || !strings.HasPrefix(texts[0], want) || strings.Contains(texts[0], "bank.example") || strings.Contains(texts[0], "X-Postroad-Junk") || strings.Contains(texts[0], "X-Spam-Flag") || !strings.Contains(texts[0], theirs) {
			t.Errorf("%q: %q", results, texts)
		}
	}
	id := g.from(func(f *admin.NewFetch) { f.Folder, f.Judge = []string{"as it is"}, "no" })
	g.run(id)
	if d := cmp.Diff([]string{letter}, g.mail()["as it is"]); d != "" {
		t.Error(d)
	}
	_, err := g.here.Store().Admin.AddFetch(t.Context(), admin.NewFetch{Account: ann, Protocol: "pop3", Security: "tls", Address: "x:1", User: "x", Secret: "x", Policy: "keep", EverySeconds: 600, Unchecked: true, Judge: "maybe"})
	wants(t, err, fault.Invalid)
}

// The junk filter judges what comes; not what its owner has read there, nor what comes from another folder than the inbox.
func TestFetchedMailIsJudged(t *testing.T) {
	g := newGathering(t, func(c *config.Config) { c.Junk.Filter, c.Scanner = "", c.Scanner[1:] })
	bob := g.there.Mailbox(admin.Account{ID: accountID(t, g.there, "bob")})
	inbox, _ := bob.FolderByRole(mailbox.Inbox)
	archive, _ := bob.FolderByRole(mailbox.Archive)
	for i, f := range []mailbox.Folder{inbox, inbox, archive} {
		item := mailbox.Append{Content: contentOf(t, g.there, "Subject: a casino\r\n\r\ncasino\r\n")}
		if i == 1 {
			item.Flags = mailbox.Seen
		}
		_, err := bob.Append(t.Context(), f.ID, item)
		must(t, err)
	}
	for _, box := range []string{"", archive.Name} {
		id := g.from(func(f *admin.NewFetch) { f.Protocol, f.Address, f.Mailbox = "imap", servertest.Hostname+":993", box })
		g.run(id)
	}
	if d := cmp.Diff(map[string]int{"INBOX": 2, "Junk": 1}, map[string]int{"INBOX": len(g.mail()["INBOX"]), "Junk": len(g.mail()["Junk"])}); d != "" {
		t.Error(d)
	}
	if junk := g.mail()["Junk"]; len(junk) == 1 && !strings.HasPrefix(junk[0], "X-Postroad-Junk: ") {
		t.Errorf("%q", junk[0])
	}
}

// appendTo puts a message into an inbox as it is.
func appendTo(t *testing.T, s *servertest.Server, local, text string) {
	t.Helper()
	box := s.Mailbox(admin.Account{ID: accountID(t, s, local)})
	inbox, _ := box.FolderByRole(mailbox.Inbox)
	_, err := box.Append(t.Context(), inbox.ID, mailbox.Append{Content: contentOf(t, s, text)})
	must(t, err)
}

func contentOf(t *testing.T, s *servertest.Server, text string) *mailbox.Content {
	t.Helper()
	w := s.Store().Mailboxes.NewContent()
	_, err := io.WriteString(w, text)
	must(t, err)
	c, err := w.Finish()
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}
