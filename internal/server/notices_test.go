package server_test

import (
	"strings"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/notices"
)

// TestNotices: what changes by a page, by an administrator and by a program's way in is told over IMAP, in one message, past a filter that
// throws all mail away and into a mailbox that is full; and not at all if the settings say so.
func TestNotices(t *testing.T) {
	for _, on := range []bool{true, false} {
		s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.OAuth.Enable, c.Auth.Notices = true, &on }})
		ctx, a := t.Context(), s.Store().Admin
		s.AddAccount("ann")
		must(t, a.SetLanguage(ctx, admin.Language{Address: ann, Tag: "fr"}))
		_, err := a.PutScript(ctx, admin.NewScript{Address: ann, Name: "x", Text: "discard;\r\n", Activate: true})
		must(t, err)
		s.Deliver("Subject: thrown away\r\n\r\nx\r\n", "ann")
		must(t, a.SetQuota(ctx, ann, 1))

		b := newSurfer(t, s)
		b.get("/account")
		b.post("/account/sign-in", "login", ann, "password", servertest.Password)
		b.get("/account/password")
		b.post("/account/password", "present", servertest.Password, "new", "another secret", "again", "another secret")
		b.shows("password")
		_, err = a.AddAppPassword(ctx, admin.NewAppPassword{Address: ann, Name: "Phone"})
		must(t, err)
		_, err = a.AddFetch(ctx, admin.NewFetch{Account: ann, Protocol: "imap", Address: "imap.example.net:993", Security: "tls", User: "ann", Secret: "x", Unchecked: true, Policy: "keep", EverySeconds: 3600})
		must(t, err)
		must(t, a.SetPassword(ctx, ann, servertest.Password))

		s.Clock.Advance(notices.Gather)
		_, err = s.TellNotices(ctx)
		must(t, err)
		c := s.IMAP("ann", nil)
		selected, err := c.Select("INBOX", nil).Wait()
		must(t, err)
		if !on {
			if selected.NumMessages != 0 {
				t.Errorf("%d messages, though notices are off", selected.NumMessages)
			}
			must(t, s.Stop())
			continue
		}
		if selected.NumMessages != 1 {
			t.Fatalf("%d messages", selected.NumMessages)
		}
		text := strings.ReplaceAll(bytesOf(t, c, 1), "=\r\n", "")
		for want, n := range map[string]int{"Le mot de passe a ": 2, "\"Phone\"": 1, "imap[.]example[.]net": 1, "Auto-Submitted: auto-generated": 1, "Content-Language: fr": 1, "another secret": 0, "://": 0} {
			if strings.Count(text, want) != n {
				t.Errorf("%q isn't there %d times:\n%s", want, n, text)
			}
		}
		must(t, s.Stop())
	}
}
