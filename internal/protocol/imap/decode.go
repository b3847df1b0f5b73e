package imap

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// source is where a decoder's lines and literals come from.
type source interface {
	// readLine appends a line without its end to dst; errLineTooLong if it has more than max bytes.
	readLine(dst []byte, max int) ([]byte, error)
	// readFull fills p.
	readFull(p []byte) error
	// discard drops the next n bytes.
	discard(n int64) error
	// invite asks the client to send a synchronising literal (RFC 9051 §7.6).
	invite() error
}

// decoder reads one command after the other. Its methods are named after grammar
// elements of RFC 9051 §9; each consumes its element or records a syntax error. The
// first error sticks, makes all later methods do nothing, and is asked for once, by end.
//
// Slices that methods return point into the decoder's buffer and are valid until the
// next command begins.
type decoder struct {
	src source
	lim *Limits

	buf      []byte // the command so far: its lines and literals one after the other, without line ends
	pos      int    // what is before has been consumed
	start    int    // where the last line begins
	lines    int    // bytes of lines so far
	literals int    // bytes of literals so far
	depth    int    // how deep we are in parentheses, NOT and OR
	utf8     bool   // quoted strings must be UTF-8
	set      []numRange
	err      error
	late     error // becomes err after the tag
}

// syntaxError is what the client is told after BAD.
type syntaxError struct{ text string }

func (e *syntaxError) Error() string { return e.text }

// limitError refuses something well-formed that is too long: NO [LIMIT] or [TOOBIG].
type limitError struct{ code, text string }

func (e *limitError) Error() string { return e.text }

// errOutOfStep says that the rest of a command can't be read past: the connection must be closed.
var errOutOfStep = errors.New("literal too large to read past")

// begin reads the first line of the next command.
func (d *decoder) begin() error {
	d.buf, d.pos, d.lines, d.literals, d.depth, d.err = d.buf[:0], 0, 0, 0, 0, nil
	err := d.line()
	d.late, d.err = d.err, nil // who sent too long a line is told so by its tag
	return err
}

// shrink gives back memory that a long command took, while the client is silent.
func (d *decoder) shrink() {
	if cap(d.buf) > 1<<10 {
		d.buf = nil
	}
	if cap(d.set) > 64 {
		d.set = nil
	}
}

// line reads the next line behind what there is.
func (d *decoder) line() error {
	d.start = len(d.buf)
	buf, err := d.src.readLine(d.buf, d.lim.Line-d.lines)
	d.buf = buf
	d.lines += len(buf) - d.start
	if errors.Is(err, errLineTooLong) {
		d.fail("command line too long")
		return nil
	}
	return err
}

// fail records a syntax error.
func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = &syntaxError{fmt.Sprintf(format, args...)}
	}
}

// expected records that something else stood where what was needed.
func (d *decoder) expected(what string) { d.fail("expected %s", what) }

// ok reports whether there was no error so far.
func (d *decoder) ok() bool { return d.err == nil }

// peek is the next byte of the line; 0 at its end and after an error.
func (d *decoder) peek() byte {
	if d.err != nil || d.pos >= len(d.buf) {
		return 0
	}
	return d.buf[d.pos]
}

// atEnd reports whether the command's line is used up.
func (d *decoder) atEnd() bool { return d.pos >= len(d.buf) }

// try consumes c if it is next.
func (d *decoder) try(c byte) bool {
	if d.peek() != c || d.atEnd() {
		return false
	}
	d.pos++
	return true
}

// special consumes c.
func (d *decoder) special(c byte) {
	if d.err == nil && !d.try(c) {
		d.fail("expected %q", string(c))
	}
}

// sp consumes exactly one space.
func (d *decoder) sp() {
	if d.err == nil && !d.try(' ') {
		d.expected("a space")
	}
}

// trySP consumes a space if there is one: more arguments follow.
func (d *decoder) trySP() bool { return d.try(' ') }

// end consumes the end of the command and returns the first error of all.
//
// Deviation: spaces before the line end are let pass; some clients send them.
func (d *decoder) end() error {
	for d.trySP() {
	}
	if d.err == nil && !d.atEnd() {
		d.expected("the end of the command")
	}
	return d.err
}

// skip reads past the rest of a command that was refused, with the non-synchronising literals that
// it announces, so that the next command is read from its beginning (RFC 7888 §4). A client that
// waits for an invitation gets none and goes on with its next command.
func (d *decoder) skip() error {
	dropped := int64(0)
	for {
		n, async := announced(d.buf[d.start:])
		if !async {
			return nil
		}
		if dropped += n; dropped > d.lim.Message+int64(d.lim.Literals) {
			return errOutOfStep
		}
		if err := d.src.discard(n); err != nil {
			return err
		}
		buf, err := d.src.readLine(d.buf[:0], d.lim.Line)
		d.buf, d.start, d.pos = buf, 0, 0
		if err != nil && !errors.Is(err, errLineTooLong) {
			return err
		}
		if dropped += int64(len(buf)); dropped > d.lim.Message+int64(d.lim.Literals) {
			return errOutOfStep
		}
	}
}

// announced reports whether a line ends by announcing a non-synchronising literal, and its size.
func announced(line []byte) (size int64, async bool) {
	n := len(line)
	if n < 4 || line[n-1] != '}' || line[n-2] != '+' {
		return 0, false
	}
	i, unit := n-3, int64(1)
	for ; i >= 0 && isDigit(line[i]); i-- {
		if unit > math.MaxInt64/100 {
			return math.MaxInt64 / 2, true
		}
		size += int64(line[i]-'0') * unit
		unit *= 10
	}
	return size, i >= 0 && line[i] == '{' && i < n-3
}

// take consumes the longest run of bytes of a class; there must be one at least.
func (d *decoder) take(is *class, what string) []byte {
	if d.err != nil {
		return nil
	}
	i := d.pos
	for i < len(d.buf) && is[d.buf[i]] {
		i++
	}
	if i == d.pos {
		d.expected(what)
		return nil
	}
	b := d.buf[d.pos:i:i]
	d.pos = i
	return b
}

// tag consumes a command's tag.
func (d *decoder) tag() []byte {
	tag := d.take(&tagChars, "a tag")
	if d.late != nil {
		d.err = d.late
	}
	return tag
}

// atom consumes an atom.
func (d *decoder) atom() []byte { return d.take(&atomChars, "an atom") }

// keyword consumes a word of letters, digits and ".-=+" and returns it in capitals.
func (d *decoder) keyword() string { return upper(d.take(&wordChars, "a word")) }

// tryKeyword consumes the word w if the next word is that one.
func (d *decoder) tryKeyword(w string) bool {
	end := d.pos + len(w)
	if d.err != nil || end > len(d.buf) || !strings.EqualFold(string(d.buf[d.pos:end]), w) ||
		end < len(d.buf) && wordChars[d.buf[end]] {
		return false
	}
	d.pos = end
	return true
}

// tryText consumes text, in any case, if it is next.
func (d *decoder) tryText(text string) bool {
	end := d.pos + len(text)
	if d.err != nil || end > len(d.buf) || !strings.EqualFold(string(d.buf[d.pos:end]), text) {
		return false
	}
	d.pos = end
	return true
}

// upper returns b in capitals (ASCII); common words cost no allocation in the caller's map look-up.
func upper(b []byte) string {
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// astring consumes an atom-like word, a quoted string or a literal.
func (d *decoder) astring() []byte {
	switch d.peek() {
	case '"', '{':
		return d.str()
	}
	return d.take(&astringChars, "a string")
}

// str consumes a quoted string or a literal.
func (d *decoder) str() []byte {
	switch d.peek() {
	case '"':
		return d.quoted()
	case '{':
		return d.literal()
	}
	d.expected("a string")
	return nil
}

// nstring consumes a string or NIL, which gives nil.
func (d *decoder) nstring() []byte {
	if d.tryKeyword("NIL") {
		return nil
	}
	return d.str()
}

// quoted consumes a quoted string. UTF-8 in it is let pass in every mode; other 8-bit text only until the
// client has enabled UTF-8 (RFC 6855 §3).
func (d *decoder) quoted() []byte {
	d.special('"')
	if d.err != nil {
		return nil
	}
	start, out := d.pos, d.pos
	for i := d.pos; i < len(d.buf); i++ {
		switch c := d.buf[i]; c {
		case '"':
			d.pos = i + 1
			if d.utf8 && !utf8.Valid(d.buf[start:out]) {
				d.fail("a quoted string must be UTF-8")
				return nil
			}
			return d.buf[start:out:out]
		case 0, '\r':
			d.fail("NUL or CR in a quoted string")
			return nil
		case '\\':
			if i++; i == len(d.buf) || d.buf[i] != '"' && d.buf[i] != '\\' {
				d.fail(`only \" and \\ may be escaped in a quoted string`)
				return nil
			}
			d.buf[out] = d.buf[i]
			out++
		default:
			d.buf[out] = c
			out++
		}
	}
	d.fail("quoted string without end")
	return nil
}

// literal consumes a literal of a size that may lie in memory, inviting it first if the client waits for that.
func (d *decoder) literal() []byte {
	b := d.literal8()
	for _, c := range b {
		if c == 0 {
			d.fail("NUL in a literal")
			return nil
		}
	}
	return b
}

// literal8 is literal, where NUL may be in it (RFC 3516 §4.4).
func (d *decoder) literal8() []byte {
	size, async := d.literalSize()
	if d.err != nil {
		return nil
	}
	if size > int64(d.lim.Literal) || d.literals+int(size) > d.lim.Literals {
		d.err = &limitError{"LIMIT", "literal too large"}
		return nil
	}
	if !async {
		if err := d.src.invite(); err != nil {
			d.err = err
			return nil
		}
	}
	return d.readLiteral(int(size))
}

// announcedSize is the size of a literal that a text begins with.
func announcedSize(b []byte) (size int64, ok bool) {
	if len(b) == 0 || b[0] != '{' {
		return 0, false
	}
	for _, c := range b[1:] {
		if !isDigit(c) {
			break
		}
		if size = size*10 + int64(c-'0'); size > math.MaxInt64/100 {
			break
		}
	}
	return size, true
}

// readLiteral reads size bytes and the line behind them.
func (d *decoder) readLiteral(size int) []byte {
	start := len(d.buf)
	d.buf = append(d.buf, make([]byte, size)...)
	d.literals += size
	b := d.buf[start : start+size : start+size]
	d.pos = len(d.buf)
	if d.err = d.src.readFull(b); d.err != nil {
		return nil
	}
	if err := d.line(); err != nil {
		d.err = err
	}
	return b
}

// afterLiteral reads the line behind a literal that went elsewhere.
func (d *decoder) afterLiteral() error {
	d.pos = len(d.buf)
	return d.line()
}

// literalSize consumes a literal's announcement, which ends its line.
func (d *decoder) literalSize() (size int64, async bool) {
	d.special('{')
	size = d.number64()
	async = d.try('+')
	d.special('}')
	if d.err == nil && !d.atEnd() {
		d.fail("a literal's size must end its line")
	}
	return size, async
}

// number consumes a number of up to 32 bits.
func (d *decoder) number() uint32 {
	n := d.number64()
	if d.err == nil && n > math.MaxUint32 {
		d.fail("number too large")
	}
	return uint32(n)
}

// nzNumber consumes a number from 1 to 2³²-1.
func (d *decoder) nzNumber() uint32 {
	n := d.number()
	if d.err == nil && n == 0 {
		d.fail("0 is not allowed here")
	}
	return n
}

// number64 consumes a number of up to 63 bits.
func (d *decoder) number64() int64 {
	n := int64(0)
	for _, c := range d.take(&digitChars, "a number") {
		if digit := int64(c - '0'); n <= (math.MaxInt64-digit)/10 {
			n = n*10 + digit
			continue
		}
		d.fail("number too large")
		return 0
	}
	return n
}

// list consumes "(" [item *(SP item)] ")".
func (d *decoder) list(item func()) {
	d.special('(')
	if !d.enter() {
		return
	}
	if d.peek() != ')' {
		item()
		for d.ok() && d.trySP() {
			item()
		}
	}
	d.depth--
	d.special(')')
}

// enter goes one level deeper, up to the limit.
func (d *decoder) enter() bool {
	if d.depth++; d.depth > d.lim.Depth {
		d.fail("nested too deep")
	}
	return d.err == nil
}
