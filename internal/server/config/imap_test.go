package config

import (
	"strings"
	"testing"
)

func TestIMAPSettings(t *testing.T) {
	for _, good := range []IMAPEntries{{}, {Admin: "mailto:it@example.org", Comment: "two\nlines"}, {Admin: "tel:+431234567"}, {Admin: "https://example.org/help"},
		{MessageLimit: 1000}, {MessageLimit: 10_000}} {
		if err := good.validate(); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range []IMAPEntries{{Admin: "it@example.org"}, {Admin: "mailto:"}, {Admin: ":"}, {Admin: "tel:" + strings.Repeat("1", 1000)},
		{Comment: strings.Repeat("a", 10_001)}, {Comment: "a\x00"}, {MessageLimit: -1}, {MessageLimit: 999}, {MessageLimit: 10_001}} {
		if bad.validate() == nil {
			t.Errorf("%.50v is taken", bad)
		}
	}
}
