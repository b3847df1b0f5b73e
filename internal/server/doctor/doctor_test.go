package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroad/internal/service/certtest"
	"postroad/internal/service/setup"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// healthy is a server with which all is well, whose only listener speaks TLS with a certificate until then.
func healthy(t *testing.T, until time.Time) *Patient {
	t.Helper()
	data := t.TempDir()
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, roots := certificate(t, until)
	return &Patient{
		Hostname: "mail.example.org", Now: func() time.Time { return now }, Data: data, Roots: roots,
		Space:       func(string) (uint64, uint64, error) { return 100 << 30, 200 << 30, nil },
		Files:       func() (uint64, error) { return 1 << 20, nil },
		Connections: 10_000,
		Doors:       []Door{{Protocol: "imap", Network: "tcp", Address: "127.0.0.1:993", TLS: true, Greets: true}},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				c := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}})
				c.Write([]byte("* OK hello\r\n"))
				c.Close()
			}()
			return ours, nil
		},
		Queue:   func(context.Context) (Queue, error) { return Queue{Waiting: 3, Oldest: now.Add(-time.Hour)}, nil },
		Held:    func(context.Context) ([]string, error) { return nil, nil },
		Backup:  func(context.Context) (time.Time, error) { return now.Add(-24 * time.Hour), nil },
		Resolve: func(context.Context) (int, bool, error) { return 2, true, nil },
		Domains: func(context.Context) ([]string, error) { return []string{"example.org"}, nil },
		Domain:  func(context.Context, string) (setup.Report, error) { return setup.Report{}, nil },
	}
}

// certificate makes one for mail.example.org, and the authority's pool.
func certificate(t *testing.T, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	ca := certtest.Issue(t, x509.Certificate{NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0), IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	c := certtest.Issue(t, x509.Certificate{NotBefore: now.AddDate(0, -1, 0), NotAfter: until, DNSNames: []string{"mail.example.org"}}, &ca)
	c.Certificate = append(c.Certificate, ca.Leaf.Raw)
	return c, certtest.Roots(ca)
}

func TestExamine(t *testing.T) {
	broken := errors.New("broken")
	valid := now.AddDate(0, 2, 0)
	for _, c := range []struct {
		name    string
		until   time.Time
		change  func(*Patient)
		level   setup.Level
		topic   string
		mention string
	}{
		{"little room", valid, func(p *Patient) { p.Space = func(string) (uint64, uint64, error) { return 9 << 30, 200 << 30, nil } }, setup.Warn, "disk", "9 GiB of 200"},
		{"little room on a small disk", valid, func(p *Patient) { p.Space = func(string) (uint64, uint64, error) { return 5 << 30, 20 << 30, nil } }, setup.OK, "disk", ""},
		{"no room", valid, func(p *Patient) { p.Space = func(string) (uint64, uint64, error) { return 999 << 20, 20 << 30, nil } }, setup.Wrong, "disk", "only 999 MiB"},
		{"unknown room", valid, func(p *Patient) { p.Space = func(string) (uint64, uint64, error) { return 0, 0, broken } }, setup.Warn, "disk", "broken"},
		{"open folder", valid, func(p *Patient) { os.Chmod(p.Data, 0o750) }, setup.Wrong, "secrets", "mode 750"},
		{"open token", valid, func(p *Patient) {
			p.Secrets = []string{filepath.Join(p.Data, "token")}
			os.WriteFile(p.Secrets[0], nil, 0o644)
		}, setup.Wrong, "secrets", "mode 644"},
		{"few files", valid, func(p *Patient) { p.Files = func() (uint64, error) { return 1024, nil } }, setup.Warn, "limits", "1024 files"},
		{"closed door", valid, func(p *Patient) {
			p.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, broken }
		}, setup.Wrong, "listeners", "imap at 127.0.0.1:993 doesn't answer: broken"},
		{"silent door", valid, func(p *Patient) {
			p.Doors[0].TLS = false
			p.Dial = func(context.Context, string, string) (net.Conn, error) { a, b := net.Pipe(); b.Close(); return a, nil }
		}, setup.Wrong, "listeners", "says nothing"},
		{"unknown authority", valid, func(p *Patient) { p.Roots = x509.NewCertPool() }, setup.Wrong, "certificate", "don't trust"},
		{"other name", valid, func(p *Patient) { p.Hostname = "mx.example.org" }, setup.Wrong, "certificate", "don't trust"},
		{"expired", now.Add(-time.Second), func(*Patient) {}, setup.Wrong, "certificate", "expired"},
		{"expires soon", now.Add(soon - time.Second), func(*Patient) {}, setup.Warn, "certificate", "it expires on 2026-12-06"},
		{"expires later", now.Add(soon), func(*Patient) {}, setup.OK, "certificate", ""},
		{"no DNS", valid, func(p *Patient) { p.Resolve = func(context.Context) (int, bool, error) { return 0, false, broken } }, setup.Wrong, "dns", "broken"},
		{"not in the DNS", valid, func(p *Patient) { p.Resolve = func(context.Context) (int, bool, error) { return 0, true, nil } }, setup.Wrong, "dns", "no addresses"},
		{"not validated", valid, func(p *Patient) { p.Resolve = func(context.Context) (int, bool, error) { return 1, false, nil } }, setup.Warn, "dns", "isn't validated"},
		{"offline", valid, func(p *Patient) { p.Resolve = nil }, setup.Warn, "dns", "off the network"},
		{"late mail", valid, func(p *Patient) {
			p.Queue = func(context.Context) (Queue, error) { return Queue{Waiting: 7, Oldest: now.Add(-25 * time.Hour)}, nil }
		}, setup.Warn, "queue", "mail for 7 recipients waits, the oldest for 25 hours"},
		{"held mail", valid, func(p *Patient) {
			p.Queue = func(context.Context) (Queue, error) { return Queue{Waiting: 7, Held: 2}, nil }
		}, setup.Warn, "queue", "2 recipients is held"},
		{"held account", valid, func(p *Patient) { p.Held = func(context.Context) ([]string, error) { return []string{"ann@x"}, nil } }, setup.Warn, "accounts", "ann@x"},
		{"certificates", valid, func(p *Patient) { p.Certificates = func() []string { return nil } }, setup.OK, "certificates", "all names"},
		{"no certificate", valid, func(p *Patient) { p.Certificates = func() []string { return []string{"a.x (no address)"} } }, setup.Warn, "certificates", "none for a.x (no address)"},
		{"never backed up", valid, func(p *Patient) { p.Backup = func(context.Context) (time.Time, error) { return time.Time{}, nil } }, setup.Warn, "backup", "none was ever"},
		{"old backup", valid, func(p *Patient) {
			p.Backup = func(context.Context) (time.Time, error) { return now.AddDate(0, 0, -8), nil }
		}, setup.Warn, "backup", "2026-11-14"},
		{"no domain", valid, func(p *Patient) { p.Domains = func(context.Context) ([]string, error) { return nil, nil } }, setup.Wrong, "domains", "no domain"},
		{"a domain that is wrong", valid, func(p *Patient) {
			p.Domain = func(context.Context, string) (setup.Report, error) {
				return setup.Report{Findings: []setup.Finding{{Level: setup.Wrong}, {Level: setup.Warn}}}, nil
			}
		}, setup.Wrong, "domains", "example.org: 1 wrong, and 1 that could be better"},
		{"many domains", valid, func(p *Patient) {
			p.Domains = func(context.Context) ([]string, error) { return make([]string, maxDomains+2), nil }
		}, setup.Warn, "domains", "2 domains were not looked at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := healthy(t, c.until)
			c.change(p)
			wrong := 0
			fits := false
			for _, f := range Examine(t.Context(), *p) {
				fits = fits || f.Level == c.level && f.Topic == c.topic && strings.Contains(f.Text, c.mention)
				if f.Level != setup.OK {
					wrong++
				}
			}
			want := 1
			if c.level == setup.OK {
				want = 0
			}
			if !fits || wrong != want {
				t.Errorf("found %+v", Examine(t.Context(), *p))
			}
		})
	}
}
