package features

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

// parse makes of a text what Extract takes.
func parse(raw string) *Message {
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	p := message.NewParser(message.Limits{})
	p.Write([]byte(raw))
	s := p.Finish()
	return &Message{Summary: summary.Make(s, ""), Body: strings.NewReader(raw)}
}

// names are the names of all features of a message.
func names(m *Message) []string {
	x := New()
	return x.Name(m, x.Extract(m))
}

// TestNames: whatever is a feature has a name, so that every score can be explained.
func TestNames(t *testing.T) {
	files, _ := filepath.Glob("../../../format/message/testdata/*.eml")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ns := names(parse(strings.ReplaceAll(string(b), "\r\n", "\n")))
		if len(ns) < 20 || slices.Contains(ns, "") {
			t.Errorf("%s: %q", f, ns)
		}
	}
}
