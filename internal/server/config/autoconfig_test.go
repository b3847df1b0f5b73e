package config

import (
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestAutoconfig(t *testing.T) {
	for _, c := range []struct {
		a  Autoconfig
		ok bool
	}{
		{Autoconfig{}, true}, {Autoconfig{Off: true, Name: "Example Mail", IMAP: "imap.example.org:993", POP3: None, Submission: "a.b:587", Web: "a.b:8443"}, true},
		{Autoconfig{IMAP: "imap.example.org"}, false}, {Autoconfig{POP3: "x.example:0"}, false}, {Autoconfig{Submission: "x.example:65536"}, false},
		{Autoconfig{Submission: "x.example:smtp"}, false}, {Autoconfig{IMAP: "IMAP.example:993"}, false}, {Autoconfig{IMAP: "localhost:993"}, false},
		{Autoconfig{Web: None}, false}, {Autoconfig{Web: "https://x.example"}, false}, {Autoconfig{Name: "a\nb"}, false},
		{Autoconfig{Name: strings.Repeat("x", 60)}, true}, {Autoconfig{Name: strings.Repeat("x", 61)}, false},
	} {
		if err := c.a.validate(); (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c.a, err)
		}
	}
	for at, want := range map[string]bool{"a.b:143": false, "a.b:110": false, "a.b:587": false, "a.b:25": false, "a.b:993": true, "a.b:10143": true} {
		if _, _, implicit, err := Place(at); err != nil || implicit != want {
			t.Errorf("%s: %v %v", at, implicit, err)
		}
	}
}

// A name without a domain is called that, and not a mistake in writing.
func TestHostWithoutDomain(t *testing.T) {
	err := Autoconfig{Web: "mail:8443"}.validate()
	if want := "autoconfig.web \"mail:8443\": want the whole name"; !strings.HasPrefix(fault.TextOf(err), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
