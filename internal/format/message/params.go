package message

import (
	"strconv"
	"strings"

	"postroad/internal/format/charset"
)

// maxName bounds types, subtypes, encodings and dispositions. RFC 6838 section 4.2 allows types 127 characters.
const maxName = 127

// parseType reads the value of a Content-Type field. The type is "" if the value can't be read.
// A multipart, message or text without a subtype has the most general one.
func parseType(v string) (typ, subtype string, params []Param) {
	typ, subtype, l := mediaType(v)
	if typ == "" {
		return "", "", nil
	}
	return typ, subtype, l.params()
}

// mediaType is parseType up to the parameters, which the lexer goes on with.
func mediaType(v string) (typ, subtype string, rest fieldLexer) {
	l := fieldLexer{s: v}
	typ = lower(l.token())
	if l.next('/') {
		subtype = lower(l.token())
	}
	if subtype == "" {
		switch typ {
		case "text":
			subtype = "plain"
		case "multipart":
			subtype = "mixed"
		case "message":
			subtype = "rfc822"
		default:
			return "", "", l
		}
	}
	if typ == "" || len(typ) > maxName || len(subtype) > maxName {
		return "", "", l
	}
	return typ, subtype, l
}

// A fieldLexer reads the tokens of an unfolded structured field, with comments and blanks between them. It takes what it
// can: what does not fit is skipped.
type fieldLexer struct {
	s   string
	pos int
}

// skip passes blanks and comments. RFC 5322 section 3.2.2.
func (l *fieldLexer) skip() {
	for l.pos < len(l.s) {
		switch l.s[l.pos] {
		case ' ', '\t', '\r', '\n':
			l.pos++
		case '(':
			l.pos = commentEnd(l.s, l.pos)
		default:
			return
		}
	}
}

// commentEnd returns where the comment ends that begins at s[i]. A comment that does not end takes the rest.
func commentEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// next reports whether c follows, and passes it.
func (l *fieldLexer) next(c byte) bool {
	l.skip()
	if l.pos < len(l.s) && l.s[l.pos] == c {
		l.pos++
		return true
	}
	return false
}

// token reads a token, or "" if none follows. Unlike RFC 2045 section 5.1 it takes 8-bit octets and, since nothing else
// could be meant, most specials.
func (l *fieldLexer) token() string {
	l.skip()
	start := l.pos
	for l.pos < len(l.s) && !ends(l.s[l.pos]) {
		l.pos++
	}
	return l.s[start:l.pos]
}

// ends reports whether c can't be in a token.
func ends(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ';', '/', '(', '"', '=', ',':
		return true
	}
	return false
}

// params reads all parameters that follow. RFC 2045 section 5.1, RFC 2231.
func (l *fieldLexer) params() []Param {
	var ps []Param
	segmented := false
	for len(ps) < maxParams {
		l.toSemicolon()
		if l.pos >= len(l.s) {
			break
		}
		name := lower(l.token())
		if name == "" || !l.next('=') {
			continue
		}
		segmented = segmented || strings.IndexByte(name, '*') >= 0
		ps = append(ps, Param{Name: name, Raw: l.value()})
	}
	if segmented {
		ps = join(ps)
	}
	return finishParams(ps)
}

// toSemicolon passes everything up to the start of the next parameter.
func (l *fieldLexer) toSemicolon() {
	for {
		l.skip()
		if l.pos >= len(l.s) {
			return
		}
		c := l.s[l.pos]
		switch {
		case c == '"':
			_, l.pos = quotedEnd(l.s, l.pos)
			continue
		case c == ';':
			for l.next(';') { // some write two
			}
			return
		}
		l.pos++
		for l.pos < len(l.s) && !ends(l.s[l.pos]) {
			l.pos++
		}
	}
}

// value reads a parameter's value: a quoted string, or a token that is taken to extend to the semicolon, so that
// unquoted file names with blanks in them survive.
func (l *fieldLexer) value() string {
	l.skip()
	if l.pos < len(l.s) && l.s[l.pos] == '"' {
		return l.quoted()
	}
	start := l.pos
	for l.pos < len(l.s) && l.s[l.pos] != ';' {
		if l.s[l.pos] == '(' && l.pos > start && isWSP(l.s[l.pos-1]) { // a comment, unlike that of "copy(1).txt"
			break
		}
		l.pos++
	}
	return trimRight(l.s[start:l.pos])
}

// quoted reads a quoted string without its quotes and backslashes. One that does not end takes the rest.
func (l *fieldLexer) quoted() string {
	start := l.pos + 1
	end, next := quotedEnd(l.s, l.pos)
	l.pos = next
	return unescape(l.s[start:end])
}

// quotedEnd returns where the content of the quoted string that begins at s[i] ends, and what follows it.
func quotedEnd(s string, i int) (end, next int) {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i, i + 1
		}
	}
	return len(s), len(s)
}

// unescape removes the backslashes of quoted pairs. RFC 5322 section 3.2.1.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// join puts the parameters together that RFC 2231 section 3 cut in pieces: name*0, name*1 ..., each perhaps with an
// asterisk at its end to say that it is percent-encoded (section 4). If a whole one stands beside its pieces, the pieces
// win: the whole is the fallback for programs that know no better.
func join(ps []Param) []Param {
	var order []*group
	groups := make(map[string]*group, len(ps))
	for i := range ps {
		base, n, encoded := segment(ps[i].Name)
		g := groups[base]
		if g == nil {
			g = &group{name: base}
			groups[base] = g
			order = append(order, g)
		}
		g.add(&ps[i], n, encoded)
	}
	out := make([]Param, 0, len(order))
	for _, g := range order {
		out = append(out, g.param())
	}
	return out
}

// A group is everything that was said about one parameter.
type group struct {
	name            string
	plain, extended *Param
	pieces          map[int]piece
}

type piece struct {
	raw     string
	encoded bool
}

func (g *group) add(p *Param, n int, encoded bool) {
	switch {
	case n >= 0:
		if g.pieces == nil {
			g.pieces = map[int]piece{}
		}
		if _, dup := g.pieces[n]; !dup {
			g.pieces[n] = piece{p.Raw, encoded}
		}
	case encoded && g.extended == nil:
		g.extended = p
	case !encoded && g.plain == nil:
		g.plain = p
	}
}

func (g *group) param() Param {
	if g.extended != nil {
		return Param{Name: g.name, Raw: g.extended.Raw, Extended: true}
	}
	if _, ok := g.pieces[0]; ok || g.plain == nil {
		return g.assemble()
	}
	return Param{Name: g.name, Raw: g.plain.Raw}
}

// assemble joins the pieces in the order of their numbers, up to the first that is missing.
func (g *group) assemble() Param {
	p := Param{Name: g.name}
	for _, pc := range g.pieces {
		p.Extended = p.Extended || pc.encoded
	}
	var raw strings.Builder
	if p.Extended && !g.pieces[0].encoded {
		raw.WriteString("''") // no character set was given, but the value must have the form
	}
	for i := 0; i < len(g.pieces); i++ {
		pc, ok := g.pieces[i]
		if !ok {
			break
		}
		if p.Extended && !pc.encoded {
			pc.raw = percentEncode(pc.raw)
		}
		raw.WriteString(pc.raw)
	}
	p.Raw = raw.String()
	return p
}

// segment splits a parameter's name: name, name*, name*3 or name*3*. The number is -1 if there is none.
func segment(name string) (base string, n int, encoded bool) {
	base, rest, ok := strings.Cut(name, "*")
	if !ok || base == "" {
		return name, -1, false
	}
	rest, encoded = strings.CutSuffix(rest, "*")
	if rest == "" {
		return base, -1, true
	}
	if n, err := strconv.ParseUint(rest, 10, 16); err == nil && (rest == "0" || rest[0] != '0') {
		return base, int(n), encoded
	}
	return name, -1, false
}

// finishParams gives the parameters their meanings, and drops those whose name was there before.
func finishParams(ps []Param) []Param {
	out := ps[:0]
	for i := range ps {
		if hasParam(out, ps[i].Name) {
			continue
		}
		p := ps[i]
		p.Value = p.meaning()
		out = append(out, p)
	}
	return out
}

// meaning is the value as people read it.
func (p *Param) meaning() string {
	switch {
	case p.Extended:
		return decodeExtended(p.Raw)
	case !validText(p.Raw):
		return charset.Guess([]byte(p.Raw))
	}
	return p.Raw
}

func hasParam(ps []Param, name string) bool {
	for i := range ps {
		if ps[i].Name == name {
			return true
		}
	}
	return false
}

// decodeExtended decodes charset'language'octets. RFC 2231 section 4.
func decodeExtended(raw string) string {
	cs, rest, ok := strings.Cut(raw, "'")
	if !ok {
		return charset.Guess(percentDecode(raw))
	}
	_, octets, ok := strings.Cut(rest, "'")
	if !ok {
		return charset.Guess(percentDecode(raw))
	}
	s, _ := charset.Decode(cs, percentDecode(octets))
	return s
}

func percentDecode(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}

const upperHex = "0123456789ABCDEF"

// percentEncode writes s with all octets escaped that RFC 2231 section 7 does not allow as attribute-char.
func percentEncode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isAtext(c) && c < 0x80 && c != '*' && c != '\'' && c != '%' || c == '.' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
