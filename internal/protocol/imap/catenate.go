package imap

import (
	"context"
	"errors"
	"io"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// maxCatParts is how many parts a CATENATE may have.
const maxCatParts = 1000

// catenate consumes "(" cat-part *(SP cat-part) ")" and makes a message of the parts (RFC 4469 §3).
func (a *appending) catenate(ctx context.Context) (*mailbox.Content, error) {
	d := &a.s.dec
	w := a.s.srv.store.NewContent()
	watch := &nulWatcher{to: w}
	parts := 0
	var failed error
	d.list(func() {
		if parts++; parts > maxCatParts {
			d.err = &limitError{"LIMIT", "too many parts"}
			return
		}
		if failed = a.catPart(ctx, w, watch); failed != nil && d.err == nil {
			d.err = failed
		}
	})
	if parts == 0 {
		d.expected("TEXT or URL")
	}
	if err := cmpError(failed, d.err); err != nil {
		w.Discard()
		return nil, err
	}
	c, err := w.Finish()
	switch {
	case err != nil:
		return nil, err
	case c.Size() == 0:
		c.Close()
		return nil, errEmptyMessage
	case watch.seen:
		return a.s.textual(c)
	}
	return c, nil
}

// cmpError is the first of two errors.
func cmpError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// catPart consumes a part and writes it behind the others.
func (a *appending) catPart(ctx context.Context, w *mailbox.ContentWriter, to io.Writer) error {
	d := &a.s.dec
	switch d.keyword() {
	case "TEXT":
		d.sp()
		d.try('~') // RFC 3516 §4.4
		return a.catText(w, to)
	case "UTF8": // RFC 6855 §4
		d.sp()
		d.special('(')
		d.special('~')
		if err := a.catText(w, to); err != nil {
			return err
		}
		d.special(')')
		return d.err
	case "URL":
		d.sp()
		raw := string(d.astring())
		if d.err != nil {
			return d.err
		}
		return a.catURL(ctx, w, to, raw)
	}
	d.expected("TEXT or URL")
	return d.err
}

func (a *appending) catText(w *mailbox.ContentWriter, to io.Writer) error {
	size, async := a.s.dec.literalSize()
	if a.s.dec.err != nil {
		return a.s.dec.err
	}
	if err := a.may(w.Size() + size); err != nil {
		return err
	}
	return a.s.receive(size, async, to)
}

func (a *appending) catURL(ctx context.Context, w *mailbox.ContentWriter, to io.Writer, raw string) error {
	c, err := a.s.urlContent(ctx, raw)
	if err != nil {
		if k := fault.KindOf(err); k != fault.NotFound && k != fault.Denied && k != fault.Invalid && !isRefusal(err) {
			return err
		}
		return no("BADURL "+codeText(raw), "that URL leads to nothing here") // RFC 4469 §4.1
	}
	if err := a.may(w.Size() + c.size); err != nil {
		return err
	}
	return c.write(to)
}

// urlContent finds what a URL names: a message or a part of one that the client may read (RFC 4469 §3), or that another has
// authorised it to read (RFC 4467).
func (s *session) urlContent(ctx context.Context, raw string) (content, error) {
	if u, ok := parseAbsoluteURL(raw); ok && u.token != "" {
		return s.srv.readURL(ctx, &u, urlReader{who: s.who})
	}
	u, ok := parseMessageURL(raw)
	if !ok {
		return content{}, errNoSuchPart
	}
	var (
		mail *mailbox.Session
		id   mailbox.FolderID
	)
	switch {
	case u.path != "":
		f, err := s.folder(ctx, u.path)
		if err != nil {
			return content{}, err
		}
		mail, id = f.mail, f.ID
	case s.sel != nil:
		mail, id = s.sel.mail, s.sel.id
	default:
		return content{}, errNoSuchPart
	}
	return u.lookUp(ctx, mail, id)
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// codeText makes a text fit for a response code (RFC 9051 §9, resp-text-code).
func codeText(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ']' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}
