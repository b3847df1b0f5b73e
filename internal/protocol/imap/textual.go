package imap

import (
	"bytes"
	"encoding/base64"
	"io"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// A message that APPEND brings as a literal8 may have NULs in its parts, which no BODY[...] could send. Such
// parts are kept in base64, as RFC 3516 §4.4 allows and RFC 9051 §4.3.1 wants binary data to be sent.
// Nothing is lost: BINARY gives what was appended.

// nulWatcher notes whether a NUL was among what it passed on.
type nulWatcher struct {
	to   io.Writer
	seen bool
}

func (w *nulWatcher) Write(p []byte) (int, error) {
	w.seen = w.seen || bytes.IndexByte(p, 0) >= 0
	return w.to.Write(p)
}

// textual returns the message with the parts that have NULs in base64, and closes c.
func (s *session) textual(c *mailbox.Content) (*mailbox.Content, error) {
	defer c.Close()
	w := s.srv.store.NewContent()
	if err := writeTextual(w, c); err != nil {
		w.Discard()
		return nil, err
	}
	return w.Finish()
}

func writeTextual(w io.Writer, c *mailbox.Content) error {
	at := int64(0)
	for depth, p := range c.Summary().Parts() {
		binary, err := isBinary(c, &p)
		if err != nil {
			return err
		}
		if !binary {
			continue
		}
		if err := copySpan(w, c, at, p.Header.Offset); err != nil {
			return err
		}
		if err := writePart(w, c, &p, depth == 0); err != nil {
			return err
		}
		at = p.Body.End()
	}
	return copySpan(w, c, at, c.Size())
}

// writePart writes a part in base64.
func writePart(w io.Writer, c *mailbox.Content, p *summary.Part, whole bool) error {
	header, err := io.ReadAll(io.NewSectionReader(c, p.Header.Offset, p.Header.Size))
	if err != nil {
		return err
	}
	if _, err := w.Write(base64Header(header, whole)); err != nil {
		return err
	}
	return writeBase64(w, io.NewSectionReader(c, p.Body.Offset, p.Body.Size))
}

func copySpan(w io.Writer, c *mailbox.Content, from, to int64) error {
	_, err := io.Copy(w, io.NewSectionReader(c, from, to-from))
	return err
}

// isBinary reports whether a part has NULs and may be encoded in another way than it is. Messages and multiparts may
// not be (RFC 2045 §6.4).
func isBinary(c *mailbox.Content, p *summary.Part) (bool, error) {
	if p.Kind != summary.Leaf || p.Type == "message" || p.Type == "multipart" || p.Header.Size > maxHeader ||
		!message.KnownEncoding(p.Encoding) || !message.Identity(p.Encoding) {
		return false, nil
	}
	var all counter
	_, err := io.Copy(&all, io.NewSectionReader(c, p.Body.Offset, p.Body.Size))
	return all.nul, err
}

// base64Header is a part's header that says base64; the whole message's header says MIME too.
func base64Header(header []byte, whole bool) []byte {
	var out []byte
	mime := !whole
	for len(header) > 0 {
		field := header[:fieldLen(header)]
		header = header[len(field):]
		name := fieldName(field)
		switch {
		case isBlank(field):
			header = nil
			continue
		case bytes.EqualFold(name, []byte("Content-Transfer-Encoding")):
			continue
		case bytes.EqualFold(name, []byte("MIME-Version")):
			mime = true
		}
		if out = append(out, field...); field[len(field)-1] != '\n' {
			out = append(out, crlf...)
		}
	}
	if !mime {
		out = append(out, "MIME-Version: 1.0\r\n"...)
	}
	return append(out, "Content-Transfer-Encoding: base64\r\n\r\n"...)
}

// writeBase64 writes lines of 76 characters (RFC 2045 §6.8).
func writeBase64(w io.Writer, r io.Reader) error {
	const line = 57
	in, out := make([]byte, 512*line), make([]byte, 0, 512*(76+2))
	for {
		n, err := io.ReadFull(r, in)
		out = out[:0]
		for part := in[:n]; len(part) > 0; part = part[min(line, len(part)):] {
			out = append(base64.StdEncoding.AppendEncode(out, part[:min(line, len(part))]), crlf...)
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
