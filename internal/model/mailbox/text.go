package mailbox

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/s2"

	"postroad/internal/fault"
	"postroad/internal/fault/spoil"
	"postroad/internal/format/fulltext"
	"postroad/internal/format/message"
	"postroad/internal/storage/spool"
)

// maxText is how much of a message's text can be searched, in bytes before it is folded.
const maxText = 16 << 20

// textChunk is how much folded text lies in one record.
const textChunk = 512 << 10

// text is what can be searched in a message besides its own header, folded: what people read (and the names of
// attachments), and the headers of its parts.
type text struct{ body, parts []byte }

// appendParts appends the headers of a message's parts.
func appendParts(dst []byte, s *message.Structure, msg io.ReaderAt) []byte {
	end := len(dst) + maxPartsText
	s.Root.Walk(func(p *message.Part) bool {
		if p != s.Root && len(dst) < end {
			dst = AppendHeaderField(dst, headerOf(p, msg), "")
		}
		return true
	})
	return dst
}

// maxPartsText is about how much of the headers of parts can be searched, in bytes.
const maxPartsText = 1 << 20

// maxPartHeader is how much of a part's header can be searched, in bytes.
const maxPartHeader = 64 << 10

func headerOf(p *message.Part, msg io.ReaderAt) []byte {
	b := make([]byte, min(p.HeaderSize, maxPartHeader))
	n, _ := msg.ReadAt(b, p.HeaderOffset) // what was read is what there is
	return b[:n]
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// lazyText is the text of a message on its way in, taken out when it is first stored: what is passed on needs none.
type lazyText struct {
	once   sync.Once
	parsed atomic.Pointer[message.Structure] // nil once made is there
	spool  *spool.Spool
	made   [][]byte

	looked sync.Once // for place
	where  textPlace
}

// place is where in the spool the text lies, if it is nothing else; n is 0 otherwise.
func (l *lazyText) place() textPlace {
	l.looked.Do(func() { l.where = placeOfText(l.parsed.Load(), l.spool) })
	return l.where
}

// Parsed returns what the message was parsed into as it came, and its bytes as the offsets in there mean them: without what was put
// in front since. It is nil once the text has been taken out, as the first append of the message does.
func (c *Content) Parsed() (*message.Structure, io.ReaderAt) {
	return c.text.parsed.Load(), c.text.spool
}

// take finds the text out, once.
func (l *lazyText) take() {
	l.once.Do(func() {
		if l.place().n == 0 {
			room := textRooms.Get().(*textRoom)
			defer textRooms.Put(room)
			defer room.spoil()
			l.made = room.pack(room.fold(l.parsed.Load(), l.spool))
		}
		l.parsed.Store(nil)
	})
}

// records are what is stored of a text; or it returns where it is in the spool, which is stored then.
func (l *lazyText) records() ([][]byte, textPlace) {
	l.take()
	return l.made, l.place()
}

// textRoom is memory for taking out a text.
type textRoom struct{ msg, plain, all, packed []byte }

var textRooms = sync.Pool{New: func() any { return new(textRoom) }}

func (m *textRoom) spoil() {
	for _, b := range [...][]byte{m.msg, m.plain, m.all, m.packed} {
		spoil.Bytes(b)
	}
}

// roomKept is how large a textRoom may be to be used again, in bytes.
const roomKept = 1 << 20

// textInline is up to what size of a message, in bytes, its text is taken out with its delivery. Of larger ones, whose
// senders would have to wait for it, the indexer does it, unless there is nothing to be taken out: see textPlace.
const textInline = 16 << 10

// textNow reports whether the text is taken out with the delivery.
func (c *Content) textNow() bool { return c.Size() <= textInline || c.text.place().n > 0 }

// fold takes a message's text out: the length of the body, body and parts; empty if there is no text. It is valid until the next call.
func (m *textRoom) fold(parsed *message.Structure, msg io.ReaderAt) []byte {
	const lengthRoom = binary.MaxVarintLen64
	all := append(m.all[:0], make([]byte, lengthRoom)...)
	m.plain = message.AppendText(m.plain[:0], parsed, msg, maxText)
	all = fulltext.AppendFolded(all, m.plain)
	body := len(all) - lengthRoom
	all = appendParts(all, parsed, msg)
	if m.all = all; max(cap(all), cap(m.plain)) > roomKept {
		m.all, m.plain = nil, nil
	}
	if len(all) == lengthRoom {
		return nil
	}
	var length [lengthRoom]byte
	n := binary.PutUvarint(length[:], uint64(body))
	all = all[lengthRoom-n:]
	copy(all, length[:n])
	return all
}

// pack makes the records that keep what fold gives: cut and compressed.
func (m *textRoom) pack(all []byte) (out [][]byte) {
	for len(all) > 0 {
		n := min(len(all), textChunk)
		m.packed = s2.Encode(m.packed[:cap(m.packed)], all[:n])
		out = append(out, bytes.Clone(m.packed))
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
