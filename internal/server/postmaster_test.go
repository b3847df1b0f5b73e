package server_test

import (
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// TestPostmasterIsNamed: mail for postmaster goes to the oldest account, until somebody is named.
func TestPostmasterIsNamed(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ann, bob := s.AddAccount("ann"), s.AddAccount("bob")
	a := s.Store().Admin
	if err := a.SetPostmaster(t.Context(), admin.Postmaster{Address: "nobody@" + servertest.Domain}); !fault.Is(err, fault.NotFound) {
		t.Error("nobody reads it:", err)
	}
	for _, c := range []struct {
		named string
		box   admin.Account
	}{{"", ann}, {bob.Address, bob}, {"", ann}} {
		must(t, a.SetPostmaster(t.Context(), admin.Postmaster{Address: c.named}))
		if p, err := a.Postmaster(t.Context()); err != nil || p.Address != c.named {
			t.Errorf("named is %v, %v; want %q", p, err, c.named)
		}
		before := s.Mailbox(c.box).State().Used
		s.Deliver("Subject: help\r\n\r\n", "postmaster")
		if s.Mailbox(c.box).State().Used == before {
			t.Errorf("%s didn't get it", c.box.Address)
		}
	}
}

// TestPOP3LoginDelay: the setting comes to those who collect.
func TestPOP3LoginDelay(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.POP3.LoginDelay = config.Duration(time.Minute) }})
	ann := s.AddAccount("ann")
	for i, want := range []string{"+OK", "-ERR [LOGIN-DELAY]"} {
		l := s.Line(servertest.POP3)
		l.Ask("USER %s", ann.Address)
		if r, err := l.Try("PASS %s", servertest.Password); err != nil || !strings.HasPrefix(r, want) {
			t.Errorf("%d: %q, %v", i, r, err)
		}
		l.Close()
	}
}
