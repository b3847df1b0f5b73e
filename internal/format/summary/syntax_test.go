package summary

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// checkSyntax reads envelope, body structure and body by the grammar of RFC 9051 section 9, written down anew.
func checkSyntax(t *testing.T, r Record) {
	t.Helper()
	for name, check := range map[string]func(*grammar){
		string(r.Envelope()):      (*grammar).envelope,
		string(r.BodyStructure()): func(g *grammar) { g.body(true) },
		string(r.Body()):          func(g *grammar) { g.body(false) },
	} {
		g := &grammar{in: name}
		check(g)
		if g.err == "" && g.in != "" {
			g.err = "left over"
		}
		if g.err != "" {
			t.Fatalf("%s at %q of %q", g.err, g.in, name)
		}
	}
}

type grammar struct {
	in  string
	err string
}

func (g *grammar) fail(what string) {
	if g.err == "" {
		g.err = what
	}
}

func (g *grammar) at(s string) bool { return g.err == "" && strings.HasPrefix(g.in, s) }

func (g *grammar) want(s string) {
	if !g.at(s) {
		g.fail("no " + strconv.Quote(s))
		return
	}
	g.in = g.in[len(s):]
}

func (g *grammar) nstring() {
	if g.at("NIL") {
		g.want("NIL")
		return
	}
	g.str()
}

func (g *grammar) str() string {
	if g.at("{") {
		return g.literal()
	}
	g.want(`"`)
	var b strings.Builder
	for g.err == "" {
		if g.in == "" {
			g.fail("quoted string not closed")
			break
		}
		c := g.in[0]
		g.in = g.in[1:]
		switch {
		case c == '"':
			return b.String()
		case c == '\\':
			if g.in == "" || g.in[0] != '"' && g.in[0] != '\\' {
				g.fail("bad escape")
				return ""
			}
			c = g.in[0]
			g.in = g.in[1:]
		case c == 0 || c == '\r' || c == '\n' || c >= 0x80:
			g.fail("bad octet in quoted string")
		}
		b.WriteByte(c)
	}
	return ""
}

func (g *grammar) literal() string {
	var n int
	if _, err := fmt.Sscanf(g.in, "{%d}", &n); err != nil {
		g.fail("bad literal")
		return ""
	}
	g.want(fmt.Sprintf("{%d}\r\n", n))
	if g.err != "" || n > len(g.in) {
		g.fail("literal too long")
		return ""
	}
	s := g.in[:n]
	g.in = g.in[n:]
	if strings.IndexByte(s, 0) >= 0 {
		g.fail("NUL in literal")
	}
	return s
}

func (g *grammar) number() {
	n := 0
	for n < len(g.in) && g.in[n] >= '0' && g.in[n] <= '9' {
		n++
	}
	if n == 0 {
		g.fail("no number")
	}
	g.in = g.in[n:]
}

// envelope = "(" env-date SP env-subject SP env-from ... SP env-message-id ")"
func (g *grammar) envelope() {
	g.want("(")
	g.nstring()
	g.want(" ")
	g.nstring()
	for range 6 {
		g.want(" ")
		if g.at("NIL") {
			g.want("NIL")
			continue
		}
		g.want("(")
		g.address()
		for g.at("(") {
			g.address()
		}
		g.want(")")
	}
	g.want(" ")
	g.nstring()
	g.want(" ")
	g.nstring()
	g.want(")")
}

func (g *grammar) address() {
	g.want("(")
	g.nstring()
	for range 3 {
		g.want(" ")
		g.nstring()
	}
	g.want(")")
}

// body = "(" (body-type-1part / body-type-mpart) ")"
func (g *grammar) body(ext bool) {
	g.want("(")
	if g.at("(") {
		for g.at("(") {
			g.body(ext)
		}
		g.want(" ")
		g.str()
		if ext {
			g.want(" ")
			g.params()
			g.ext()
		}
	} else {
		g.onePart(ext)
	}
	g.want(")")
}

func (g *grammar) onePart(ext bool) {
	typ := strings.ToUpper(g.str())
	g.want(" ")
	sub := strings.ToUpper(g.str())
	g.want(" ")
	g.params()
	g.want(" ")
	g.nstring()
	g.want(" ")
	g.nstring()
	g.want(" ")
	g.str()
	g.want(" ")
	g.number()
	if typ == "MESSAGE" && (sub == "RFC822" || sub == "GLOBAL") {
		g.want(" ")
		g.envelope()
		g.want(" ")
		g.body(ext)
		g.want(" ")
		g.number()
	} else if typ == "TEXT" {
		g.want(" ")
		g.number()
	}
	if ext {
		g.want(" ")
		g.nstring()
		g.ext()
	}
}

func (g *grammar) params() {
	if g.at("NIL") {
		g.want("NIL")
		return
	}
	g.want("(")
	g.str()
	g.want(" ")
	g.str()
	for g.at(" ") {
		g.want(" ")
		g.str()
		g.want(" ")
		g.str()
	}
	g.want(")")
}

// ext is [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]], all of which we send.
func (g *grammar) ext() {
	g.want(" ")
	if g.at("(") {
		g.want("(")
		g.str()
		g.want(" ")
		g.params()
		g.want(")")
	} else {
		g.want("NIL")
	}
	g.want(" ")
	if g.at("(") {
		g.want("(")
		g.str()
		for g.at(" ") {
			g.want(" ")
			g.str()
		}
		g.want(")")
	} else {
		g.nstring()
	}
	g.want(" ")
	g.nstring()
}
