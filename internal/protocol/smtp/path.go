package smtp

import (
	"bytes"
	"errors"
	"net/netip"
	"unicode/utf8"
)

// Limits of RFC 5321 §4.5.3.1, in octets.
const (
	maxLocalPart = 64
	maxDomain    = 255
	maxPath      = 256
	maxLabel     = 63 // RFC 1035 §2.3.4
)

var (
	errPathSyntax = errors.New("path syntax")
	errPathLength = errors.New("path too long")
)

// path is a reverse- or forward-path (RFC 5321 §4.1.2), source route dropped.
type path struct {
	// mailbox is what stands between the brackets, quoted only where that is needed.
	// Empty: the null path "<>". Without "@": "postmaster".
	mailbox string
	// ascii is false if the mailbox needs SMTPUTF8.
	ascii bool
}

// parsePath reads a path at the start of b, up to a space or the end, and
// returns what follows. One space before the path is let pass.
//
// Deviation: "MAIL FROM: <a@b>" isn't in the grammar, but enough programs say it
// (RFC 5321 §3.3 names it as a common error) and nothing is ambiguous about it.
func parsePath(b []byte) (p path, rest []byte, err error) {
	b = bytes.TrimPrefix(b, []byte{' '})
	if len(b) == 0 || b[0] != '<' {
		return path{}, nil, errPathSyntax
	}
	g := grammar{b: b, pos: 1, ascii: true}
	if g.skip('>') {
		if g.end() != nil {
			return path{}, nil, errPathSyntax
		}
		return path{ascii: true}, b[g.pos:], nil
	}
	if !g.sourceRoute() {
		return path{}, nil, errPathSyntax
	}
	mailbox, err := g.mailbox()
	if err != nil {
		return path{}, nil, err
	}
	if !g.skip('>') || g.end() != nil {
		return path{}, nil, errPathSyntax
	}
	if g.pos > maxPath {
		return path{}, nil, errPathLength
	}
	return path{mailbox: mailbox, ascii: g.ascii}, b[g.pos:], nil
}

// isMailbox reports whether s is one Mailbox, as AUTH= has it (RFC 4954 §5).
func isMailbox(s string) bool {
	g := grammar{b: []byte(s), ascii: true}
	_, err := g.mailbox()
	return err == nil && g.pos == len(s)
}

// isDomain reports whether s is a domain or an address literal, in ASCII.
func isDomain(s string) bool {
	g := grammar{b: []byte(s), ascii: true}
	return g.domainOrLiteral() && g.pos == len(s) && g.ascii
}

// grammar walks over the rules of RFC 5321 §4.1.2 and RFC 6531 §3.3; each method
// is named after its rule and moves pos past what it has read.
type grammar struct {
	b     []byte
	pos   int
	ascii bool // nothing but ASCII so far
}

func (g *grammar) peek() byte {
	if g.pos < len(g.b) {
		return g.b[g.pos]
	}
	return 0
}

func (g *grammar) skip(c byte) bool {
	if g.peek() != c {
		return false
	}
	g.pos++
	return true
}

// end demands that the path ends here.
func (g *grammar) end() error {
	if g.pos == len(g.b) || g.b[g.pos] == ' ' {
		return nil
	}
	return errPathSyntax
}

// sourceRoute is [ A-d-l ":" ]; it must be accepted and should be ignored.
func (g *grammar) sourceRoute() bool {
	if g.peek() != '@' {
		return true
	}
	for {
		if !g.skip('@') || !g.domain() {
			return false
		}
		if !g.skip(',') {
			return g.skip(':')
		}
	}
}

func (g *grammar) mailbox() (string, error) {
	start := g.pos
	quoted := g.peek() == '"'
	if quoted && !g.quotedString() || !quoted && !g.dotString() {
		return "", errPathSyntax
	}
	local := g.b[start:g.pos]
	if bytes.EqualFold(local, []byte("postmaster")) && g.peek() != '@' {
		return string(local), nil // RFC 5321 §4.5.1
	}
	if !g.skip('@') {
		return "", errPathSyntax
	}
	at := g.pos
	if !g.domainOrLiteral() {
		return "", errPathSyntax
	}
	if len(local) > maxPath || g.pos-at > maxDomain {
		return "", errPathLength
	}
	if quoted {
		return minimalQuoting(local) + string(g.b[at-1:g.pos]), nil
	}
	return string(g.b[start:g.pos]), nil
}

// localPartTooLong tells whether the mailbox's local part is over RFC 5321 §4.5.3.1.1.
func localPartTooLong(mailbox string) bool {
	return bytes.LastIndexByte([]byte(mailbox), '@') > maxLocalPart
}

// dotString is Atom *("." Atom).
func (g *grammar) dotString() bool {
	for {
		if !g.atom() {
			return false
		}
		if !g.skip('.') {
			return true
		}
	}
}

func (g *grammar) atom() bool {
	start := g.pos
	for g.pos < len(g.b) {
		c := g.b[g.pos]
		switch {
		case atext[c]:
			g.pos++
		case c >= utf8.RuneSelf && g.nonASCII():
		default:
			return g.pos > start
		}
	}
	return g.pos > start
}

// nonASCII is UTF8-non-ascii (RFC 6532 §3.1), but for the C1 control characters.
func (g *grammar) nonASCII() bool {
	r, n := utf8.DecodeRune(g.b[g.pos:])
	if r == utf8.RuneError && n <= 1 || r < 0xA0 {
		return false
	}
	g.pos += n
	g.ascii = false
	return true
}

func (g *grammar) quotedString() bool {
	if !g.skip('"') {
		return false
	}
	for g.pos < len(g.b) {
		switch c := g.b[g.pos]; {
		case c == '"':
			g.pos++
			return true
		case c == '\\':
			g.pos++
			if next := g.peek(); next < ' ' || next > '~' { // quoted-pairSMTP
				return false
			}
			g.pos++
		case c >= ' ' && c <= '~': // qtextSMTP
			g.pos++
		case c < utf8.RuneSelf || !g.nonASCII():
			return false
		}
	}
	return false
}

func (g *grammar) domainOrLiteral() bool {
	if g.peek() == '[' {
		return g.addressLiteral()
	}
	return g.domain()
}

// domain is sub-domain *("." sub-domain).
func (g *grammar) domain() bool {
	for {
		if !g.subDomain() {
			return false
		}
		if !g.skip('.') {
			return true
		}
	}
}

// subDomain is Let-dig [Ldh-str], or a U-label, of which the directory knows more.
func (g *grammar) subDomain() bool {
	start := g.pos
	ascii := true
	for g.pos < len(g.b) {
		c := g.b[g.pos]
		if letDig(c) || c == '-' {
			g.pos++
			continue
		}
		if c < utf8.RuneSelf || !g.nonASCII() {
			break
		}
		ascii = false
	}
	label := g.b[start:g.pos]
	if len(label) == 0 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !ascii || len(label) <= maxLabel
}

// addressLiteral is RFC 5321 §4.1.3.
func (g *grammar) addressLiteral() bool {
	end := bytes.IndexByte(g.b[g.pos:], ']')
	if end < 0 {
		return false
	}
	inside := g.b[g.pos+1 : g.pos+end]
	g.pos += end + 1
	tag, value, tagged := bytes.Cut(inside, []byte{':'})
	switch {
	case !tagged:
		return isIPv4(inside)
	case bytes.EqualFold(tag, []byte("IPv6")):
		return isIPv6(string(value))
	}
	return isGeneralLiteral(tag, value)
}

// isIPv4 is Snum 3("." Snum); leading zeros are allowed.
func isIPv4(b []byte) bool {
	parts := bytes.Split(b, []byte{'.'})
	if len(parts) != 4 {
		return false
	}
	for _, p := range parts {
		n := 0
		for _, c := range p {
			if c < '0' || c > '9' {
				return false
			}
			n = n*10 + int(c-'0')
		}
		if len(p) == 0 || len(p) > 3 || n > 255 {
			return false
		}
	}
	return true
}

// isIPv6 is IPv6-addr, in which "::" stands for at least two groups.
func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return false
	}
	groups, compressed := 0, false
	for i, part := range bytes.Split([]byte(s), []byte{':'}) {
		switch {
		case bytes.IndexByte(part, '.') >= 0:
			groups += 2
		case len(part) > 0:
			groups++
		case i > 0:
			compressed = true
		}
	}
	return !compressed || groups <= 6
}

// isGeneralLiteral is Standardized-tag ":" 1*dcontent.
func isGeneralLiteral(tag, value []byte) bool {
	if len(tag) == 0 || len(value) == 0 || !letDig(tag[len(tag)-1]) {
		return false
	}
	for _, c := range tag {
		if !letDig(c) && c != '-' {
			return false
		}
	}
	for _, c := range value {
		if c < '!' || c > '~' || c == '[' || c == '\\' {
			return false
		}
	}
	return true
}

func letDig(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// atext is RFC 5322 §3.2.3's table of characters that atoms may have.
var atext = func() (t [256]bool) {
	for c := range t {
		t[c] = letDig(byte(c))
	}
	for _, c := range []byte("!#$%&'*+-/=?^_`{|}~") {
		t[c] = true
	}
	return t
}()

// minimalQuoting rewrites a Quoted-string with the least quoting: as a
// Dot-string if it can be one. All forms are equivalent (RFC 5321 §4.1.2).
func minimalQuoting(quoted []byte) string {
	text := unquote(quoted)
	g := grammar{b: text}
	if g.dotString() && g.pos == len(text) {
		return string(text)
	}
	out := []byte{'"'}
	for _, c := range text {
		if c == '"' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(append(out, '"'))
}

// unquote returns what a well-formed Quoted-string says.
func unquote(quoted []byte) []byte {
	text := make([]byte, 0, len(quoted))
	for i := 1; i < len(quoted)-1; i++ {
		if quoted[i] == '\\' {
			i++
		}
		text = append(text, quoted[i])
	}
	return text
}
