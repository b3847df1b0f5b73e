package config

import (
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestCertificateSettings(t *testing.T) {
	c, err := Parse([]byte(`
		hostname = "mail.example.org"
		[[certificate]]
		cert = "/a"
		key = "/b"
		[acme]
		accept_terms = true
		email = "root@example.org"
		names = ["imap.example.org"]
		domain_names = []
		key_type = "p384"
		new_keys = true
		eab_key_id = "x"
		eab_key_file = "/eab"
		[acme.dns]
		server = "2001:db8::1"
		key_name = "k."
		key_file = "/k"
		key_algorithm = "HMAC-SHA512"
		ttl = "5m"
	`))
	if err != nil {
		t.Fatal(err)
	}
	if c.ACME.Authority() != LetsEncrypt || c.ACME.Update.Address() != "[2001:db8::1]:53" || len(c.ACME.Prefixes()) != 0 || c.Certificate[0].Key != "/b" {
		t.Errorf("%+v", c.ACME)
	}
	if got := (ACME{}).Prefixes(); len(got) != 3 {
		t.Error(got)
	}
	for server, want := range map[string]string{"ns.test": "ns.test:53", "ns.test:5353": "ns.test:5353", "[::1]:54": "[::1]:54", "192.0.2.1": "192.0.2.1:53"} {
		if got := (DNSUpdate{Server: server}).Address(); got != want {
			t.Errorf("%s: %s", server, got)
		}
	}
	for text, want := range map[string]string{
		"[[certificate]]\ncert = \"/a\"":                                                   "needs both",
		"[acme]\ndirectory = \"http://ca.test/\"":                                          "https://",
		"[acme]\nkey_type = \"dsa\"":                                                       "key_type",
		"[acme]\nemail = \"nobody\"":                                                       "email",
		"[acme]\nnames = [\"*.example.org\"]":                                              "[acme.dns]",
		"[acme]\ndomain_names = [\"*\"]":                                                   "[acme.dns]",
		"[acme]\nnames = [\"*.org\"]\n[acme.dns]\nserver = \"x\"":                          "names",
		"[acme]\nnames = [\"a.*.example.org\"]\n[acme.dns]\nserver = \"x\"":                "names",
		"[acme]\ndomain_names = [\"*.*\"]\n[acme.dns]\nserver = \"x\"":                     "domain_names",
		"[acme]\nnames = [\"localhost\"]":                                                  "names",
		"[acme]\ndomain_names = [\"Mta STS\"]":                                             "domain_names",
		"[acme]\neab_key_id = \"x\"":                                                       "eab_key_file",
		"[acme.dns]\nserver = \"x\"\nkey_name = \"k\"":                                     "key_file",
		"[acme.dns]\nkey_algorithm = \"hmac-md5\"":                                         "key_algorithm",
		"[acme.dns]\nttl = \"-1s\"":                                                        "",
		"[acme]\naccept_terms = true\n[[listen]]\nprotocol = \"imap\"\naddress = \":143\"": "listener for http",
		"[acme]\naccept_term = true":                                                       "did you mean",
	} {
		if _, err := Parse([]byte("hostname = \"h.test\"\n" + text)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestWildcards: they can be asked for where challenges are answered in the DNS.
func TestWildcards(t *testing.T) {
	c, err := Parse([]byte("hostname = \"h.test\"\n[acme]\nnames = [\"*.example.org\"]\ndomain_names = [\"*\", \"mta-sts\"]\nper_domain = true\n[acme.dns]\nserver = \"192.0.2.1\""))
	if err != nil || !c.ACME.PerDomain || len(c.ACME.Names) != 1 {
		t.Errorf("%+v %v", c.ACME, err)
	}
}

// What init writes is what it was told.
func TestTextSaysHowToGetCertificates(t *testing.T) {
	c, err := Parse(Text(Config{Hostname: "mail.test", Data: "/d", ACME: ACME{AcceptTerms: true, Email: "root@mail.test"}}))
	if err != nil || !c.ACME.AcceptTerms || c.ACME.Email != "root@mail.test" {
		t.Errorf("%+v %v", c.ACME, err)
	}
	if c, err = Parse(Text(Config{Hostname: "mail.test", Data: "/d"})); err != nil || c.ACME.AcceptTerms {
		t.Errorf("%+v %v", c.ACME, err)
	}
}
