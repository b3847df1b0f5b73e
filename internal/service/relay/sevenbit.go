package relay

import (
	"encoding/base64"
	"io"
	"strings"

	"postroad/internal/format/message"
	"postroad/internal/service/transfer"
)

// conversion is a message for hops that can't take it as it is: parts that have 8-bit or
// binary content or overlong lines are encoded as quoted-printable or base64 (RFC 6152 §3,
// RFC 2045 §6). The fields of headers stay as they are but for Content-Transfer-Encoding.
type conversion struct {
	content transfer.Content
	steps   []step
	size    int64 // about
}

// step is a stretch of the converted message: bytes of the original, text of ours, or a part encoded.
type step struct {
	off, n   int64
	text     string
	part     *message.Part
	encoding string
}

// convert plans a conversion. It returns nil if there is none: what has 8-bit bytes is
// signed (multipart/signed must not be touched, RFC 1847 §2.1), a header, or nothing that a part of a
// message may be encoded as.
func convert(content transfer.Content, s *message.Structure) (*conversion, error) {
	p := planner{conversion: conversion{content: content}, ok: !s.Limited}
	if err := p.part(s.Root, true); err != nil {
		return nil, err
	}
	p.copyTo(content.Size())
	if err := p.check(); err != nil || !p.ok {
		return nil, err
	}
	return &p.conversion, nil
}

// planner makes a conversion, front to back.
type planner struct {
	conversion
	pos int64 // what lies before is dealt with
	ok  bool
}

// copyTo keeps the original up to off.
func (p *planner) copyTo(off int64) {
	if off > p.pos {
		p.steps = append(p.steps, step{off: p.pos, n: off - p.pos})
		p.size += off - p.pos
		p.pos = off
	}
}

// check sees to it that nothing with 8-bit bytes is left as it was.
func (p *planner) check() error {
	for _, st := range p.steps {
		if st.part != nil || st.text != "" || !p.ok {
			continue
		}
		s, err := look(p.content, st.off, st.n, false)
		if err != nil {
			return err
		}
		p.ok = !s.eight
	}
	return nil
}

// part plans for a part and what is in it. whole tells that it is a message of its own.
func (p *planner) part(part *message.Part, whole bool) error {
	switch {
	case !p.ok || part.Opaque || part.Type == "multipart" && part.Subtype == "signed":
		return nil
	case part.IsMultipart():
		if err := p.relabel(part, whole); err != nil {
			return err
		}
		for _, c := range part.Children {
			if err := p.part(c, false); err != nil {
				return err
			}
		}
		return nil
	case part.Message != nil && part.Subtype == "rfc822": // RFC 2046 §5.2.1: it can't be encoded, only what is in it
		if err := p.relabel(part, whole); err != nil {
			return err
		}
		return p.part(part.Message.Root, true)
	}
	return p.leaf(part, whole)
}

// relabel says 7bit of a part whose content will be.
func (p *planner) relabel(part *message.Part, whole bool) error {
	if part.Encoding == "8bit" || part.Encoding == "binary" {
		return p.header(part, "7bit", false, whole)
	}
	return nil
}

func (p *planner) leaf(part *message.Part, whole bool) error {
	s, err := look(p.content, part.BodyOffset, part.BodySize, false)
	if err != nil {
		return err
	}
	known := part.Encoding == "7bit" || part.Encoding == "8bit" || part.Encoding == "binary"
	bad := s.eight || s.nul || s.long || part.Encoding == "binary" && s.bare > 0
	switch {
	case !bad:
		return p.relabel(part, whole)
	case !known && part.Encoding != "base64" && part.Encoding != "quoted-printable",
		part.Type == "message" && (part.Subtype == "partial" || part.Subtype == "external-body"): // RFC 2046 §5.2.2.1, §5.2.3
		p.ok = false
		return nil
	}
	to := part.Encoding
	if known {
		to = choose(part, &s)
	}
	if err := p.header(part, to, s.eight, whole); err != nil || !p.ok {
		return err
	}
	p.copyTo(part.BodyOffset)
	p.steps = append(p.steps, step{part: part, encoding: to})
	p.pos = part.BodyOffset + part.BodySize
	if p.size += s.size * 4 / 3 * 78 / 76; to == "quoted-printable" {
		p.size += s.size/20 + 2*s.special
	}
	return nil
}

// choose picks the encoding that keeps the content and is shorter.
func choose(part *message.Part, s *survey) string {
	if part.Encoding == "binary" && (s.bare > 0 || s.nul) || s.special > s.size/5 {
		return "base64"
	}
	return "quoted-printable"
}

// maxHeader is how long the header of a part may be that has to be changed.
const maxHeader = 256 << 10

// header plans a header with another Content-Transfer-Encoding. whole tells that it is a message's,
// which needs what makes MIME of it; a text that says nothing of itself gets the name of RFC 1428 §3 for what it is.
func (p *planner) header(part *message.Part, encoding string, eight, whole bool) error {
	if part.HeaderSize > maxHeader {
		p.ok = false
		return nil
	}
	raw := make([]byte, part.HeaderSize)
	if n, err := p.content.ReadAt(raw, part.HeaderOffset); n < len(raw) {
		return errContentAnd(err)
	}
	blank := blankEnd(raw)
	if blank == 0 {
		p.ok = false
		return nil
	}
	h := message.ParseHeader(string(raw))
	for _, f := range h.Fields {
		if strings.EqualFold(h.Name(f), "Content-Transfer-Encoding") {
			p.copyTo(part.HeaderOffset + int64(f.Start))
			p.pos = part.HeaderOffset + int64(f.End)
		}
	}
	p.copyTo(part.BodyOffset - blank)
	text := "Content-Transfer-Encoding: " + encoding + "\r\n"
	if eight && !h.Has("Content-Type") && part.Type == "text" {
		text = "Content-Type: text/plain; charset=unknown-8bit\r\n" + text
	}
	if whole && !h.Has("MIME-Version") {
		text = "MIME-Version: 1.0\r\n" + text
	}
	p.steps = append(p.steps, step{text: text})
	p.size += int64(len(text))
	return nil
}

func errContentAnd(err error) error {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return &contentError{err}
}

// contentError is errContent with its cause.
type contentError struct{ err error }

func (e *contentError) Error() string   { return errContent.Error() + ": " + e.err.Error() }
func (e *contentError) Unwrap() []error { return []error{errContent, e.err} }

// blankEnd is how long the empty line at a header's end is; 0 if there is none.
func blankEnd(raw []byte) int64 {
	end := len(raw)
	if end == 0 || raw[end-1] != '\n' {
		return 0
	}
	end--
	if end > 0 && raw[end-1] == '\r' {
		end--
	}
	if end > 0 && raw[end-1] != '\n' {
		return 0
	}
	return int64(len(raw) - end)
}

// writeTo writes the converted message. Line ends of what is not encoded stay as they were.
func (c *conversion) writeTo(w io.Writer) error {
	for _, st := range c.steps {
		var err error
		switch {
		case st.part != nil:
			err = c.encode(w, st)
		case st.text != "":
			_, err = io.WriteString(w, st.text)
		default:
			err = copyRange(w, c.content, st.off, st.n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyRange(w io.Writer, from io.ReaderAt, off, n int64) error {
	return eachBlock(from, off, n, func(b []byte) error {
		_, err := w.Write(b)
		return err
	})
}

// encode writes a part's body.
func (c *conversion) encode(w io.Writer, st step) error {
	var enc io.WriteCloser = newQPWriter(w)
	if st.encoding == "base64" {
		enc = newBase64Writer(w)
	}
	var in io.Writer = enc
	ends := &lineEnds{to: enc}
	if message.Identity(st.part.Encoding) && st.part.Encoding != "binary" {
		in = ends // RFC 2045 §2.7, §2.8: 7bit and 8bit are lines, and lines end with CRLF
	}
	last, err := c.copyBody(in, st.part)
	if err == nil && in == ends {
		err = ends.flush()
	}
	if err == nil {
		err = enc.Close()
	}
	if err == nil && last != '\n' && st.encoding != "base64" && st.part.BodyOffset+st.part.BodySize == c.content.Size() {
		_, err = io.WriteString(w, "=\r\n") // a message ends with CRLF, but this text doesn't
	}
	return err
}

// copyBody writes a part's decoded body, and tells its last byte.
func (c *conversion) copyBody(w io.Writer, part *message.Part) (last byte, err error) {
	buf := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buf)
	body := part.Body(c.content)
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
			last = buf[n-1]
			if _, err := w.Write(buf[:n]); err != nil {
				return last, err
			}
		}
		switch {
		case err == io.EOF:
			return last, nil
		case err != nil:
			return last, &contentError{err}
		}
	}
}

// base64Writer writes base64 in lines of 76 characters (RFC 2045 §6.8).
type base64Writer struct {
	enc  io.WriteCloser
	to   io.Writer
	line []byte
}

func newBase64Writer(w io.Writer) *base64Writer {
	b := &base64Writer{to: w, line: make([]byte, 0, 78)}
	b.enc = base64.NewEncoder(base64.StdEncoding, lineFunc(b.fold))
	return b
}

type lineFunc func([]byte) (int, error)

func (f lineFunc) Write(b []byte) (int, error) { return f(b) }

func (b *base64Writer) Write(p []byte) (int, error) { return b.enc.Write(p) }

func (b *base64Writer) fold(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(76-len(b.line), len(p))
		b.line = append(b.line, p[:take]...)
		p = p[take:]
		if len(b.line) == 76 {
			if err := b.endLine(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (b *base64Writer) endLine() error {
	_, err := b.to.Write(append(b.line, '\r', '\n'))
	b.line = b.line[:0]
	return err
}

// Close ends the text and its last line.
func (b *base64Writer) Close() error {
	err := b.enc.Close()
	if err == nil && len(b.line) > 0 {
		err = b.endLine()
	}
	return err
}
