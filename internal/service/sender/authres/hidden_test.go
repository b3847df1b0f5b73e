package authres

import (
	"strings"
	"testing"
)

// TestHiddenClaims: no comment hides whom results are said to be of.
func TestHiddenClaims(t *testing.T) {
	const ours = "mx.example.org; dmarc=pass header.from=bank.example\r\n"
	for name, before := range map[string]string{
		"nothing": "", "a comment": "(x) ", "deep": strings.Repeat("(", maxDepth+1) + strings.Repeat(")", maxDepth+1) + " ", "long": "(" + strings.Repeat("x", MaxField) + ") ", "blanks": strings.Repeat("\r\n ", MaxField),
	} {
		if !claims([]byte("Authentication-Results: "+before+ours), []string{"mx.example.org"}) {
			t.Errorf("%s: it stays", name)
		}
	}
	if claims([]byte("Authentication-Results: (x) mx.example.com; dmarc=pass\r\n"), []string{"mx.example.org"}) {
		t.Error("another's is taken out")
	}
}
