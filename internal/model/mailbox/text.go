package mailbox

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/klauspost/compress/s2"

	"postroad/internal/fault"
	"postroad/internal/format/fulltext"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

// maxText is how much of a message's text can be searched, in bytes before it is folded.
const maxText = 16 << 20

// textChunk is how much folded text lies in one record.
const textChunk = 512 << 10

// text is what can be searched in a message besides its own header, folded: what people read (and the names of
// attachments), and the headers of its parts.
type text struct{ body, parts []byte }

// textOf takes the text out of a message.
func textOf(s *message.Structure, msg readerAt) text {
	var t text
	t.body = fulltext.AppendFolded(nil, message.Text(s, msg, maxText))
	s.Root.Walk(func(p *message.Part) bool {
		if p != s.Root && len(t.parts) < summary.MaxSize {
			t.parts = appendHeader(t.parts, message.PartHeader(p, msg))
		}
		return true
	})
	return t
}

// readerAt is a message that is complete.
type readerAt interface {
	ReadAt(p []byte, off int64) (int, error)
}

// appendHeader appends the fields of a header, decoded and folded, a line each.
func appendHeader(dst, header []byte) []byte {
	for len(header) > 0 {
		field := header[:fieldEnd(header)]
		header = header[len(field):]
		field = bytes.TrimSpace(field)
		if len(field) == 0 {
			break
		}
		dst = append(appendFieldText(dst, field), '\n')
	}
	return dst
}

// fieldEnd is where a header's first field ends, its folded lines included.
func fieldEnd(header []byte) int {
	for end := 0; ; {
		i := bytes.IndexByte(header[end:], '\n')
		if i < 0 {
			return len(header)
		}
		if end += i + 1; end == len(header) || header[end] != ' ' && header[end] != '\t' {
			return end
		}
	}
}

func appendFieldText(dst, field []byte) []byte {
	s := string(field)
	if strings.Contains(s, "=?") || strings.Contains(s, "\n") || !ascii(field) {
		s = message.DecodeWords(message.DecodeText(message.Unfold(s)))
	}
	return fulltext.AppendFolded(dst, s)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// chunks are the records that keep a text: the length of the body, body and parts, cut and compressed. None for no text.
func (t text) chunks() [][]byte {
	if len(t.body)+len(t.parts) == 0 {
		return nil
	}
	all := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+len(t.body)+len(t.parts)), uint64(len(t.body)))
	all = append(append(all, t.body...), t.parts...)
	var out [][]byte
	for len(all) > 0 {
		n := min(len(all), textChunk)
		out = append(out, s2.Encode(nil, all[:n]))
		all = all[n:]
	}
	return out
}

// appendChunk undoes a record of chunks.
func appendChunk(dst, value []byte) ([]byte, error) {
	n, err := s2.DecodedLen(value)
	if err != nil || n > textChunk {
		return dst, fault.New(fault.Corrupt, "a message's text is damaged")
	}
	at := len(dst)
	dst = append(dst, make([]byte, n)...)
	if _, err := s2.Decode(dst[at:], value); err != nil {
		return dst[:at], fault.New(fault.Corrupt, "a message's text is damaged")
	}
	return dst, nil
}

// split takes what appendChunk has joined apart.
func split(all []byte) (text, error) {
	n, k := binary.Uvarint(all)
	if len(all) == 0 {
		return text{}, nil
	}
	if k <= 0 || n > uint64(len(all)-k) {
		return text{}, fault.New(fault.Corrupt, "a message's text is damaged")
	}
	body := all[k : k+int(n) : k+int(n)]
	return text{body, all[k+int(n):]}, nil
}
