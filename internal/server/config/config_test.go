package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
)

const whole = `
hostname = "mail.example.org"
data = "/srv/mail"

[tls]
cert = "/etc/ssl/mail.pem"
key = "/etc/ssl/mail.key"

[log]
level = "debug"
format = "json"

[limits]
message_size = "50M"
cache = 4194304
shutdown = "5s"

[[listen]]
protocol = "smtp"
address = ":2525"
proxy = ["10.0.0.0/8", "::1"]

[[listen]]
protocol = "imap"
address = "[::1]:993"
plain_login = true
`

func TestParseReadsAllSettings(t *testing.T) {
	got, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Hostname: "mail.example.org", Data: "/srv/mail",
		TLS: TLS{Cert: "/etc/ssl/mail.pem", Key: "/etc/ssl/mail.key"},
		Log: Log{Level: "debug", Format: "json"},
		Limits: Limits{MessageSize: 50 << 20,
			Recipients: 1000, Shutdown: Duration(5 * time.Second), Cache: 4 << 20},
		Listen: []Listener{
			{Protocol: SMTP, Address: ":2525", TLS: StartTLS, Proxy: []string{"10.0.0.0/8", "::1"}},
			{Protocol: IMAP, Address: "[::1]:993", TLS: Implicit, PlainLogin: true},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	nets, err := got.Listen[0].Trusted()
	if err != nil || len(nets) != 2 || nets[1].String() != "::1/128" {
		t.Error(nets, err)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), c); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Standard(), c.Listen); d != "" {
		t.Error(d)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"hostnam = \"x\"", `line 1: unknown setting "hostnam"; did you mean "hostname"?`},
		{"\n[lmits]\nmessage_size=1", `line 2: unknown setting "lmits"; did you mean "limits"?`},
		{"[limits]\nmesage_size=1\n", `line 2: unknown setting "mesage_size" in [limits]; did you mean "message_size"?`},
		{"[[listen]]\nprotocol=\"smtp\"\nadress=\":25\"", `line 3: unknown setting "adress" in [listen]; did you mean "address"?`},
		{"[log]\ntls_session_tickets=1", `in [log]; known are level, format`},
		{"a = 1\nb = 2", `line 1: unknown setting "a"; known are hostname, data, `},
		{"hostname = 7", "line 1:"},
		{"hostname = \"x", "line 1:"},
		{"[limits]\nmessage_size = \"lots\"", "not a size"},
		{"[limits]\nmessage_size = 12", "at least 64K"},
		{"[limits]\nmessage_size = -1", "at least 64K"},
		{"[limits]\nrecipients = 5", "at least 100"},
		{"[limits]\nconnections = -5", "limits.connections: from 1 to"},
		{"[limits]\nshutdown = \"soon\"", "not a time span"},
		{"hostname = \"a b\"", "not a host's name"},
		{"data = \"mail\"", "absolute path"},
		{"[tls]\ncert = \"x\"", "both cert and key"},
		{"[log]\nlevel = \"loud\"", "debug, info, warn or error"},
		{"[log]\nformat = \"xml\"", "text or json"},
		{"[[listen]]\nprotocol = \"impa\"\naddress=\":1\"", `unknown protocol; did you mean "imap"?`},
		{"[[listen]]\nprotocol = \"imap\"", "address is missing"},
		{"[[listen]]\nprotocol = \"imap\"\naddress=\"143\"", "want host:port"},
		{"[[listen]]\nprotocol = \"imap\"\naddress=\":1\"\ntls=\"yes\"", "none, starttls or implicit"},
		{"[[listen]]\nprotocol = \"http\"\naddress=\":1\"\ntls=\"starttls\"", "http has no starttls"},
		{"[[listen]]\nprotocol = \"imap\"\naddress=\":1\"\nproxy=[\"10/8\"]", `proxy "10/8" is not a network`},
		{"[[listen]]\nprotocol = \"imap\"\naddress=\":1\"\n[[listen]]\nprotocol = \"pop3\"\naddress=\":1\"", "two listeners"},
	} {
		_, err := Parse([]byte(c.text))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), c.want) {
			t.Errorf("%q: got %v, want ...%s", c.text, err, c.want)
		}
	}
}

func TestDefaultTLSFollowsThePort(t *testing.T) {
	for _, c := range []struct{ protocol, address, want string }{
		{IMAP, ":143", StartTLS}, {IMAP, "10.0.0.1:993", Implicit}, {LMTP, ":24", NoTLS},
		{HTTP, ":443", Implicit}, {HTTP, ":80", NoTLS}, {LMTP, "unix:/run/x", NoTLS}, {POP3, "fd:pop", StartTLS},
	} {
		got, err := Parse([]byte("[[listen]]\nprotocol=\"" + c.protocol + "\"\naddress=\"" + c.address + "\""))
		if err != nil || got.Listen[0].TLS != c.want {
			t.Errorf("%s %s: %v %v, want %s", c.protocol, c.address, got.Listen, err, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "7": 7, "1K": 1024, "150M": 150 << 20, "150 MB": 150 << 20, "2GiB": 2 << 30, "1t": 1 << 40,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d %v, want %d", text, s, err, want)
		}
		var back Size
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%q printed as %q", text, s)
		}
	}
	for _, text := range []string{"", "M", "-1", "1.5G", "9999999999T", "1X"} {
		if new(Size).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q was taken for a size", text)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"proxy", "porxy", 1}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestWriteThenLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "etc", "postroad.toml")
	for _, c := range []Config{
		{Hostname: "mail.example.org", Data: "/srv/\"odd\" name"},
		{Hostname: "h", Data: "/d", TLS: TLS{Cert: "/c", Key: "/k"}, Listen: []Listener{{Protocol: IMAP, Address: ":1", TLS: NoTLS}}},
	} {
		if err := Write(file, c); err != nil {
			t.Fatal(err)
		}
		got, err := Load(file)
		c.complete()
		if d := cmp.Diff(c, got); d != "" || err != nil {
			t.Error(err, d)
		}
		if err := Write(file, c); !fault.Is(err, fault.Exists) {
			t.Errorf("overwriting: %v", err)
		}
		os.Remove(file)
	}
	if _, err := Load(file); !fault.Is(err, fault.NotFound) {
		t.Errorf("missing file: %v", err)
	}
	os.WriteFile(file, []byte("hostnme=\"x\""), 0o600)
	if _, err := Load(file); !strings.HasPrefix(fault.TextOf(err), file+": line 1") {
		t.Errorf("wrong file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("hostnam = 1\n[lmits]\n\"\" = 2\n[[listen]]\na.b.c = 3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || fault.TextOf(err) == "" {
				t.Errorf("%v", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("parsed, but not valid: %v", err)
		}
	})
}

// TestZeroSpans: who writes that nothing is to be kept doesn't get the default.
func TestZeroSpans(t *testing.T) {
	for _, key := range []string{"quarantine.keep", "audit.keep", "trace.keep", "accounts.keep_removed"} {
		for value, ok := range map[string]bool{"0s": false, "0d": false, "59m": false, "1h": true, "30d": true} {
			_, err := Parse([]byte("hostname = \"mail.example.org\"\n" + key + " = \"" + value + "\"\n"))
			if (err == nil) != ok || !ok && !strings.Contains(err.Error(), key+": at least 1h") {
				t.Errorf("%s = %s: %v", key, value, err)
			}
		}
	}
	if c, err := Parse([]byte("hostname = \"mail.example.org\"\n")); err != nil || c.Accounts.Kept() != keepRemoved || c.Audit.Keep.OrZero() != 0 {
		t.Error(c.Accounts.Kept(), err)
	}
}

// TestNonsense: sizes and counts that make no sense are refused by the setting's name; a zero isn't taken for the default.
func TestNonsense(t *testing.T) {
	for key, want := range notZero {
		table, _, _ := strings.Cut(key, ".")
		for _, zero := range []string{"0", `"0"`, `"0s"`, `"0M"`} {
			if isList := table == "scanner" || table == "route" || table == "ldap" || table == "sql"; isList {
				continue // below
			}
			_, err := Parse([]byte(key + " = " + zero))
			if !fault.Is(err, fault.Invalid) || fault.TextOf(err) != key+": "+want && !strings.Contains(err.Error(), "line 1") {
				t.Errorf("%s = %s: %v, want %s", key, zero, err, want)
			}
		}
	}
	for text, want := range map[string]string{
		"[[scanner]]\nkind = \"clamd\"\naddress = \"unix:/x\"\ntimeout = \"0s\"": "scanner.timeout: more than 0s",
		"[[scanner]]\nkind = \"clamd\"\naddress = \"unix:/x\"\nmax_size = \"0\"": "scanner.max_size: more than 0",
		"[[scanner]]\nkind = \"clamd\"\naddress = \"unix:/x\"\nconnections = 0":  "scanner.connections: at least 1",
		"[[route]]\nport = 0":                     "route.port: at least 1",
		"[[ldap]]\nevery = \"0s\"":                "ldap.every: at least 10s",
		"[[sql]]\nevery = \"0s\"":                 "sql.every: at least 10s",
		"[Limits]\nCache = 0":                     "limits.cache: at least 4M",
		"[limits]\ncache = \"1\"":                 "limits.cache: at least 4M",
		"[limits]\ncache = \"1024T\"":             "limits.cache: at most 1T",
		"[limits]\nmessage_size = \"1024T\"":      "limits.message_size: at most 2G",
		"[limits]\nconnections = 1000000000":      "limits.connections: from 1 to",
		"[limits]\nconnections_per_address = -1":  "limits.connections_per_address: from 1 to",
		"[limits]\nrecipients = 1000000000":       "limits.recipients: at most",
		"[limits]\nshutdown = \"-1s\"":            "limits.shutdown: more than 0s",
		"[limits]\nshutdown = \"100000d\"":        "limits.shutdown: more than 0s",
		"[junk]\ncache = \"1\"":                   "junk.cache: at least 1M",
		"[junk]\ncache = \"1024T\"":               "junk.cache: at most 1T",
		"[quarantine]\nsize = \"1\"":              "quarantine.size: at least 1M",
		"[trace]\nsize = \"1\"":                   "trace.size: at least 1M",
		"[audit]\nentries = 1":                    "audit.entries: at least 1000",
		"[audit]\nentries = 1000000000000":        "audit.entries: at most",
		"[reports]\nfailures_per_day = -1":        "reports.failures_per_day",
		"[imap]\nmessage_limit = 1":               "imap.message_limit",
		"[pop3]\nlogin_delay = \"-1s\"":           "pop3.login_delay",
		"[checks]\nmessages_per_minute = -2":      "checks.messages_per_minute",
		"[limits.account]\nmessages_per_day = -2": "limits.account.messages_per_day",
	} {
		if _, err := Parse([]byte(text)); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{ // zeros that mean something
		"[imap]\nmessage_limit = 0", "[pop3]\nlogin_delay = \"0s\"", "[dkim]\nrotate = \"0s\"", "[accounts]\nkeep_expunged = \"0s\"",
		"[quarantine]\nsize = \"1024T\"", "[trace]\nkeep = \"100000d\"", "[[checks.dnsbl]]\nzone = \"zen.example.org\"\nscore = 0",
	} {
		if _, err := Parse([]byte("hostname = \"mail.example.org\"\n" + text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
