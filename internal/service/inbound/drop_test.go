package inbound

import (
	"strings"
	"testing"
)

// TestDroppedChecksKeepNothing: a client that is silent after a message holds no more of our memory than one that has sent none.
func TestDroppedChecksKeepNothing(t *testing.T) {
	w := newWorld(t, Options{})
	v, err := w.visit(client{IP: goodIP, From: "ann@good.example"})
	if err != nil {
		t.Fatal(err)
	}
	long := "Subject: " + strings.Repeat("x", 2*keptHeader) + "\r\n"
	for name, end := range map[string]func(*Check){
		"judged": func(c *Check) {
			if _, err := c.Verdict(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"dropped": (*Check).Drop,
	} {
		c := v.Message([]string{"bob@example.org"})
		c.Write([]byte(long + "\r\nbody\r\n"))
		if !strings.HasPrefix(c.check.Header(), "Subject: xxx") {
			t.Fatal("the header isn't there")
		}
		if end(c); c.check.Header() != "" || c.to != nil {
			t.Errorf("%s: %d octets are kept", name, len(c.check.Header()))
		}
	}
	s := NewAccounts(AccountOptions{DB: w.db, Now: w.now, Names: anns}).Begin(ann)
	for _, end := range []string{"", "\r\nbody"} {
		c := s.Message("ann@example.org")
		c.Write([]byte(long + end))
		if c.Drop(); cap(s.check.header) > keptHeader {
			t.Errorf("%q: %d octets are kept", end, cap(s.check.header))
		}
	}
}
