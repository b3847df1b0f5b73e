package config

import (
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestScanners(t *testing.T) {
	c, err := Parse([]byte(`hostname = "mail.example.test"
[quarantine]
keep = "7d"
size = "10M"
[[scanner]]
kind = "clamd"
address = "unix:/run/clamd.sock"
virus = "quarantine"
outgoing = false
[[scanner]]
name = "spam"
kind = "rspamd"
address = "https://rspamd.example"
ca_file = "/etc/ca.pem"
password_file = "/etc/secret"
timeout = "3m"
follow = "note"
relayed = true
[[scanner]]
kind = "milter"
address = "127.0.0.1:8891"
on_failure = "tempfail"
max_size = "1M"
[[scanner]]
kind = "http"
address = "unix:/run/hook"
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		title, fails      string
		outgoing, relayed bool
		largest           int64
	}{{"clamd", TempFail, false, true, 25 << 20}, {"spam", AcceptMail, false, true, 50 << 20}, {"milter", TempFail, false, false, 1 << 20}, {"http", AcceptMail, false, false, 50 << 20}} {
		s := &c.Scanner[i]
		if s.Title() != want.title || s.Fails() != want.fails || s.SeesOutgoing() != want.outgoing || s.SeesRelayed() != want.relayed || s.Largest() != want.largest {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
	if n, a := c.Scanner[0].Endpoint(); n != "unix" || a != "/run/clamd.sock" || !c.LooksForViruses() {
		t.Error(n, a)
	}
}

// What is wrong keeps the server from starting, and says where.
func TestWrongScanners(t *testing.T) {
	good := "kind = \"clamd\"\naddress = \"unix:/run/clamd.sock\"\n"
	for set, want := range map[string]string{
		"":                   `scanner 1 (): kind "": want rspamd, clamd, milter, http`,
		"kind = \"spamd\"\n": `kind "spamd"`,
		"kind = \"clamd\"\n": "address: want host:port or unix:/path",
		"kind = \"clamd\"\naddress = \"unix:clamd.sock\"\n":                "absolute path",
		"kind = \"rspamd\"\naddress = \"127.0.0.1:11333\"\n":               "want http://host:port",
		"kind = \"milter\"\naddress = \"http://127.0.0.1:8891\"\n":         "want host:port",
		good + "virus = \"eat\"":                                           `virus "eat"`,
		good + "follow = \"me\"":                                           `follow "me"`,
		good + "changes = \"all\"":                                         "changes: clamd",
		"kind = \"milter\"\naddress = \"unix:/run/m\"\nchanges = \"some\"": `changes "some"`,
		good + "on_failure = \"discard\"":                                  `on_failure "discard"`,
		good + "timeout = \"4m\"":                                          "timeout: at most 3m",
		good + "connections = -1":                                          "connections",
		good + "name = \"a b\"":                                            "name: want one word",
		good + "password_file = \"/etc/secret\"":                           "password_file",
		good + "ca_file = \"/etc/ca.pem\"":                                 "ca_file",
		good + "colour = \"red\"":                                          "colour",
		good + "[[scanner]]\n" + good:                                      "two scanners have the name clamd",
		good + "[quarantine]\nsize = \"1K\"":                               "quarantine.size",
		good + "[quarantine]\nkeep = \"1s\"":                               "quarantine.keep",
	} {
		_, err := Parse([]byte("hostname = \"mail.example.test\"\n[[scanner]]\n" + set))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), want) {
			t.Errorf("%q: %v, want %q", set, err, want)
		}
	}
}
