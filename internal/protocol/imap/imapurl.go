package imap

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// messageURL is the part of an IMAP URL that names a message or a part of one (RFC 5092 §6): the mailbox as a path, "" for
// the selected one.
type messageURL struct {
	path     string
	validity uint32 // 0: not said
	uid      mailbox.UID
	section  *section
}

// parseMessageURL reads enc-mailbox [";UIDVALIDITY=" n] "/;UID=" n ["/;SECTION=" s] ["/;PARTIAL=" off ["." len]].
func parseMessageURL(s string) (u messageURL, ok bool) {
	if !isASCII([]byte(s)) || len(s) > maxURL {
		return u, false
	}
	at := strings.Index(strings.ToUpper(s), ";UID=")
	if at < 0 || at > 0 && s[at-1] != '/' {
		return u, false
	}
	box, rest := strings.TrimSuffix(s[:at], "/"), s[at+len(";UID="):]
	if name, validity, found := cutFold(box, ";UIDVALIDITY="); found {
		if u.validity, ok = parseNumber(validity); !ok {
			return u, false
		}
		box = name
	}
	name, err := url.PathUnescape(strings.TrimPrefix(box, "/"))
	if err != nil {
		return u, false
	}
	u.path = canonical(foldInbox(name))
	id, rest, _ := strings.Cut(rest, "/")
	n, ok := parseNumber(id)
	if !ok {
		return u, false
	}
	u.uid = mailbox.UID(n)
	u.section, ok = parseURLSection(rest)
	return u, ok
}

// parseURLSection reads [";SECTION=" s] ["/;PARTIAL=" off ["." len]].
func parseURLSection(s string) (*section, bool) {
	text, partial := "", ""
	for _, p := range splitNonEmpty(s, "/;") {
		p = strings.TrimPrefix(p, ";")
		if _, v, ok := cutFold(p, "SECTION="); ok && text == "" && partial == "" {
			text = v
		} else if _, v, ok := cutFold(p, "PARTIAL="); ok && partial == "" {
			partial = v
		} else {
			return nil, false
		}
	}
	text, err := url.PathUnescape(text)
	if err != nil {
		return nil, false
	}
	d := inlineDecoder("[" + text + "]")
	sec := d.section()
	if d.end() != nil {
		return nil, false
	}
	if partial != "" {
		return sec, sec.slice.fromURL(partial)
	}
	return sec, true
}

// maxURL is the longest URL that is looked at, in bytes.
const maxURL = 4096

// fromURL reads partial-range (RFC 5092 §11).
func (sl *slice) fromURL(s string) bool {
	d := inlineDecoder(s)
	sl.partial, sl.off, sl.size = true, d.number64(), 1<<62
	if d.try('.') {
		if sl.size = d.number64(); sl.size == 0 {
			return false
		}
	}
	return d.end() == nil
}

func splitNonEmpty(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}

// cutFold is strings.Cut of ASCII, in any case; sep is in capitals.
func cutFold(s, sep string) (before, after string, found bool) {
	if i := strings.Index(strings.ToUpper(s), sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// parseNumber reads a number from 1 to 2³²-1.
func parseNumber(s string) (uint32, bool) {
	d := inlineDecoder(s)
	n := d.nzNumber()
	return n, d.end() == nil
}

// content is some bytes that are stored, to be written elsewhere.
type content struct {
	size  int64
	write func(w io.Writer) error
}

// errNoSuchPart says that a URL leads nowhere. A client that may not see a message is told the same.
var errNoSuchPart = fault.New(fault.NotFound, "no such message or part")

// lookUp finds what a URL names in a mailbox that mail has open. The bytes are those that FETCH BODY.PEEK would send, but as
// they are stored.
func (u *messageURL) lookUp(ctx context.Context, mail *mailbox.Session, f mailbox.FolderID) (c content, err error) {
	err = u.visit(ctx, mail, f, func(b *mailbox.Batch, row *mailbox.Row, rec summary.Record) error {
		c, err = u.section.content(mail, b, row, rec)
		return err
	})
	return c, err
}

// visit runs fn on the message that a URL names.
func (u *messageURL) visit(ctx context.Context, mail *mailbox.Session, f mailbox.FolderID, fn func(*mailbox.Batch, *mailbox.Row, summary.Record) error) error {
	v, err := mail.View(ctx, f)
	if err != nil {
		return err
	}
	i, ok := v.Find(u.uid)
	if !ok || u.validity != 0 && u.validity != v.Folder().UIDValidity {
		return errNoSuchPart
	}
	row := v.At(i)
	return mail.Read(ctx, func(b *mailbox.Batch) error {
		rec, err := b.Summary(row)
		if err != nil {
			return err
		}
		return fn(b, row, rec)
	})
}

// content is what a section is in a message.
func (sec *section) content(mail *mailbox.Session, b *mailbox.Batch, row *mailbox.Row, rec summary.Record) (content, error) {
	sp, ok := sec.locate(rec, row)
	if !ok {
		return content{}, errNoSuchPart
	}
	if sec.fields == nil {
		sp = sec.slice.clip(sp)
		return content{sp.Size, func(w io.Writer) error {
			_, err := mail.Content(row).Section(sp.Offset, sp.Size).WriteTo(w)
			return err
		}}, nil
	}
	header, err := b.AppendContent(nil, row, sp.Offset, min(sp.Size, maxHeader))
	if err != nil {
		return content{}, err
	}
	fields := appendFields(nil, header, sec.fields, sec.kind == headerFields)
	cut := sec.slice.clip(summary.Span{Size: int64(len(fields))})
	return content{cut.Size, func(w io.Writer) error {
		_, err := bytes.NewReader(fields[cut.Offset:cut.End()]).WriteTo(w)
		return err
	}}, nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
