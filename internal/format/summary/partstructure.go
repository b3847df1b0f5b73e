package summary

import (
	"bytes"
	"strconv"
)

// PartStructure returns the BODYSTRUCTURE of the part with the given IMAP part number, of the message itself without one,
// or with nested of the message inside of it; nil if there is none. It is a slice of the record.
func (r Record) PartStructure(nested bool, number ...uint32) []byte {
	cur, inMessage := r.BodyStructure(), true // as in find
	for i := 0; i < len(number) && cur != nil; {
		switch n := number[i]; {
		case isMultipartBody(cur):
			cur, inMessage = childBody(cur, n), false
			i++
		case inMessage && n == 1:
			inMessage = false
			i++
		case !inMessage:
			cur, inMessage = messageBody(cur), true
		default:
			return nil
		}
	}
	if nested && cur != nil {
		return messageBody(cur)
	}
	return cur
}

// DecodedStructure is a BODYSTRUCTURE as it is when the transfer encoding of the part's body is undone, which
// then has so many octets and lines, and which identity for an encoding: 7BIT, 8BIT or BINARY (RFC 2045 §6.2). One of several parts stays as it
// is. It returns nil if structure is none.
func DecodedStructure(structure []byte, identity string, size, lines int64) []byte {
	if isMultipartBody(structure) {
		return structure
	}
	t := trimmer{in: structure}
	t.copy('(')
	t.values(5)
	isText := bytes.HasPrefix(t.out, []byte(`("TEXT" `))
	t.replace(` "` + identity + `"`)
	t.replace(" " + strconv.FormatInt(size, 10))
	if isText {
		t.replace(" " + strconv.FormatInt(lines, 10))
	}
	if t.bad {
		return nil
	}
	return append(t.out, t.in...)
}

// replace copies text in place of a space and the value behind it.
func (t *trimmer) replace(text string) {
	t.skip()
	t.out = append(t.out, text...)
}

// skip passes over a space and the value behind it.
func (t *trimmer) skip() {
	mark := len(t.out)
	t.copy(' ')
	t.value()
	t.out = t.out[:mark]
}

func isMultipartBody(b []byte) bool { return len(b) > 1 && b[1] == '(' }

// childBody is the n-th body in that of a multipart, counted from 1; nil if there is none.
func childBody(b []byte, n uint32) []byte {
	t := trimmer{in: b[1:]}
	for i := uint32(1); t.at('(') && !t.bad; i++ {
		from := t.in
		t.out = t.out[:0]
		t.value()
		if i == n && !t.bad {
			return from[:len(from)-len(t.in)]
		}
	}
	return nil
}

// messageBody is the body in that of a message inside of a message; nil if b isn't one.
func messageBody(b []byte) []byte {
	t := trimmer{in: b}
	t.copy('(')
	t.values(2)
	if kind := string(t.out); kind != `("MESSAGE" "RFC822"` && kind != `("MESSAGE" "GLOBAL"` {
		return nil
	}
	for range 6 { // the other fields and the envelope
		t.skip()
	}
	t.copy(' ')
	from := t.in
	t.value()
	if t.bad {
		return nil
	}
	return from[:len(from)-len(t.in)]
}
