package server_test

import (
	"strings"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// TestAuthors: a colleague's name isn't to be had, unless the settings or the administrator say so.
func TestAuthors(t *testing.T) {
	ann, bob := "ann@"+servertest.Domain, "bob@"+servertest.Domain
	text := "From: " + bob + "\r\nSubject: from the boss\r\n\r\nPay.\r\n"
	for rule, allowed := range map[string]bool{"": false, "local": false, "own": false, "domain": true, "any": true} {
		s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Sending.From = rule }})
		s.AddAccount("ann")
		s.AddAccount("bob")
		if err := submitText(t, s, ann, bob, text); (err == nil) != allowed || err != nil && !strings.Contains(err.Error(), "5.7.1 You may not write as "+bob) {
			t.Errorf("%q: %v", rule, err)
		}
		for own, allowed := range map[string]bool{"any": true, "own": false} {
			if err := s.Store().Admin.SetAccountAuthors(t.Context(), admin.AuthorsChange{Address: ann, Rule: own}); err != nil {
				t.Fatal(err)
			}
			if err := submitText(t, s, ann, bob, text); (err == nil) != allowed {
				t.Errorf("%q, of ann's own %q: %v", rule, own, err)
			}
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
}
