package sender_test

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

// TestHostileHeaders: headers as large as may be, made to be slow, take a moment and no more: each of
// them would take minutes if time grew with the square of its length.
func TestHostileHeaders(t *testing.T) {
	w := world(t)
	many := func(line string) string { return strings.Repeat(line, (dkim.MaxHeader-1000)/len(line)) }
	var sets strings.Builder
	for i := range 50 {
		fmt.Fprintf(&sets, "ARC-Seal: i=%d; a=ed25519-sha256; cv=pass; d=list.example; s=s; b=AAAA\r\n", i+1)
		fmt.Fprintf(&sets, "ARC-Message-Signature: i=%d; a=ed25519-sha256; d=list.example; s=s; l=%d; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n", i+1, i)
		fmt.Fprintf(&sets, "ARC-Authentication-Results: i=%d; x; none\r\n", i+1)
	}
	for name, header := range map[string]string{
		"many addresses":  "From: " + many("a@example.com,") + "\r\n",
		"one word":        "From: " + many("a") + "\r\n",
		"nested comments": "From: " + many("(") + "\r\n",
		"quotes":          "From: " + many(`"\`) + "\r\n",
		"many folds":      "From: " + many("\r\n ") + "x@example.com\r\n",
		"many From":       many("From: a@example.com\r\n"),
		"many signatures": many("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=x; b=x\r\n"),
		"many tags":       "DKIM-Signature: " + many("a=b;") + "\r\n",
		"many sets":       strings.Replace(sets.String(), "cv=pass", "cv=none", 1) + "From: ann@example.com\r\n",
		"many seals":      many("ARC-Seal: i=1;\r\n"),
		"no fields":       many("x\r\n"),
		"empty names":     many(":\r\n"),
	} {
		v := verdict(t, w, ours, header+"\r\n"+strings.Repeat("\r\n \r", 10000))
		if _, err := authres.Parse(v.Results().Value()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
