package move

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
)

// Dialect is how an mbox tells where messages end.
type Dialect string

// Dialects of mbox. In all of them a line "From ..." after an empty line begins a message.
const (
	// AnyMbox goes by Content-Length where it is right, as MboxCL2, and else reads as MboxRD.
	AnyMbox Dialect = "auto"
	MboxO   Dialect = "mboxo"   // lines "From " inside messages have ">" in front
	MboxRD  Dialect = "mboxrd"  // and so have those with any number of ">"
	MboxCL  Dialect = "mboxcl"  // as MboxO, and Content-Length tells the length
	MboxCL2 Dialect = "mboxcl2" // Content-Length tells the length, and nothing is quoted
)

// mbox reads messages of a file. Lines of any length are read in parts.
type mbox struct {
	file    io.ReaderAt
	r       *bufio.Reader
	pos     int64 // of r in file
	dialect Dialect
	from    []byte // the From_ line that was read last; nil: none
}

// readMbox gives a file's messages; without a folder, into those that their labels name. Errors: fault.Invalid if it is no mbox.
func readMbox(file io.ReaderAt, size int64, dialect Dialect, folder []string) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		m := &mbox{file: file, r: bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 64<<10), dialect: dialect}
		if err := m.start(); err != nil {
			return err
		}
		if folder != nil {
			if err := yield(&Message{Folder: folder}); err != nil {
				return err
			}
		}
		for m.from != nil {
			if err := m.message(folder, yield); err != nil {
				return err
			}
		}
		return nil
	}
}

// line reads a line, or a part of a long one. At the end it is empty.
func (m *mbox) line() ([]byte, error) {
	line, err := m.r.ReadSlice('\n')
	m.pos += int64(len(line))
	if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	return line, err
}

// start finds the first From_ line.
func (m *mbox) start() error {
	for {
		line, err := m.line()
		if err != nil || len(line) == 0 {
			return err
		}
		if fromLine(line) {
			m.from = bytes.Clone(line)
			return nil
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return fault.New(fault.Invalid, "that is no mbox: it doesn't begin with a line like \"From ann@example.org Mon Jan  2 15:04:05 2006\"")
		}
	}
}

// message gives the message after m.from to yield, and reads on to the next From_ line.
func (m *mbox) message(folder []string, yield func(*Message) error) error {
	body := &mboxBody{m: m, left: -1, blank: true}
	received := fromDate(m.from)
	m.from = nil
	header, err := body.header()
	if err != nil {
		return err
	}
	marks, kept := readMarks(header, true)
	body.out = appendLines(nil, kept)
	if body.more {
		body.measure(header)
	}
	if received.IsZero() {
		received = marks.received
	}
	if !marks.expunged && !marks.internal {
		if folder == nil {
			var more []string
			folder, more = gmailFolder(marks.labels)
			marks.keywords = append(marks.keywords, more...)
		}
		err := yield(&Message{Folder: folder, Flags: marks.flags, Keywords: marks.keywords, Received: received, Body: body})
		if err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, body)
	return err
}

// appendLines appends text with each line ended by CRLF.
func appendLines(dst, text []byte) []byte {
	for line := range bytes.Lines(text) {
		dst = appendCRLF(dst, line, 0)
	}
	return dst
}

// mboxBody reads one message: its header, as it was left, and then its text.
type mboxBody struct {
	m     *mbox
	out   []byte // to be read next
	room  []byte
	left  int64 // by Content-Length; -1: up to a From_ line
	inner bool  // the next line is the rest of a long one
	last  byte  // the last byte taken of a long line
	blank bool  // an empty line, or the header, lies just before
	held  []byte
	more  bool // there is text after the header
	done  bool
}

// header reads up to the empty line, with it. A header that is too long ends early.
func (b *mboxBody) header() (header []byte, err error) {
	for len(header) < maxHeader {
		line, err := b.m.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			b.done = true
			return header, nil
		}
		if isBlank(line) && !b.inner {
			b.more = true
			return append(header, line...), nil
		}
		header = append(header, line...)
		b.inner = line[len(line)-1] != '\n'
		b.last = line[len(line)-1]
	}
	b.blank, b.more = false, true
	return header, nil
}

func isBlank(line []byte) bool { return string(line) == "\n" || string(line) == "\r\n" }

// measure takes the length of the text from the header, if a message or the file ends there.
func (b *mboxBody) measure(header []byte) {
	if b.m.dialect == MboxO || b.m.dialect == MboxRD || !isBlank(header[max(0, bytes.LastIndexByte(header[:len(header)-1], '\n')+1):]) {
		return
	}
	fieldsOf(header, func(name, value string, _ []byte) {
		if name != "content-length" || b.left >= 0 {
			return
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 && n < 1<<62 && b.m.endsAt(b.m.pos+n) {
			b.left = n
		}
	})
}

// endsAt reports whether a message may end at a place of the file: nothing but empty lines comes, and then a From_ line or the end.
func (m *mbox) endsAt(at int64) bool {
	var room [1024]byte
	n, err := m.file.ReadAt(room[:], at)
	rest := bytes.TrimLeft(room[:n], "\r\n")
	if len(rest) == 0 {
		return errors.Is(err, io.EOF) && (n > 0 || m.reaches(at))
	}
	return fromLine(rest)
}

// reaches reports whether the file has the byte before a place.
func (m *mbox) reaches(at int64) bool {
	var one [1]byte
	n, _ := m.file.ReadAt(one[:], at-1)
	return n == 1
}

func (b *mboxBody) Read(p []byte) (int, error) {
	for len(b.out) == 0 {
		if b.done {
			return 0, io.EOF
		}
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	return n, nil
}

// fill takes the next line.
func (b *mboxBody) fill() error {
	if b.left == 0 {
		return b.skip()
	}
	line, err := b.m.line()
	if err != nil {
		return err
	}
	if len(line) == 0 {
		b.done = true // an empty line that is held ended the last message
		return nil
	}
	if b.left > 0 {
		return b.counted(line)
	}
	whole := !b.inner
	if whole && b.blank && fromLine(line) {
		b.m.from, b.done = bytes.Clone(line), true
		return nil
	}
	b.room = append(b.room[:0], b.held...)
	b.held = b.held[:0]
	b.blank = whole && isBlank(line)
	if b.blank {
		b.held = append(b.held, "\r\n"...)
	} else {
		b.room = b.take(b.room, line)
	}
	b.out = b.room
	return nil
}

// counted takes a line, or what of it belongs to the message by Content-Length.
func (b *mboxBody) counted(line []byte) error {
	n := min(int64(len(line)), b.left)
	b.left -= n
	b.room = b.take(b.room[:0], line[:n])
	b.out = b.room
	if rest := line[n:]; len(bytes.TrimSpace(rest)) > 0 {
		// endsAt saw a From_ line right behind the text, which didn't end its line.
		if fromLine(rest) {
			b.m.from, b.done = bytes.Clone(rest), true
		}
	}
	return nil
}

// take appends a line without the quoting that the dialect has.
func (b *mboxBody) take(dst, line []byte) []byte {
	last := b.last
	if !b.inner {
		line, last = b.unquote(line), 0
	}
	if n := len(line); n > 0 {
		b.last, b.inner = line[n-1], line[n-1] != '\n'
	}
	return appendCRLF(dst, line, last)
}

func (b *mboxBody) unquote(line []byte) []byte {
	quotes := len(line) - len(bytes.TrimLeft(line, ">"))
	if quotes == 0 || !bytes.HasPrefix(line[quotes:], []byte("From ")) {
		return line
	}
	switch {
	case b.m.dialect == MboxCL2, b.m.dialect == AnyMbox && b.left >= 0:
		return line
	case quotes > 1 && (b.m.dialect == MboxO || b.m.dialect == MboxCL):
		return line
	}
	return line[1:]
}

// skip finds the From_ line after a text whose length was known.
func (b *mboxBody) skip() error {
	for b.m.from == nil {
		line, err := b.m.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if fromLine(line) {
			b.m.from = bytes.Clone(line)
		}
	}
	b.done = true
	return nil
}

// fromLine reports whether a line begins a message: "From ", and somewhere a time and a year.
// Texts have lines that begin so, too, in files of programs that don't quote.
func fromLine(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("From ")) || len(line) > 2048 {
		return false
	}
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	clock, year := false, false
	for f := range strings.FieldsSeq(string(line)) {
		clock = clock || len(f) >= 4 && len(f) <= 8 && strings.Count(f, ":") >= 1 && strings.Trim(f, "0123456789:") == ""
		year = year || len(f) == 4 && strings.Trim(f, "0123456789") == ""
	}
	return clock && year
}

// fromDate is the date in a From_ line: C's asctime, with a zone at the end or before the year, or with none, which is UTC.
func fromDate(line []byte) time.Time {
	words := strings.Fields(string(line))
	for i := range words {
		rest := strings.Join(words[i:], " ")
		for _, layout := range []string{"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 -0700 2006",
			"Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04 2006", "Mon, 2 Jan 2006 15:04:05 -0700"} {
			if t, err := time.Parse(layout, rest); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}
