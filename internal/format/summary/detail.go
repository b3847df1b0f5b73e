package summary

import (
	"unicode/utf8"

	"postroad/internal/format/message"
)

// MaxSize is the size of the largest record that Make makes, in octets. Stores may rely on it.
const MaxSize = 1 << 20

// A detail says how much of a message goes into its record. No honest message needs more than the first; hostile ones
// (IMAP writes the two octets "a:" of an address list as 35, and the sender's list three times) are told more briefly.
type detail struct {
	text   int  // octets of one text
	list   int  // addresses of one field
	params int  // parameters, or languages, of one part
	parts  int  // parts in all
	nested bool // envelopes of nested messages
	header bool // the header itself
}

var details = [...]detail{
	{text: MaxSize, list: MaxSize, params: MaxSize, parts: MaxSize, nested: true, header: true},
	{text: 1024, list: 1000, params: 10, parts: 2000},
	{text: 40, list: 30, params: 2, parts: 300},
}

// clip shortens a text that is to be stored as it is, in any character set.
func (d *detail) clip(s string) string {
	if len(s) <= d.text {
		return s
	}
	return s[:d.text]
}

// clipText shortens UTF-8 text between characters.
func (d *detail) clipText(s string) string {
	if len(s) <= d.text {
		return s
	}
	n := d.text
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// addresses shortens a list of addresses. A group that is cut is closed.
func (d *detail) addresses(as []message.Address) []message.Address {
	if len(as) <= d.list {
		return as
	}
	open := false
	for i := range d.list {
		open = as[i].Group == message.GroupStart || open && as[i].Group != message.GroupEnd
	}
	if open {
		return append(as[:d.list:d.list], message.Address{Group: message.GroupEnd})
	}
	return as[:d.list]
}

// prune returns the part with at most *left parts below it, and counts these off. The part itself is not changed.
func prune(p *message.Part, left *int) *message.Part {
	below := len(p.Children)
	if p.Message != nil {
		below = 1
	}
	if below == 0 {
		return p
	}
	q := *p
	if *left == 0 {
		q.Children, q.Message, q.Opaque = nil, nil, true
		return &q
	}
	if p.Message != nil {
		*left--
		q.Message = &message.Nested{Envelope: p.Message.Envelope, Root: prune(p.Message.Root, left)}
		return &q
	}
	q.Children = nil
	for _, c := range p.Children {
		if *left == 0 {
			break
		}
		*left--
		q.Children = append(q.Children, prune(c, left))
	}
	return &q
}
