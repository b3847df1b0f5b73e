package server_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/setup"
)

const ourIP = "192.0.2.1"

// TestDomainOfARunningServer: what the server says to publish, once it is published, is what it finds to be right.
func TestDomainOfARunningServer(t *testing.T) {
	world := dnstest.New(t, "1.2.0.192.in-addr.arpa. PTR mail.example.test.")
	world.Secure("test")
	var s *servertest.Server
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		if host, port, _ := net.SplitHostPort(address); host == ourIP {
			return s.Network.Dial(ctx, "mem:"+port)
		}
		return nil, syscall.ECONNREFUSED
	}
	s = servertest.Start(t, servertest.Options{DNS: world, Dial: dial})
	advice := s.Store().Admin

	q := admin.RecordsQuery{Domain: "Example.Test", PublicIPs: []string{ourIP}}
	records, err := advice.DomainRecords(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var zone strings.Builder
	if err := setup.WriteZone(&zone, servertest.Domain, records); err != nil {
		t.Fatal(err)
	}
	world.Add(t, zone.String())
	report, err := advice.CheckDomain(t.Context(), admin.CheckQuery{RecordsQuery: q, Blocklists: []string{}, Probe: "nowhere.test"})
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, f := range report.Findings {
		if f.Level != setup.OK {
			bad = append(bad, string(f.Level)+" "+f.Topic+": "+f.Text)
		}
	}
	// The certificate is self-signed, no key was taken into use yet, and there is nobody to probe.
	want := []string{"warn certificate: the certificate is self-signed", "warn dkim: no key is in use yet", "wrong mta-sts: the record says",
		"wrong autoconfig: programs are warned of https://autoconfig.", "wrong autoconfig: programs are warned of https://autodiscover.", "warn port 25 out: whether mail can leave isn't known"}
	if !slices.EqualFunc(bad, want, strings.HasPrefix) {
		t.Errorf("%s\nof\n%+v", strings.Join(bad, "\n"), report.Findings)
	}
	if !slices.Equal(report.Addresses, []string{ourIP}) || report.Hostname != servertest.Hostname || report.Domain != servertest.Domain {
		t.Errorf("%+v", report)
	}
}

func TestWhatCannotBeChecked(t *testing.T) {
	off := servertest.Start(t, servertest.Options{}).Store().Admin
	if _, err := off.CheckDomain(t.Context(), admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: servertest.Domain}}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("off the network: %v", err)
	}
	on := servertest.Start(t, servertest.Options{DNS: dnstest.New(t, ""), Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }}).Store().Admin
	for name, c := range map[string]struct {
		q    admin.CheckQuery
		want fault.Kind
	}{
		"strange domain": {admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: "elsewhere.test"}}, fault.NotFound},
		"no domain":      {admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: "a b"}}, fault.Invalid},
		"no address":     {admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: servertest.Domain, PublicIPs: []string{"192.0.2"}}}, fault.Invalid},
		"with a zone":    {admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: servertest.Domain, PublicIPs: []string{"fe80::1%eth0"}}}, fault.Invalid},
		"no list":        {admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: servertest.Domain}, Blocklists: []string{"a b"}}, fault.Invalid},
		"no probe":       {admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: servertest.Domain}, Probe: "-_-!"}, fault.Invalid},
	} {
		if _, err := on.CheckDomain(t.Context(), c.q); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := on.DomainRecords(t.Context(), admin.RecordsQuery{Domain: "elsewhere.test"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("records of a strange domain: %v", err)
	}
}

// TestHostnameMustBeComplete: what nobody can find isn't to be published.
func TestHostnameMustBeComplete(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Hostname = "mailbox" }})
	_, err := s.Store().Admin.DomainRecords(t.Context(), admin.RecordsQuery{Domain: servertest.Domain})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), "like mail.example.test") {
		t.Error(err)
	}
}

// TestRecordsFollowTheSettings: ports, smart hosts and names are those of the settings.
func TestRecordsFollowTheSettings(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.Listen = []config.Listener{
			{Protocol: config.SMTP, Address: "mem:25", TLS: config.StartTLS}, {Protocol: config.IMAP, Address: "mem:1993", TLS: config.Implicit},
			{Protocol: config.IMAP, Address: "127.0.0.1:143", TLS: config.StartTLS}, {Protocol: config.POP3, Address: "mem:110", TLS: config.NoTLS},
			{Protocol: config.ManageSieve, Address: "mem:4190", TLS: config.StartTLS},
		}
		c.Sending.Names = map[string]string{ourIP: "out.example.test"}
	}})
	records, err := s.Store().Admin.DomainRecords(t.Context(), admin.RecordsQuery{Domain: servertest.Domain, PublicIPs: []string{ourIP}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"_imaps._tcp.example.test.": "0 1 1993 mail.example.test.", "_imap._tcp.example.test.": "0 0 0 .", "_pop3._tcp.example.test.": "0 0 0 .", "_sieve._tcp.example.test.": "0 1 4190 mail.example.test.",
		"1.2.0.192.in-addr.arpa.": "out.example.test.",
	} {
		i := slices.IndexFunc(records, func(r setup.Record) bool { return r.Name == name })
		if i < 0 || records[i].Value != want {
			t.Errorf("%s: %+v", name, records)
		}
	}
}
