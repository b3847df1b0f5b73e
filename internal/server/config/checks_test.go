package config

import (
	"net/netip"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/inbound"
)

func TestChecks(t *testing.T) {
	c, err := Parse([]byte(`
		hostname = "mail.example.org"
		[checks]
		dmarc = "mark"
		spf_fail = "refuse"
		null_mx = "refuse"
		helo = "refuse"
		helo_resolve = true
		greylist = "off"
		trusted_networks = ["192.0.2.0/24", "2001:db8::1"]
		trusted_sealers = ["list.example"]
		messages_per_minute = -1
		[[checks.dnsbl]]
		zone = "BL.example."
		codes = ["127.0.0.2", "127.0.1.0/24"]
		action = "mark"
		score = 3
		[[checks.dnswl]]
		zone = "wl.example"
		[limits.account]
		messages_per_hour = 7
	`))
	if err != nil {
		t.Fatal(err)
	}
	nets, err := c.Checks.Networks()
	if err != nil || len(nets) != 4 || nets[2] != netip.MustParsePrefix("192.0.2.0/24") || nets[3] != netip.MustParsePrefix("2001:db8::1/128") {
		t.Errorf("%v, %v", nets, err)
	}
	block, allow, err := c.Checks.Lists()
	if err != nil || len(block) != 1 || len(allow) != 1 || block[0].Zone != "bl.example" || !block[0].Mark || block[0].Score != 3 || len(block[0].Codes) != 2 ||
		block[0].Codes[0] != (inbound.Codes{From: netip.MustParseAddr("127.0.0.2"), To: netip.MustParseAddr("127.0.0.2")}) {
		t.Errorf("%+v, %+v, %v", block, allow, err)
	}
	if c.Limits.Account.MessagesPerHour != 7 || c.Checks.Messages != -1 || c.Checks.NullMX != Refuse {
		t.Errorf("%+v", c)
	}
}

func TestWrongChecks(t *testing.T) {
	for text, want := range map[string]string{
		`[checks]` + "\n" + `dmarc = "yes"`:                                   `checks.dmarc "yes": want enforce, mark, off`,
		`[checks]` + "\n" + `spf_fail = "off"`:                                `checks.spf_fail "off": want mark, refuse`,
		`[checks]` + "\n" + `null_mx = "off"`:                                 `checks.null_mx "off": want mark, refuse`,
		`[checks]` + "\n" + `helo = "x"`:                                      `checks.helo "x"`,
		`[checks]` + "\n" + `greylist = "on"`:                                 `checks.greylist "on": want auto, always, off`,
		`[checks]` + "\n" + `trusted_networks = ["x"]`:                        `checks.trusted_networks`,
		`[checks]` + "\n" + `trusted_sealers = ["a b"]`:                       `checks.trusted_sealers: "a b"`,
		`[checks]` + "\n" + `dmark = "mark"`:                                  `did you mean "dmarc"?`,
		`[[checks.dnsbl]]` + "\n" + `zone = ""`:                               `checks.dnsbl "": zone is not a domain`,
		`[[checks.dnsbl]]` + "\n" + `zone = "a.b"` + "\n" + `codes = ["128"]`: `checks.dnsbl "a.b": code "128"`,
		`[[checks.dnsbl]]` + "\n" + `zone = "a.b"` + "\n" + `action = "drop"`: `action "drop": want refuse or mark`,
		`[[checks.dnsbl]]` + "\n" + `zone = "a.b"` + "\n" + `score = -1`:      `score must not be negative`,
		`[[checks.dnswl]]` + "\n" + `zone = "a.b"` + "\n" + `action = "mark"`: `action and score are for dnsbl`,
		`[checks]` + "\n" + `messages_per_minute = -2`:                        `checks.messages_per_minute -2: want a number, or -1`,
		`[limits.account]` + "\n" + `recipients_per_day = -7`:                 `limits.account.recipients_per_day -7`,
		`[limits.account]` + "\n" + `refused_percent = 101`:                   `at most 100`,
		`[limits.account]` + "\n" + `messages_per_our = 1`:                    `did you mean "messages_per_hour"?`,
	} {
		_, err := Parse([]byte("hostname = \"mail.example.org\"\n" + text))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
