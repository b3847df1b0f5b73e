package config

import (
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestPages(t *testing.T) {
	c, err := Parse([]byte("[pages]\noff = true\n[auth]\ntwo_step = \"required\"\npasskey_domain = \"example.org\"\n"))
	if err != nil || !c.Pages.Off || c.Auth.TwoStep != Compulsory || c.Auth.PasskeyDomain != "example.org" {
		t.Errorf("%+v %+v %v", c.Pages, c.Auth, err)
	}
	for text, want := range map[string]string{
		"[auth]\ntwo_step = \"off\"\n":                    "auth.two_step",
		"[auth]\npasskey_domain = \"https://x.org\"\n":    "auth.passkey_domain",
		"[auth]\npasskey_domain = \"Mail.Example.org\"\n": "auth.passkey_domain",
	} {
		if _, err := Parse([]byte(text)); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for host, in := range map[string]bool{"example.org": true, "mail.example.org": true, "notexample.org": false, "org": false} {
		if Within(host, "example.org") != in {
			t.Error(host)
		}
	}
}
