// Package docs holds the documents, and the tests that they tell the truth about
// what there is.
package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packagesOf says where the tests of a conformance table are.
var packagesOf = map[string][]string{
	"smtp.md": {"protocol/smtp", "server"}, "inbound.md": {"service/inbound", "service/sender/authres", "server", "protocol/smtp"}, "imap.md": {"protocol/imap", "server"}, "pop3.md": {"protocol/pop3", "service/maildrop", "server"},
	"certificates.md": {"service/acme", "server/certs", "server"},
	"autoconfig.md":   {"protocol/autoconfig", "../cmd/postroad", "service/setup", "server", "server/config"},
	"relay.md":        {"service/relay", "server"},
	"delivery.md":     {"service/delivery", "service/forward", "protocol/smtp", "server", "service/queue", "service/relay", "service/route", "service/outbound", "format/dsn"},
	"message.md":      {"format/message", "format/charset", "format/htmltext", "format/summary"},
	"signing.md":      {"service/signing", "model/directory", "server", "../cmd/postroad"},
	"reports.md":      {"service/reports", "service/outbound", "service/relay", "service/sender/dmarc", "format/tlsrpt", "format/dmarcxml", "format/reportmail", "format/arf", "service/inbound", "service/delivery", "server", "server/admin"},
	"setup.md":        {"service/setup", "server", "../cmd/postroad"},
	"transport.md":    {"service/dns", "service/route", "service/mtasts", "service/dane", "service/outbound", "server"},
	"managesieve.md":  {"protocol/managesieve", "server"},
	"sieve.md":        {"service/sieve", "service/sieve/rules", "protocol/imap", "format/sieve", "service/delivery", "server", "model/mailbox"},
	"auth.md":         {"service/auth", "service/audit", "service/oidc", "service/oauth", "service/oauthclient", "service/fetch", "protocol/oauthweb", "model/directory", "format/address", "server", "../cmd/postroad"},
	"pages.md":        {"service/passkey", "service/auth", "protocol/selfweb", "protocol/oauthweb", "model/directory", "server", "server/config", "../cmd/postroad"},
	"queue.md":        {"service/queue", "service/outbound", "server", "../cmd/postroad"},
	"milter.md":       {"service/scan", "service/scan/milter", "server"},
	"sender.md":       {"service/sender", "service/sender/authres", "service/sender/dkim", "service/sender/spf", "service/sender/dmarc", "service/sender/arc"},
}

var quoted = regexp.MustCompile("`([^`]+)`")

// Each row of a conformance table that says yes or partly names tests, and they exist.
func TestConformanceTablesNameTestsThatExist(t *testing.T) {
	for table, packages := range packagesOf {
		text, err := os.ReadFile(filepath.Join("conformance", table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			columns := strings.Split(line, "|")
			if len(columns) != 6 || strings.HasPrefix(columns[1], " ---") || strings.TrimSpace(columns[3]) == "kept" {
				continue
			}
			checkRow(t, table, packages, strings.TrimSpace(columns[1]), strings.TrimSpace(columns[3]), columns[4])
		}
	}
}

// Each table is one of those that are checked, and in the list of them.
func TestConformanceTablesAreListed(t *testing.T) {
	list, err := os.ReadFile("conformance/README.md")
	if err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob("conformance/*.md")
	for _, f := range tables {
		name := filepath.Base(f)
		if name == "README.md" {
			continue
		}
		if packagesOf[name] == nil {
			t.Errorf("%s isn't checked", name)
		}
		if !bytes.Contains(list, []byte("]("+name+")")) {
			t.Errorf("%s isn't in the list", name)
		}
	}
}

// A heading stands behind an empty line.
func TestHeadings(t *testing.T) {
	files, _ := filepath.Glob("*.md")
	more, _ := filepath.Glob("*/*.md")
	for _, f := range append(append(files, more...), "../README.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if at := tightHeading.Find(text); at != nil {
			t.Errorf("%s: no empty line before %q", f, at)
		}
	}
}

var tightHeading = regexp.MustCompile(`[^\n]\n#{2,4} .*`)

func checkRow(t *testing.T, table string, packages []string, what, kept, tests string) {
	t.Helper()
	names := quoted.FindAllStringSubmatch(tests, -1)
	switch {
	case kept != "yes" && kept != "partly" && kept != "no":
		t.Errorf("%s: %s: kept is %q", table, what, kept)
	case kept == "yes" && len(names) == 0:
		t.Errorf("%s: %s: no test shows it", table, what)
	}
	for _, n := range names {
		if !exists(packages, n[1]) {
			t.Errorf("%s: %s: there is no %s", table, what, n[1])
		}
	}
}

// exists looks for a test function, a conversation, or a section of one.
func exists(packages []string, name string) bool {
	for _, p := range packages {
		dir := filepath.Join("..", "internal", filepath.FromSlash(p))
		if file, section, _ := strings.Cut(name, "#"); strings.HasSuffix(file, ".txt") {
			b, err := os.ReadFile(filepath.Join(dir, "testdata", file))
			if err == nil && (section == "" || bytes.Contains(b, []byte("== "+section+"\n"))) {
				return true
			}
			continue
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte("\nfunc "+name+"(")) {
				return true
			}
		}
	}
	return false
}

var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

// Links from one document to another lead somewhere.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("*/*.md")
	for _, f := range append(append(files, more...), "../README.md", "../CHANGELOG.md") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(b, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(f), string(m[1]))); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
}
