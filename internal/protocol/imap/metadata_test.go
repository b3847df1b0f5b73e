package imap

import (
	"fmt"
	"strings"
	"testing"
)

// There is a limit to annotations (RFC 5464 §4.3), and they may be as many as it says.
func TestTooManyAnnotations(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	for from := 0; from < maxAnnotations; from += 500 {
		var b strings.Builder
		for i := range 500 {
			fmt.Fprintf(&b, "/shared/n%d NIL /private/n%d \"x\" ", from+i, from+i)
		}
		c.ok("SETMETADATA INBOX (" + strings.TrimSpace(b.String()) + ")")
	}
	if _, done := c.do(`SETMETADATA INBOX (/private/more "x")`); !strings.HasPrefix(done, "NO [METADATA TOOMANY]") {
		t.Error(done)
	}
	c.ok(`SETMETADATA INBOX (/private/n0 NIL /private/more "x")`)
	value := strings.Repeat("x", maxAnnotation)
	for i := 0; ; i++ {
		_, done := c.do(fmt.Sprintf("SETMETADATA Drafts (/shared/n%d {%d+}\r\n%s)", i, len(value), value))
		if strings.HasPrefix(done, "NO [METADATA TOOMANY]") && i > 1 {
			break
		}
		if !strings.HasPrefix(done, "OK") || i > 20 {
			t.Fatal(i, done)
		}
	}
}

// Filters that lead to many others end before they fill anything.
func TestFiltersDontMultiply(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	for i := range 20 {
		c.ok(fmt.Sprintf(`SETMETADATA "" (/private/filters/values/f%d "%s")`, i, strings.TrimSpace(strings.Repeat(fmt.Sprintf("FILTER f%d ", i+1), 1000))))
	}
	c.ok("SELECT INBOX")
	if _, done := c.do("SEARCH FILTER f0"); !strings.HasPrefix(done, "NO [UNDEFINED-FILTER") {
		t.Error(done)
	}
}

// TestServerEntries: RFC 5464 §3.2.1.1. What the administrator has set can be read, and not be changed.
func TestServerEntries(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Admin, c.Comment = "tel:+431234567", "Closed on Sundays." })
	c := w.user("ann")
	if lines := c.ok(`GETMETADATA "" (/shared/admin /shared/comment)`); lines[0] != `* METADATA "" (/shared/admin "tel:+431234567" /shared/comment "Closed on Sundays.")` {
		t.Errorf("%q", lines)
	}
	if lines := c.ok(`GETMETADATA (MAXSIZE 15 DEPTH 1) "" /shared`); lines[0] != `* METADATA "" (/shared/admin "tel:+431234567")` {
		t.Errorf("%q", lines)
	}
	for _, entry := range []string{"admin", "comment"} {
		if _, r := c.do(`SETMETADATA "" (/shared/` + entry + ` "x")`); !strings.HasPrefix(r, "NO [NOPERM]") {
			t.Error(r)
		}
	}
}
