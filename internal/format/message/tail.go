package message

import "io"

// Tail returns the end of the part's body, decoded, of at most limit octets: for those who look for what stands at the end of a file, at a
// cost that doesn't grow with it. It is nil if the body's encoding can't be undone from the middle (any but base64 and the identities).
// msg has the message; if it can't be read, the tail is shorter.
func (p *Part) Tail(msg io.ReaderAt, limit int) []byte {
	if limit <= 0 || !Identity(p.Encoding) && p.Encoding != "base64" {
		return nil
	}
	raw := min(int64(limit), p.BodySize)
	if p.Encoding == "base64" {
		raw = min(int64(limit)*3/2, p.BodySize) // four characters for three octets, and line ends
	}
	b := make([]byte, raw)
	n, _ := msg.ReadAt(b, p.BodyOffset+p.BodySize-raw) // what was read is what there is
	if b = b[:n]; p.Encoding == "base64" {
		b = endOfBase64(b)
	}
	return b[max(len(b)-limit, 0):]
}

// endOfBase64 decodes the end of a body in base64, in place. Groups of four characters are counted from the end: that is complete, the
// beginning of what was read isn't.
func endOfBase64(b []byte) []byte {
	k := 0
	for _, c := range b {
		if sextet(c) != 0xff || c == '=' {
			b[k] = c
			k++
		}
	}
	b = b[k%4 : k]
	n := 0
	for i := 0; i+4 <= len(b); i += 4 {
		q := b[i : i+4]
		v := uint32(sextet(q[0])&63)<<18 | uint32(sextet(q[1])&63)<<12 | uint32(sextet(q[2])&63)<<6 | uint32(sextet(q[3])&63)
		out := 3
		if q[3] == '=' {
			out--
		}
		if q[2] == '=' {
			out--
		}
		for j := range out {
			b[n] = byte(v >> (16 - 8*j))
			n++
		}
	}
	return b[:n]
}

// sextet is a character's value in base64 (RFC 4648 section 4); 0xff: it has none.
func sextet(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return 0xff
}
