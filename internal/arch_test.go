package internal

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the house, ground floor first: a package may import packages of
// the layers below its own.
var layers = []string{"fault", "format", "storage", "model", "service", "protocol", "server", "cmd"}

// neighbours lists the imports allowed inside a layer, each with its reason.
// A package may always import packages below its own folder and its parents' contract.
var neighbours = map[string][]string{
	"format/message":     {"format/charset", "format/htmltext"},                                                   // decodes text
	"format/summary":     {"format/message", "format/charset", "format/record"},                                   // describes a parsed message, as a record
	"format/dsn":         {"format/message"},                                                                      // composes a message
	"format/reportmail":  {"format/message"},                                                                      // composes a message, and looks into one
	"format/arf":         {"format/message"},                                                                      // likewise
	"format/archive":     {"format/charset"},                                                                      // decodes names
	"format/footer":      {"format/message", "format/charset", "format/htmltext"},                                 // writes below a parsed message
	"storage/blob":       {"storage/kv"},                                                                          // keeps bytes in the kv, in chunks
	"model/mailbox":      {"model/ident"},                                                                         // identities act on accounts
	"model/directory":    {"model/ident"},                                                                         // gives identities
	"service/auth":       {"service/peer", "service/passkey"},                                                     // counts by client, and takes passkeys
	"service/oidc":       {"service/auth", "service/webjson"},                                                     // tells it whose tokens are, and asks for them
	"service/oauth":      {"service/auth"},                                                                        // likewise, and its own
	"service/acme":       {"service/dns"},                                                                         // answers challenges in the DNS
	"service/trace":      {"service/transfer"},                                                                    // remembers outcomes
	"service/queue":      {"service/transfer", "service/trace"},                                                   // when to pass mail on
	"service/relay":      {"service/transfer"},                                                                    // and how
	"service/route":      {"service/transfer", "service/dns", "service/mtasts", "service/dane"},                   // and where to
	"service/outbound":   {"service/transfer", "service/route", "service/relay", "service/dns", "service/mtasts"}, // joins the two, and tells which policies failed
	"service/delivery":   append([]string{"service/transfer", "service/trace", "service/forward"}, filters...),    // what goes elsewhere, and what filters decide
	"service/crowd":      {"service/peer"},                                                                        // counts clients
	"service/talk":       {"service/auth", "service/crowd", "service/peer"},                                       // a connection, with its place and its client
	"service/imapclient": {"service/dialer"},                                                                      // speaks over a connection
	"service/pop3client": {"service/dialer"},                                                                      // likewise
	"service/move":       {"service/imapclient", "service/maildrop"},                                              // asks another server, and brings unique IDs along
	"service/junk":       {"service/delivery", "service/sender/authres"},                                          // judges what is delivered, and reads what was found out about its sender
	"service/reports":    {"service/dns", "service/sender/dmarc"},
	"service/sender":     {"service/sender/authres", "service/sender/dkim", "service/dns"},                                                                                                    // its checks share words for results and parts of DKIM, and ask the DNS
	"service/inbound":    {"service/sender", "service/sender/authres", "service/sender/dmarc", "service/sender/spf", "service/sender/arc", "service/dns", "service/peer", "service/delivery"}, // judges senders, by client, and tells delivery
	"service/setup":      {"service/dns", "service/mtasts", "service/dane", "service/sender", "service/sender/authres", "service/sender/dkim", "service/sender/dmarc", "service/sender/spf"},  // sees a domain as others do
	"service/signing":    {"service/delivery", "service/transfer", "service/sender/dkim", "service/sender/arc", "service/sender/authres"},                                                     // signs what delivery lets go
	"service/dane":       {"service/dns"},                                                                                                                                                     // matches records of the DNS
	"service/mtasts":     {"service/dns"},                                                                                                                                                     // finds policies by the DNS
	"server/servertest":  {"server/config", "server/admin"},                                                                                                                                   // configures what it starts, and adds accounts

	"service/quarantine":  {"service/transfer"}, // keeps envelopes
	"service/oauthclient": {"service/webjson"},  // asks providers
	// asks other servers, and their providers of tokens
	"service/fetch": {"service/dialer", "service/imapclient", "service/pop3client", "service/move", "service/oauthclient", "service/turns"},
}

// filters are what delivery asks for people's own rules, and what other programs say of messages.
var filters = []string{"service/policy", "service/sieve", "service/sieve/rules", "service/scan"}

// forbidden modules, each with its reason.
var forbidden = map[string]string{
	"github.com/stretchr/testify": "tests use the standard library and go-cmp",
	"log":                         "logging is log/slog's",
}

func TestImportsPointDownward(t *testing.T) {
	for file, imports := range imports(t, "..") {
		from := packageOf(file)
		for _, imp := range imports {
			if why, bad := forbidden[imp]; bad {
				t.Errorf("%s imports %s: %s", file, imp, why)
			}
			to, ours := strings.CutPrefix(imp, "postroad/internal/")
			test := strings.HasSuffix(file, "_test.go") || strings.HasSuffix(from, "test") // a package for tests is like one
			if ours && !allowed(from, to, test) {
				t.Errorf("%s: %s must not import %s", file, from, to)
			}
		}
	}
}

func allowed(from, to string, test bool) bool {
	f, t := layer(from), layer(to)
	switch {
	case f < 0 || t < 0:
		return false
	case t < f, from == to:
		return true
	case t > f:
		return false
	case test, family(from) == family(to), strings.HasPrefix(from, to+"/"), strings.HasPrefix(to, from+"/"):
		return true // tests may use a neighbour; a package and its sub-packages are one idea
	}
	for pkg := from; pkg != "."; pkg = path.Dir(pkg) { // a sub-package may what its parents may
		if slices.Contains(neighbours[pkg], to) {
			return true
		}
	}
	return false
}

// family is a package with its sub-packages: "service/sender" of "service/sender/dkim".
func family(pkg string) string {
	parts := strings.SplitN(pkg, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func layer(pkg string) int {
	first, _, _ := strings.Cut(pkg, "/")
	for i, l := range layers {
		if l == first {
			return i
		}
	}
	return -1
}

func packageOf(file string) string {
	dir := path.Dir(file)
	return strings.TrimPrefix(dir, "internal/")
}

// imports maps each Go file below root to what it imports.
func imports(t *testing.T, root string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, top := range []string{"internal", "cmd"} {
		err := fs.WalkDir(os.DirFS(root), top, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || path.Dir(p) == "internal" {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, p), nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			all[p] = []string{}
			for _, s := range f.Imports {
				v, _ := strconv.Unquote(s.Path.Value)
				all[p] = append(all[p], v)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestOnePackageComment holds the rule that each package says once what it is for.
func TestOnePackageComment(t *testing.T) {
	docs := map[string][]string{}
	for file := range imports(t, "..") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(file)
		if f.Doc != nil {
			docs[dir] = append(docs[dir], file)
		} else if docs[dir] == nil {
			docs[dir] = []string{}
		}
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("%s has %d package comments: %v", dir, len(files), files)
		}
	}
}
