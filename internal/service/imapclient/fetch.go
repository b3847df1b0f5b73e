package imapclient

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/spool"
)

// maxHeld is how large a message may be that waits for its UID, in bytes.
const maxHeld = 512 << 20

// maxUIDs is how many messages a mailbox may have.
const maxUIDs = 16 << 20

// Message is what FETCH tells of one.
type Message struct {
	UID      uint32
	Flags    []string
	Received time.Time // zero: not told, or nothing that makes sense
	Size     int64     // -1: not told
	GmailID  uint64    // X-GM-MSGID; 0: none
	Body     io.Reader // to be read before fn returns; nil: not told. It fails if the connection does
}

// UIDs lists the messages of the mailbox that is open, each once, in the order that the server gives them. With
// gmail, fn also gets Gmail's number of the message.
func (c *Client) UIDs(gmail bool, fn func(uid uint32, gmailID uint64)) error {
	items := "(UID)"
	if gmail {
		items = "(UID X-GM-MSGID)"
	}
	n := 0
	return c.fetch("1:*", items, func(m *Message) error {
		if n++; n > maxUIDs {
			return fault.New(fault.TooLarge, "a mailbox has more than %d messages", maxUIDs)
		}
		fn(m.UID, m.GmailID)
		return nil
	})
}

// UIDsFrom lists the UIDs from one on, ascending, of messages in the mailbox that is open.
func (c *Client) UIDsFrom(first uint32, fn func(uid uint32)) error {
	if first == 0 {
		return nil // behind the last one that there can be
	}
	var all []uint32
	err := c.fetch(strconv.FormatUint(uint64(first), 10)+":*", "(UID)", func(m *Message) error {
		if m.UID >= first { // "*" is the last message, whatever its UID (RFC 9051 §9)
			all = append(all, m.UID)
		}
		if len(all) > maxUIDs {
			return fault.New(fault.TooLarge, "a mailbox has more than %d messages", maxUIDs)
		}
		return nil
	})
	slices.Sort(all)
	for _, uid := range slices.Compact(all) {
		fn(uid)
	}
	return err
}

// Gone is the error for a message that the server has no more: a refusal.
var Gone error = &refusal{text: "there is no such message"}

// Describe tells flags, date and size of messages.
func (c *Client) Describe(uids []uint32, fn func(m *Message) error) error {
	return c.fetch(set(uids), "(UID FLAGS INTERNALDATE RFC822.SIZE)", fn)
}

// Flags tells the flags of messages.
func (c *Client) Flags(uids []uint32, fn func(m *Message) error) error {
	return c.fetch(set(uids), "(UID FLAGS)", fn)
}

// Bodies gives whole messages, as they come, without marking them as read. An error of fn that isn't one of the
// body's ends the connection's use. Messages that are gone don't come.
func (c *Client) Bodies(uids []uint32, fn func(m *Message) error) error {
	return c.fetch(set(uids), "(UID BODY.PEEK[])", fn)
}

func (c *Client) fetch(set, items string, fn func(m *Message) error) error {
	return c.run("UID FETCH "+set+" "+items, func(r *response) error {
		if r.name != "FETCH" {
			return nil
		}
		return c.readFetch(fn)
	})
}

// readFetch reads one message's items. One that doesn't say its UID is about something that we didn't ask.
func (c *Client) readFetch(fn func(m *Message) error) error {
	m := &Message{Size: -1}
	if err := errors.Join(c.in.expect(' '), c.in.expect('(')); err != nil {
		return c.broken(err)
	}
	held, told := (*spool.Spool)(nil), false
	defer func() {
		if held != nil {
			held.Close()
		}
	}()
	for {
		name, more, err := c.itemName()
		if err != nil {
			return c.broken(err)
		}
		if !more {
			break
		}
		if name != "BODY[]" {
			if err := c.readItem(m, name); err != nil {
				return c.broken(err)
			}
			continue
		}
		body, err := c.openBody()
		if err != nil {
			return c.broken(err)
		}
		if body == nil {
			continue
		}
		if m.UID == 0 || told || held != nil { // whose is it?
			if held, err = c.hold(held, body); err != nil {
				return err
			}
			continue
		}
		told = true
		if err := c.give(m, body, fn); err != nil {
			return err
		}
	}
	switch {
	case told || m.UID == 0:
		return nil
	case held != nil:
		m.Body = io.NewSectionReader(held, 0, held.Size())
	}
	return fn(m)
}

// itemName reads the name of the next item; none is the end of the list.
func (c *Client) itemName() (name string, more bool, err error) {
	for {
		b, err := c.in.peek()
		if err != nil {
			return "", false, err
		}
		switch b {
		case ')':
			return "", false, c.in.expect(')')
		case ' ':
			if err := c.in.expect(' '); err != nil {
				return "", false, err
			}
			continue
		}
		name, err := c.in.atom()
		if err != nil {
			return "", false, err
		}
		return strings.ToUpper(name), true, c.in.expect(' ')
	}
}

// readItem reads an item that is no body.
func (c *Client) readItem(m *Message, name string) error {
	v, err := c.in.value(0)
	if err != nil {
		return err
	}
	switch name {
	case "UID":
		n, err := strconv.ParseUint(v.text, 10, 32)
		m.UID = uint32(n)
		return errIf(err != nil || n == 0)
	case "FLAGS":
		for _, f := range v.list {
			m.Flags = append(m.Flags, f.text)
		}
	case "INTERNALDATE":
		m.Received, _ = time.Parse("_2-Jan-2006 15:04:05 -0700", v.text)
	case "RFC822.SIZE":
		if n, err := strconv.ParseInt(v.text, 10, 64); err == nil && n >= 0 {
			m.Size = n
		}
	case "X-GM-MSGID":
		m.GmailID, _ = strconv.ParseUint(v.text, 10, 64)
	}
	return nil
}

// body is a literal on the wire.
type body struct {
	r    io.Reader
	left int64
	err  error // of the connection
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil {
		b.err = fault.Wrap(fault.Unavailable, ended(err), "the connection broke")
		return n, b.err
	}
	return n, nil
}

// openBody begins to read a message; nil if the server has none to give.
func (c *Client) openBody() (*body, error) {
	first, err := c.in.peek()
	if err != nil {
		return nil, err
	}
	if first == '{' || first == '~' {
		size, err := c.in.literalSize()
		if err == nil && size > maxBody {
			err = tooMuch("a message")
		}
		return &body{r: c.in.b, left: size}, err
	}
	v, err := c.in.value(0)
	if err != nil || v.null {
		return nil, err
	}
	return &body{r: strings.NewReader(v.text), left: int64(len(v.text))}, nil
}

// give gives a message, and reads what fn has left of it.
func (c *Client) give(m *Message, b *body, fn func(*Message) error) error {
	m.Body = b
	failed := fn(m)
	if _, err := io.Copy(io.Discard, b); err != nil {
		return errors.Join(c.broken(err), failed)
	}
	return failed
}

// hold keeps a message whose UID isn't known yet, instead of one that was held before.
func (c *Client) hold(before *spool.Spool, b *body) (*spool.Spool, error) {
	if before != nil {
		before.Close()
	}
	if b.left > maxHeld {
		return nil, tooMuch("a message without its UID")
	}
	s := spool.New(c.o.SpoolDir, 1<<20)
	_, err := io.Copy(s, b)
	if b.err != nil {
		err = c.broken(b.err)
	}
	return s, err
}

// set writes UIDs as a sequence set. Neighbours are joined.
func set(uids []uint32) string {
	var b strings.Builder
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(uids[i]), 10))
		if j > i {
			b.WriteString(":" + strconv.FormatUint(uint64(uids[j]), 10))
		}
		i = j + 1
	}
	return b.String()
}

// Delete marks messages as deleted and expunges them, and no others if the server can (RFC 4315).
// The mailbox must be open by Select.
func (c *Client) Delete(uids []uint32) error {
	if len(uids) == 0 {
		return nil
	}
	if err := c.run("UID STORE "+set(uids)+` +FLAGS.SILENT (\Deleted)`, nil); err != nil || !c.caps["UIDPLUS"] {
		return err // without UIDPLUS, EXPUNGE would take what others have marked: the mark must do
	}
	return c.run("UID EXPUNGE "+set(uids), nil)
}
