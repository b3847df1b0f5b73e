package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	wire "github.com/miekg/dns"

	"postroad/internal/server/admin"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/setup"
)

// withDNS makes an installation that asks the given DNS server.
func withDNS(t *testing.T, server string) shell {
	s := newShell(t)
	f, err := os.OpenFile(s.args[1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "[dns]\nservers = [%q]\n", server)
	return s
}

// publish publishes what a command says.
func publish(t *testing.T, world *dnstest.World, zone string) {
	t.Helper()
	p := wire.NewZoneParser(strings.NewReader(zone), ".", "")
	n := 0
	for _, ok := p.Next(); ok; _, ok = p.Next() {
		n++
	}
	if p.Err() != nil || n < 10 {
		t.Fatalf("%d records, %v, in\n%s", n, p.Err(), zone)
	}
	world.Add(t, zone)
}

// TestDomainRecordsAndCheck: what one command says to publish, the other finds, on a stopped server and on a running one.
func TestDomainRecordsAndCheck(t *testing.T) {
	world := dnstest.New(t, "1.2.0.192.in-addr.arpa. PTR mail.example.test.")
	world.Secure("test")
	dns := world.Serve(t)[0].Addr.String()
	s := withDNS(t, dns)
	where := []string{"example.test", "--offline", "--public-ip", "192.0.2.1"}
	check := append([]string{"domain", "check", "--blocklist", "none"}, where...)
	status, out, err := s.try("", check...)
	if status != exitProblems || !strings.Contains(out, "wrong  mx ") || !strings.Contains(out, "then publish: example.test. MX 10 mail.example.test.\n") || err != "" {
		t.Errorf("exit %d: %s%s", status, out, err)
	}
	publish(t, world, s.do("", append([]string{"domain", "records", "--zone"}, where...)...))
	out = s.do("", check...)
	if !strings.HasPrefix(out, "example.test at mail.example.test (192.0.2.1)\n\nok     host ") || !strings.Contains(out, "\n0 wrong, 2 warnings, ") {
		t.Error(out) // no server has run yet, which makes the certificate; and no key is in use
	}
	if status, _, _ := s.try("", append(check, "--strict")...); status != exitProblems {
		t.Errorf("strict: exit %d", status)
	}
	var report admin.DomainReport
	if err := json.Unmarshal([]byte(s.do("", append([]string{"--json"}, check...)...)), &report); err != nil || report.Count(setup.OK) < 10 {
		t.Errorf("%v %+v", err, report)
	}

	p := install(t)
	settings, err2 := os.OpenFile(p.path("postroad.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err2 != nil {
		t.Fatal(err2)
	}
	fmt.Fprintf(settings, "[dns]\nservers = [%q]\n", dns)
	settings.Close()
	p.start()
	running, _ := p.command(check...).CombinedOutput() // its keys are others than those published
	if !strings.Contains(string(running), "\nwrong  dkim ") || !strings.Contains(string(running), "\nok     mx ") {
		t.Errorf("%s", running)
	}
	if out := p.must("", append([]string{"domain", "records"}, where...)...); !strings.Contains(out, "\n  example.test.  MX\n  10 mail.example.test.\n      Mail for example.test goes to this server.\n") {
		t.Error(out)
	}
}

func TestDomainCheckSaysWhatIsWrong(t *testing.T) {
	s := withDNS(t, "127.0.0.1:1") // nobody is there
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"domain check example.test --public-ip 192.0.2.1", exitProblems, "wrong  dns          no DNS server answers"},
		{"domain check elsewhere.test", exitFailed, "not served here"},
		{"domain check example.test --public-ip here", exitFailed, "not an IP address"},
		{"domain check example.test --probe a..b", exitFailed, "not a domain"},
		{"domain check", exitUsage, "<domain>"},
		{"domain records elsewhere.test", exitFailed, "not served here"},
		{"--json domain records example.test --zone", exitFailed, "not both"},
	} {
		status, out, err := s.try("", strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(out+err, c.want) {
			t.Errorf("%s: exit %d, want %d ...%s: %s%s", c.args, status, c.status, c.want, out, err)
		}
	}
}

// TestReportForPeople: the form, in which texts of strangers stay on their line.
func TestReportForPeople(t *testing.T) {
	var out bytes.Buffer
	printReport(terminal{out: &out}, &admin.DomainReport{Domain: "example.org", Hostname: "mail.example.org", Findings: []setup.Finding{
		{Topic: "mx", Level: setup.OK, Text: "fine"}, {Topic: "port 25 out", Level: setup.Warn, Text: "bell \a and \x1b[2J", Fix: "turn\u202e\n it off"},
	}})
	const want = "example.org at mail.example.org (address unknown)\n\nok     mx           fine\nwarn   port 25 out  bell ? and ?[2J\n" +
		"                 -> turn?? it off\n\n0 wrong, 1 warning, 1 ok\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	printRecords(terminal{out: &out}, "example.org", []admin.DomainRecord{{Name: "x.\x1b.", Type: "TXT", Value: "a\rb", Need: setup.Needed, Why: strings.Repeat("word ", 40), Elsewhere: true}})
	for line := range strings.Lines(out.String()) {
		if strings.ContainsAny(line, "\x1b\r") || len(line) > 180 {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(out.String(), "say --public-ip ADDRESS") || !strings.Contains(out.String(), "not in the domain's own zone") {
		t.Error(out.String())
	}
}
