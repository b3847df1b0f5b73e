package imap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// An APPEND of several messages (RFC 3502) may bring so many, and so many bytes: they wait in memory
// and go in by one transaction.
const (
	maxAppend      = 1000
	maxAppendBytes = 32 << 20
)

// append is APPEND: RFC 9051 §6.3.12, several messages as in RFC 3502, with literal8 (RFC 3516 §4.4)
// and UTF8 (RFC 6855 §4). Messages stream to the store's spool; they go into the mailbox all or none.
func (s *session) append(ctx context.Context) (reply, error) {
	s.dec.sp()
	path, spelled := s.spelledName()
	if s.dec.err != nil {
		return reply{}, s.dec.err
	}
	f, err := s.folder(path)
	if err != nil {
		return reply{}, tryCreate(err)
	}
	if s.mail.Rights(f.ID)&mailbox.RightInsert == 0 {
		return reply{}, fault.New(fault.Denied, "you have no right to put messages there")
	}
	var items []mailbox.Append
	defer func() {
		for _, it := range items {
			it.Content.Close()
		}
	}()
	bytes := int64(0)
	for more := true; more; {
		item, err := s.appendMessage(bytes)
		if err != nil {
			return reply{}, err
		}
		items = append(items, item)
		bytes += item.Content.Size()
		if more = !s.dec.atEnd(); more && len(items) >= maxAppend {
			return reply{}, no("LIMIT", "too many messages in one APPEND")
		}
	}
	done, err := s.mail.Append(ctx, f.ID, items...)
	if err != nil {
		return reply{}, tooBig(tryCreate(err))
	}
	s.tellOldName(&f, path, spelled)
	return reply{appendUID(done), "appended"}, nil
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

// appendMessage consumes a message with what stands before it: SP [flag-list SP] [date-time SP] data. before is
// how many bytes of other messages the command has brought.
func (s *session) appendMessage(before int64) (item mailbox.Append, err error) {
	d := &s.dec
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
	wrapped := d.tryKeyword("UTF8")
	if wrapped {
		d.sp()
		d.special('(')
	}
	binary := d.try('~') // a literal8 may hold NUL; we take NUL in any message
	if item.Content, err = s.messageLiteral(before, binary); err != nil {
		return item, err
	}
	if wrapped {
		d.special(')')
	}
	if d.ok() && !d.atEnd() && d.peek() != ' ' {
		d.expected("the end of the command")
	}
	if d.err != nil {
		item.Content.Close()
	}
	return item, d.err
}

// messageLiteral consumes a literal of any size up to the limit for messages, without holding it in memory.
// What can't be taken is refused before the client is invited to send it.
func (s *session) messageLiteral(before int64, binary bool) (*mailbox.Content, error) {
	size, async := s.dec.literalSize()
	if s.dec.err != nil {
		return nil, s.dec.err
	}
	if err := s.mayAppend(size, before); err != nil {
		return nil, err
	}
	if !async {
		if err := s.invite(); err != nil {
			return nil, err
		}
	}
	s.arm(time.Now().Add(2*time.Minute + time.Duration(size/s.lim.LiteralRate)*time.Second))
	w := s.srv.store.NewContent()
	watch := &nulWatcher{to: w}
	werr, err := s.in.copyTo(watch, size)
	if err == nil {
		err = s.dec.afterLiteral()
	}
	if err = errors.Join(lost(err), werr); err != nil {
		w.Discard()
		return nil, err
	}
	content, err := w.Finish()
	if err == nil && binary && watch.seen {
		return s.textual(content)
	}
	return content, err
}

// mayAppend checks a message's size, before bytes of others having come.
func (s *session) mayAppend(size, before int64) error {
	st := s.mail.State()
	switch {
	case size == 0: // RFC 3502 §6.3.11: the client has changed its mind
		return no("CANNOT", "a message can't be empty")
	case size > s.lim.Message:
		return no("TOOBIG", fmt.Sprintf("a message may have up to %d bytes", s.lim.Message))
	case before > 0 && before+size > maxAppendBytes:
		return no("LIMIT", "too much in one APPEND")
	case st.Limit.Bytes > 0 && st.Used.Bytes+size > st.Limit.Bytes, st.Limit.Items > 0 && st.Used.Items >= st.Limit.Items:
		return fault.New(fault.OverQuota, "the mailbox is full")
	}
	return nil
}
