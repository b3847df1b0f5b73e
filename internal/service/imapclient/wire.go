package imapclient

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"postroad/internal/fault"
)

// Limits of what is read.
const (
	maxWord   = 64 << 10  // bytes of an atom, a string, a literal that is no message, and of a text
	maxValues = 10_000    // of one response
	maxParsed = 1 << 20   // bytes of the values of one response
	maxDepth  = 20        // of lists
	maxSkip   = 1 << 30   // bytes of a line that nobody wants, with its literals
	maxText   = 16 << 10  // of a text that is kept
	maxBody   = 1<<32 - 1 // bytes that a message may be said to have (RFC 9051 §4.3)
)

// response is what a line of the server begins with. The rest of it is to be read, or skipped.
type response struct {
	tag  string // "*", "+" or that of a command
	num  uint32 // in front of the name: of EXISTS, EXPUNGE, FETCH
	name string // in capitals
	text string // behind the name, unless it is one that is parsed
}

// parsed are the responses whose rest isn't read as text.
var parsed = map[string]bool{"FETCH": true, "LIST": true, "NAMESPACE": true}

// reader reads what the server sends.
type reader struct {
	b      *bufio.Reader
	done   bool // the line has been read
	values int  // read of this response
	parsed int  // bytes in them
}

func newReader(r io.Reader) *reader { return &reader{b: bufio.NewReaderSize(r, 64<<10), done: true} }

var errWire = fault.New(fault.Unavailable, "the server doesn't speak IMAP")

func tooMuch(what string) error {
	return fault.New(fault.TooLarge, "the server sends %s that is too long", what)
}

// response reads the beginning of a line.
func (r *reader) response() (*response, error) {
	r.done, r.values, r.parsed = false, 0, 0
	out := &response{}
	var err error
	if out.tag, err = r.word(); err != nil {
		return nil, err
	}
	if out.tag == "+" {
		out.text, err = r.line()
		return out, err
	}
	if err := r.space(); err != nil {
		return nil, err
	}
	word, err := r.word()
	if err != nil {
		return nil, err
	}
	if n, failed := strconv.ParseUint(word, 10, 32); failed == nil {
		out.num = uint32(n)
		if err := r.space(); err != nil {
			return nil, err
		}
		if word, err = r.word(); err != nil {
			return nil, err
		}
	}
	if out.name = strings.ToUpper(word); parsed[out.name] && out.tag == "*" {
		return out, nil
	}
	out.text, err = r.line()
	return out, err
}

// word reads up to a space or the end of the line.
func (r *reader) word() (string, error) {
	var b strings.Builder
	for {
		c, err := r.b.ReadByte()
		if err != nil {
			return "", ended(err)
		}
		if c == ' ' || c == '\r' || c == '\n' {
			_ = r.b.UnreadByte()
			break
		}
		if b.Len() >= 200 {
			return "", tooMuch("a word")
		}
		b.WriteByte(c)
	}
	if b.Len() == 0 {
		return "", errWire
	}
	return b.String(), nil
}

// space reads one, if the line goes on.
func (r *reader) space() error {
	c, err := r.b.ReadByte()
	if err != nil {
		return ended(err)
	}
	if c != ' ' {
		return errors.Join(r.b.UnreadByte(), errIf(c != '\r' && c != '\n'))
	}
	return nil
}

func errIf(bad bool) error {
	if bad {
		return errWire
	}
	return nil
}

func ended(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line reads the rest of the line, of which the beginning is returned.
func (r *reader) line() (string, error) {
	var kept []byte
	for n := 0; n < maxSkip; {
		part, err := r.b.ReadSlice('\n')
		n += len(part)
		if room := maxText - len(kept); room > 0 {
			kept = append(kept, part[:min(room, len(part))]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		r.done = true
		return strings.TrimSpace(string(kept)), endedOrNil(err)
	}
	return "", tooMuch("a line")
}

func endedOrNil(err error) error {
	if err == nil {
		return nil
	}
	return ended(err)
}

// skipLine skips the rest of the line, if any, with literals in it.
func (r *reader) skipLine() error {
	for skipped := int64(0); !r.done; {
		part, err := r.b.ReadSlice('\n')
		skipped += int64(len(part))
		switch size, literal := literalAt(part); {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return ended(err)
		case literal:
			if size > maxSkip || skipped+size > maxSkip { // the sum of great ones could be a small one
				return tooMuch("a line")
			}
			skipped += size
			if _, err := io.CopyN(io.Discard, r.b, size); err != nil {
				return ended(err)
			}
		default:
			r.done = true
		}
		if skipped > maxSkip {
			return tooMuch("a line")
		}
	}
	return nil
}

// literalAt tells whether a line ends with the size of a literal.
func literalAt(line []byte) (size int64, ok bool) {
	line = bytes.TrimRight(line, "\r\n")
	i := bytes.LastIndexByte(line, '{')
	if i < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	size, err := strconv.ParseInt(string(line[i+1:len(line)-1]), 10, 64)
	return size, err == nil && size >= 0
}

// A value is a list, or a string, an atom or NIL.
type value struct {
	list []value
	text string
	null bool
}

// value reads one.
func (r *reader) value(depth int) (value, error) {
	if r.values++; r.values > maxValues || r.parsed > maxParsed || depth > maxDepth {
		return value{}, tooMuch("a response")
	}
	v, err := r.anyValue(depth)
	r.parsed += len(v.text)
	return v, err
}

func (r *reader) anyValue(depth int) (value, error) {
	c, err := r.peek()
	switch {
	case err != nil:
		return value{}, err
	case c == '(':
		list, err := r.list(depth)
		return value{list: list}, err
	case c == '"':
		text, err := r.quoted()
		return value{text: text}, err
	case c == '{' || c == '~':
		text, err := r.literal()
		return value{text: text}, err
	}
	atom, err := r.atom()
	return value{text: atom, null: strings.EqualFold(atom, "NIL")}, err
}

func (r *reader) peek() (byte, error) {
	b, err := r.b.Peek(1)
	if err != nil {
		return 0, ended(err)
	}
	return b[0], nil
}

func (r *reader) list(depth int) (list []value, err error) {
	if err := r.expect('('); err != nil {
		return nil, err
	}
	for {
		c, err := r.peek()
		if err != nil {
			return nil, err
		}
		switch c {
		case ')':
			return list, r.expect(')')
		case ' ':
			err = r.expect(' ')
		default:
			var v value
			v, err = r.value(depth + 1)
			list = append(list, v)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *reader) expect(want byte) error {
	c, err := r.b.ReadByte()
	if err != nil {
		return ended(err)
	}
	return errIf(c != want)
}

func (r *reader) quoted() (string, error) {
	if err := r.expect('"'); err != nil {
		return "", err
	}
	var b []byte
	for len(b) <= maxWord {
		c, err := r.b.ReadByte()
		if err == nil && c == '\\' {
			c, err = r.b.ReadByte()
		} else if c == '"' {
			return string(b), nil
		}
		if err != nil {
			return "", ended(err)
		}
		if c == '\n' {
			return "", errWire
		}
		b = append(b, c)
	}
	return "", tooMuch("a string")
}

// literalSize reads the announcement of a literal: "{5}", or "~{5}" (RFC 3516).
func (r *reader) literalSize() (int64, error) {
	line, err := r.b.ReadSlice('\n')
	if err != nil {
		return 0, ended(err)
	}
	line = bytes.TrimPrefix(line, []byte("~"))
	size, ok := literalAt(line)
	if !ok || line[0] != '{' {
		return 0, errWire
	}
	return size, nil
}

func (r *reader) literal() (string, error) {
	size, err := r.literalSize()
	if err != nil {
		return "", err
	}
	if size > maxWord {
		return "", tooMuch("a literal")
	}
	b := make([]byte, size)
	_, err = io.ReadFull(r.b, b)
	return string(b), endedOrNil(err)
}

// atom reads up to a space or the end of a list or the line. Brackets may hold any of these ("BODY[HEADER.FIELDS (TO)]").
func (r *reader) atom() (string, error) {
	var b []byte
	open := 0
	for len(b) <= maxWord {
		c, err := r.b.ReadByte()
		if err != nil {
			return "", ended(err)
		}
		switch {
		case c == '[':
			open++
		case c == ']' && open > 0:
			open--
		}
		if c == '\r' || c == '\n' || open == 0 && (c == ' ' || c == ')' || c == '(') {
			return string(b), errors.Join(r.b.UnreadByte(), errIf(len(b) == 0))
		}
		b = append(b, c)
	}
	return "", tooMuch("a word")
}

// quote writes a string. Those with bytes that a quoted one can't have are the caller's to refuse.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
