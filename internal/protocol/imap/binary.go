package imap

import (
	"bytes"
	"io"
	"strconv"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// binary is a part of a message with its transfer encoding undone (RFC 9051 §6.4.5, RFC 3516 §4).
type binary struct {
	label string
	part  []uint32
	slice slice
	size  bool // BINARY.SIZE: only how long it is
}

// binary consumes section-binary and, unless only the size is asked for, a slice.
func (d *decoder) binary(size bool) *binary {
	b := &binary{size: size}
	d.special('[')
	b.part = d.partNumber()
	d.special(']')
	item := "BINARY.SIZE"
	if !size {
		item = "BINARY"
		b.slice = d.slice()
	}
	b.label = sectionLabel(item, b.part, "", b.slice)
	return b
}

func (f *fetching) addBinary(b *binary, seen bool) {
	f.records = true
	f.sets = f.sets || seen
	f.want(attribute{name: b.label, write: b.write})
}

// write appends the decoded part. Large parts are decoded outside of the batch: once for the size
// that must stand before them, once more to send them.
func (b *binary) write(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	rec, err := f.record(r)
	if err != nil {
		return dst, err
	}
	sp, encoding, ok := b.locate(rec, r)
	switch {
	case !ok && b.size:
		return append(dst, '0'), nil
	case !ok:
		return append(dst, "NIL"...), nil
	case !message.KnownEncoding(encoding):
		return dst, no("UNKNOWN-CTE", "the part's encoding is not known") // RFC 3516 §4.3
	case b.size && message.Identity(encoding):
		return strconv.AppendInt(dst, sp.Size, 10), nil
	case sp.Size > largeContent:
		f.stream = func() error { return b.stream(f.s, r, sp, encoding) }
		return dst, nil
	}
	if f.scratch, err = f.batch.AppendContent(f.scratch[:0], r, sp.Offset, sp.Size); err != nil {
		return dst, err
	}
	var out bytes.Buffer
	io.Copy(&out, message.Decoder(encoding, bytes.NewReader(f.scratch))) // decoders have no errors of their own
	if b.size {
		return strconv.AppendInt(dst, int64(out.Len()), 10), nil
	}
	cut := b.slice.clip(summary.Span{Size: int64(out.Len())})
	data := out.Bytes()[cut.Offset:cut.End()]
	dst = appendBinarySize(dst, cut.Size, bytes.IndexByte(data, 0) >= 0)
	return append(dst, data...), nil
}

// locate finds the part's encoded bytes. Only leaves are encoded; what holds other parts is given as it is.
func (b *binary) locate(rec summary.Record, r *mailbox.Row) (sp summary.Span, encoding string, ok bool) {
	if len(b.part) == 0 {
		return summary.Span{Size: r.Size}, "", true
	}
	p, ok := rec.Part(b.part...)
	if p.Kind == summary.Leaf {
		encoding = p.Encoding
	}
	return p.Body, encoding, ok
}

// appendBinarySize begins a literal, or a literal8 if there is a NUL in it.
func appendBinarySize(dst []byte, n int64, nul bool) []byte {
	if nul {
		dst = append(dst, '~')
	}
	return appendLiteralSize(dst, n)
}

// stream sends a large part.
func (b *binary) stream(s *session, r *mailbox.Row, sp summary.Span, encoding string) error {
	open := func() io.Reader {
		return message.Decoder(encoding, s.sel.mail.Content(r).Section(sp.Offset, sp.Size))
	}
	var all counter
	if _, err := io.Copy(&all, open()); err != nil {
		return err
	}
	if b.size {
		s.out.set(strconv.AppendInt(s.out.buf(), all.n, 10))
		return nil
	}
	cut := b.slice.clip(summary.Span{Size: all.n})
	s.out.set(appendBinarySize(s.out.buf(), cut.Size, all.nul))
	decoded := open()
	if _, err := io.CopyN(io.Discard, decoded, cut.Offset); err != nil {
		return err
	}
	n, err := io.CopyN(&s.out, decoded, cut.Size)
	if n != cut.Size && err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// counter counts bytes and notes whether a NUL is among them.
type counter struct {
	n   int64
	nul bool
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	c.nul = c.nul || bytes.IndexByte(p, 0) >= 0
	return len(p), nil
}
