package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/mtasts"
)

// fetch asks for a path at a host, on a port of the server.
func fetch(t *testing.T, s *servertest.Server, port int, host, path string) (status int, body string) {
	t.Helper()
	trust := s.TrustingTLS()
	c := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trust.RootCAs, ServerName: trust.ServerName},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return s.Dial(port), nil }}}
	scheme := map[bool]string{true: "https://", false: "http://"}[port == servertest.HTTPS]
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestPolicyHost: each domain here has its policy, over HTTPS only, and strangers' domains have none (RFC 8461 §3.3).
func TestPolicyHost(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.MTASTS = config.MTASTS{Mode: config.Enforce, Domains: map[string]string{"new.test": config.Testing, "old.test": config.Off}, MX: []string{"mx2.example.net"}}
	}})
	for _, d := range []string{"new.test", "old.test"} {
		if err := s.Store().Admin.AddDomain(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for host, want := range map[string]string{
		"mta-sts.example.test":     "version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: mx2.example.net\r\nmax_age: 1209600\r\n",
		"MTA-STS.Example.Test:443": "version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: mx2.example.net\r\nmax_age: 1209600\r\n",
		"mta-sts.new.test":         "version: STSv1\r\nmode: testing\r\nmx: mail.example.test\r\nmx: mx2.example.net\r\nmax_age: 86400\r\n",
		"mta-sts.old.test":         "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n",
		"mta-sts.elsewhere.test":   "",
		"example.test":             "",
		"mail.example.test":        "",
		"mta-sts.":                 "",
	} {
		status, body := fetch(t, s, servertest.HTTPS, host, mtasts.Path)
		if want == "" && status != http.StatusNotFound || want != "" && (status != http.StatusOK || body != want) {
			t.Errorf("%s: %d %q", host, status, body)
		}
	}
	if status, _ := fetch(t, s, servertest.HTTP, "mta-sts.example.test", mtasts.Path); status != http.StatusNotFound {
		t.Errorf("over plain HTTP: %d", status)
	}
}

// TestPolicyBehindAWebServer: who ends TLS in front of us comes to loopback.
func TestPolicyBehindAWebServer(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.Listen = []config.Listener{{Protocol: config.HTTP, Address: "mem:80", TLS: config.NoTLS}}
	}})
	here := httptest.NewServer(s.PolicyHost())
	defer here.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, here.URL+mtasts.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "mta-sts.example.test"
	resp, err := here.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(string(b), "mode: testing\r\n") {
		t.Errorf("%d %q", resp.StatusCode, b)
	}
}

// TestPublishedPolicyIsTheServedOne: the record's id is that of what is fetched, also after the settings have changed.
func TestPublishedPolicyIsTheServedOne(t *testing.T) {
	var ids []string
	for _, mode := range []string{config.Testing, config.Enforce} {
		s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.MTASTS.Mode = mode }})
		_, body := fetch(t, s, servertest.HTTPS, "mta-sts."+servertest.Domain, mtasts.Path)
		served, err := mtasts.ParsePolicy([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		records, err := s.Store().Admin.DomainRecords(t.Context(), admin.RecordsQuery{Domain: servertest.Domain})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if strings.HasPrefix(r.Name, "_mta-sts.") {
				ids = append(ids, r.Value)
				if r.Value != served.Record() {
					t.Errorf("published %q, served %q", r.Value, served.Record())
				}
			}
		}
	}
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("ids %q", ids)
	}
}
