package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// An APPEND of several messages (RFC 3502) may bring so many, unless the settings say how many, and so many bytes: they wait in memory
// and go in by one transaction.
const (
	maxAppend      = 1000
	maxAppendBytes = 32 << 20
)

// append is APPEND: RFC 9051 §6.3.12, several messages as in RFC 3502, with literal8 (RFC 3516 §4.4),
// UTF8 (RFC 6855 §4) and CATENATE (RFC 4469). Messages stream to the store's spool; they go into the mailbox all or none.
func (s *session) append(ctx context.Context) (reply, error) {
	s.dec.sp()
	path, spelled := s.spelledName()
	if s.dec.err != nil {
		return reply{}, s.dec.err
	}
	f, err := s.target(ctx, path)
	if err != nil {
		return reply{}, err
	}
	a := &appending{s: s, to: f.mail}
	var items []mailbox.Append
	var ahead preparer
	defer func() {
		ahead.drop()
		for _, it := range items {
			it.Content.Close()
		}
	}()
	for more := true; more; {
		item, err := a.message(ctx)
		if err != nil {
			return reply{}, err
		}
		items = append(items, item)
		ahead.add(item.Content)
		a.before += item.Content.Size()
		if more = !s.dec.atEnd(); more && len(items) >= s.lim.appends() {
			return reply{}, no(messageLimit(s.lim.appends()), "too many messages in one APPEND") // RFC 9738 §3.1
		}
	}
	ahead.finish()
	done, err := f.mail.Append(ctx, f.ID, items...)
	if err != nil {
		return reply{}, tooBig(tryCreate(err))
	}
	s.tellOldName(&f, path, spelled)
	if s.selected(&f) {
		for _, a := range done {
			s.own = s.own.add(uint32(a.UID))
		}
	}
	uids := make([]mailbox.UID, len(done))
	for i := range done {
		uids[i] = done[i].UID
	}
	s.came(ctx, f.mail, f.ID, "APPEND", uids)
	return reply{appendUID(done), "appended"}, nil
}

// target finds the folder that messages are to go to.
func (s *session) target(ctx context.Context, path string) (box, error) {
	f, err := s.folder(ctx, path)
	if err != nil {
		return f, tryCreate(err)
	}
	if f.rights()&mailbox.RightInsert == 0 {
		return f, fault.New(fault.Denied, "you have no right to put messages there")
	}
	return f, nil
}

// appendUID is the response code of RFC 4315 §3.
func appendUID(done []mailbox.Appended) string {
	var set numSet
	for _, a := range done {
		set = set.add(uint32(a.UID))
	}
	return fmt.Sprintf("APPENDUID %d %s", done[0].UIDValidity, set.appendTo(nil))
}

// tryCreate tells the client that creating the mailbox might help (RFC 9051 §6.3.12).
func tryCreate(err error) error {
	if fault.Is(err, fault.NotFound) {
		return no("TRYCREATE", "no such mailbox")
	}
	return err
}

// tooBig tells a message's size from other limits (RFC 7889 §4).
func tooBig(err error) error {
	if fault.Is(err, fault.TooLarge) {
		return no("TOOBIG", fault.TextOf(err))
	}
	return err
}

// appending is an APPEND or REPLACE whose messages are coming in.
type appending struct {
	s      *session
	to     *mailbox.Session // whose account they go to
	before int64            // bytes of the messages that have come already
	freed  mailbox.Usage    // what will be gone when the command is done
}

// message consumes a message with what stands before it: SP [flag-list SP] [date-time SP] data.
func (a *appending) message(ctx context.Context) (item mailbox.Append, err error) {
	d := &a.s.dec
	d.sp()
	if d.peek() == '(' {
		set := d.flagList()
		item.Flags, item.Keywords = set.flags, set.keywords
		d.sp()
	}
	if d.peek() == '"' {
		item.Received = d.dateTime()
		d.sp()
	}
	if item.Content, err = a.data(ctx); err != nil {
		return item, err
	}
	if d.ok() && !d.atEnd() && d.peek() != ' ' {
		d.expected("the end of the command")
	}
	if d.err != nil {
		item.Content.Close()
	}
	return item, d.err
}

// data consumes append-data: a literal, "UTF8 (" literal ")" or "CATENATE (" parts ")".
func (a *appending) data(ctx context.Context) (*mailbox.Content, error) {
	d := &a.s.dec
	if d.tryKeyword("CATENATE") {
		d.sp()
		return a.catenate(ctx)
	}
	wrapped := d.tryKeyword("UTF8")
	if wrapped {
		d.sp()
		d.special('(')
	}
	c, err := a.literal(d.try('~')) // a literal8 may hold NUL; we take NUL in any message
	if err == nil && wrapped {
		if d.special(')'); d.err != nil {
			c.Close()
		}
		err = d.err
	}
	return c, err
}

// literal consumes a literal of any size up to the limit for messages, without holding it in memory.
// What can't be taken is refused before the client is invited to send it.
func (a *appending) literal(binary bool) (*mailbox.Content, error) {
	size, async := a.s.dec.literalSize()
	switch {
	case a.s.dec.err != nil:
		return nil, a.s.dec.err
	case size == 0: // RFC 3502 §6.3.11: the client has changed its mind
		return nil, errEmptyMessage
	}
	if err := a.may(size); err != nil {
		return nil, err
	}
	w := a.s.srv.store.NewContent()
	var to io.Writer = w
	var watch *nulWatcher
	if binary {
		watch = &nulWatcher{to: w}
		to = watch
	}
	if err := a.s.receive(size, async, to); err != nil {
		w.Discard()
		return nil, err
	}
	content, err := w.Finish()
	if err == nil && watch != nil && watch.seen {
		return a.s.textual(content)
	}
	return content, err
}

// receive writes a literal that was announced to w, and reads the line behind it.
func (s *session) receive(size int64, async bool, w io.Writer) error {
	if !async {
		if err := s.invite(); err != nil {
			return err
		}
	}
	s.arm(time.Now().Add(2*time.Minute + time.Duration(size/s.lim.LiteralRate)*time.Second))
	werr, err := s.in.copyTo(w, size)
	if err == nil {
		err = s.dec.afterLiteral()
	}
	return errors.Join(lost(err), werr)
}

var errEmptyMessage = no("CANNOT", "a message can't be empty")

// may checks a message's size, as far as it is known.
func (a *appending) may(size int64) error {
	st := a.to.State()
	used := mailbox.Usage{Bytes: st.Used.Bytes - a.freed.Bytes, Items: st.Used.Items - a.freed.Items}
	switch {
	case size > a.s.lim.Message:
		return no("TOOBIG", fmt.Sprintf("a message may have up to %d bytes", a.s.lim.Message))
	case a.before > 0 && a.before+size > maxAppendBytes:
		return no("LIMIT", "too much in one APPEND")
	case st.Limit.Bytes > 0 && used.Bytes+size > st.Limit.Bytes, st.Limit.Items > 0 && used.Items >= st.Limit.Items:
		return fault.New(fault.OverQuota, "the mailbox is full")
	}
	return nil
}
