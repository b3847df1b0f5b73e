package imap

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// urlItems is what is wanted of a URL (RFC 5524 §3.1); nothing: its bytes, without a word to them (RFC 4467).
type urlItems struct {
	url                     string
	structure, body, binary bool
}

func (i *urlItems) extended() bool { return i.structure || i.body || i.binary }

// urlFetch is URLFETCH: RFC 4467 §7, RFC 5524.
func (s *session) urlFetch(ctx context.Context) (reply, error) {
	var wanted []urlItems
	for s.dec.ok() && (len(wanted) == 0 || !s.dec.atEnd()) {
		s.dec.sp()
		wanted = append(wanted, s.dec.urlItems())
	}
	switch err := s.dec.end(); {
	case err != nil:
		return reply{}, err
	case len(wanted) > maxURLs:
		return reply{}, no("LIMIT", "too many URLs")
	}
	for i := range wanted {
		if err := s.tellURL(ctx, &wanted[i]); err != nil {
			return reply{}, err
		}
		s.out.sized()
	}
	return reply{text: "fetched"}, nil
}

// urlItems consumes url-fetch-arg (RFC 5524 §5).
func (d *decoder) urlItems() (i urlItems) {
	if d.peek() != '(' {
		i.url = string(d.astring())
		return i
	}
	first := true
	d.list(func() {
		if first {
			i.url, first = string(d.astring()), false
			return
		}
		which, name := (*bool)(nil), d.keyword()
		switch name {
		case "BODYPARTSTRUCTURE":
			which = &i.structure
		case "BODY":
			which = &i.body
		case "BINARY":
			which = &i.binary
		default:
			d.fail("no such item of a URL")
			return
		}
		if *which {
			d.fail("%s twice", name)
		}
		*which = true
	})
	if first {
		d.expected("a URL")
	}
	if i.body && i.binary {
		d.fail("BODY or BINARY, not both")
	}
	return i
}

// tellURL answers for one URL: NIL unless the client may have what it leads to, and it is there.
func (s *session) tellURL(ctx context.Context, want *urlItems) error {
	b := appendString(append(s.out.buf(), "* URLFETCH "...), want.url, false)
	found, err := s.openURL(ctx, want)
	switch {
	case err != nil && notForClient(err):
		s.out.set(append(b, " NIL\r\n"...))
		return nil
	case err != nil:
		return err
	}
	if want.structure {
		b = append(append(append(b, " (BODYPARTSTRUCTURE "...), found.structure...), ')')
	}
	switch {
	case want.body:
		b = append(b, " (BODY "...)
	case want.binary:
		b = append(b, " (BINARY "...)
	default:
		b = append(b, ' ')
	}
	if want.structure && !want.body && !want.binary {
		s.out.set(append(b[:len(b)-1], crlf...))
		return nil
	}
	return s.sendURL(b, want, found)
}

// sendURL sends the bytes, for which b has made ready, and ends the response.
func (s *session) sendURL(b []byte, want *urlItems, found *openedURL) error {
	to := io.Writer(&nulMasker{&s.out})
	switch {
	case !found.known:
		b = append(b, "NIL"...)
	case want.binary:
		b, to = appendBinarySize(b, found.size, found.nul), &s.out
	default:
		b = appendLiteralSize(b, found.size)
	}
	s.out.set(b)
	if found.known {
		if err := found.write(to); err != nil {
			return lost(err) // its size has been announced: nothing that we could say now would be understood
		}
	}
	if want.extended() {
		s.out.str(")")
	}
	s.out.str(crlf)
	return nil
}

// notForClient reports whether a failure means that there is nothing for the client, not that we can't tell.
func notForClient(err error) bool {
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Denied, fault.Invalid, fault.Unsupported:
		return true
	}
	return isRefusal(err)
}

// openedURL is what a URL leads to, as it is wanted.
type openedURL struct {
	content
	known     bool // the transfer encoding is; else it can't be undone
	nul       bool // the bytes have NULs
	structure []byte
}

// openURL finds what a URL leads to.
func (s *session) openURL(ctx context.Context, want *urlItems) (*openedURL, error) {
	u, ok := parseAbsoluteURL(want.url)
	if !ok || u.token == "" {
		return nil, errURLRefused
	}
	f, done, err := s.srv.validate(ctx, &u, urlReader{who: s.who})
	if err != nil {
		return nil, err
	}
	defer done()
	o := &openedURL{known: true}
	err = u.message.visit(ctx, f.mail, f.ID, func(b *mailbox.Batch, row *mailbox.Row, rec summary.Record) (err error) {
		if o.content, err = u.message.section.content(f.mail, b, row, rec); err == nil && want.structure {
			err = o.describe(u.message.section, rec)
		}
		if err == nil && want.binary {
			err = o.decode(u.message.section, f.mail, rec, row)
		}
		return err
	})
	return o, err
}

// describe finds the structure of a section. What is no part, as a header is, has none: one is made up.
func (o *openedURL) describe(sec *section, rec summary.Record) error {
	switch {
	case sec.kind == wholePart:
		o.structure = bytes.Clone(rec.PartStructure(false, sec.part...))
	case sec.kind == textPart:
		o.structure = bytes.Clone(rec.PartStructure(len(sec.part) > 0, sec.part...))
	}
	if o.structure != nil {
		return nil
	}
	var all tally
	err := o.write(&all)
	o.structure = fmt.Appendf(nil, `("TEXT" "RFC822-HEADERS" NIL NIL NIL "8BIT" %d %d)`, all.n, all.lines)
	return err
}

// decode undoes the transfer encoding, if there is one (RFC 5524 §3.2). Slices are of the decoded bytes.
func (o *openedURL) decode(sec *section, mail *mailbox.Session, rec summary.Record, row *mailbox.Row) error {
	var all tally
	sp, encoding := sec.encoded(rec, row)
	if o.known = message.KnownEncoding(encoding); !o.known {
		return nil
	}
	if message.Identity(encoding) {
		err := o.write(&all)
		o.nul = all.nul
		return err
	}
	open := func() io.Reader { return message.Decoder(encoding, mail.Content(row).Section(sp.Offset, sp.Size)) }
	if _, err := io.Copy(&all, open()); err != nil {
		return err
	}
	cut := sec.slice.clip(summary.Span{Size: all.n})
	o.size, o.nul = cut.Size, all.nul
	o.write = func(w io.Writer) error { return copyCut(w, open(), cut) }
	if o.structure != nil {
		o.structure = summary.DecodedStructure(o.structure, all.identity(), all.n, all.lines)
	}
	return nil
}

// tally counts lines as well, and sees what they are like.
type tally struct {
	counter
	lines int64
	high  bool // there are octets above 127
	loose bool // there is a CR or LF alone, or a line that is longer than mail may have
	long  int  // octets of the line so far
	last  byte
}

// maxMailLine is how long a line may be, in octets without its end (RFC 5322 §2.1.1).
const maxMailLine = 998

func (t *tally) Write(p []byte) (int, error) {
	t.lines += int64(bytes.Count(p, []byte{'\n'}))
	for _, c := range p {
		t.high = t.high || c >= 0x80
		t.loose = t.loose || (c == '\n') != (t.last == '\r') || t.long > maxMailLine
		t.last = c
		if t.long++; c == '\r' || c == '\n' {
			t.long = 0
		}
	}
	return t.counter.Write(p)
}

// identity is the transfer encoding that the octets have by themselves (RFC 2045 §2.7 to 2.9).
func (t *tally) identity() string {
	switch {
	case t.nul, t.loose, t.last == '\r', t.long > maxMailLine:
		return "BINARY"
	case t.high:
		return "8BIT"
	}
	return "7BIT"
}

// copyCut copies a part of what r gives.
func copyCut(w io.Writer, r io.Reader, cut summary.Span) error {
	if _, err := io.CopyN(io.Discard, r, cut.Offset); err != nil {
		return err
	}
	n, err := io.CopyN(w, r, cut.Size)
	if n != cut.Size && err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// encoded finds the bytes of a section that have a transfer encoding as a whole, and which: those of a part that holds no others,
// and of the text of a message that is no multipart.
func (sec *section) encoded(rec summary.Record, row *mailbox.Row) (sp summary.Span, encoding string) {
	if p, ok := sec.asPart(rec); ok && p.Kind == summary.Leaf {
		return p.Body, p.Encoding
	}
	sp, _ = sec.locate(rec, row)
	return sp, ""
}

// asPart is the part whose body a section is, if it is one.
func (sec *section) asPart(rec summary.Record) (p summary.Part, ok bool) {
	switch {
	case sec.kind == wholePart && len(sec.part) > 0:
		return rec.Part(sec.part...)
	case sec.kind == textPart && len(sec.part) > 0:
		return rec.Nested(sec.part...)
	case sec.kind == textPart:
		return rec.Root()
	}
	return p, false
}
