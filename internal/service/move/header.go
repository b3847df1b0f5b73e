package move

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"postroad/internal/format/message"
	"postroad/internal/model/mailbox"
)

// maxHeader is how much of a message's header is looked at, in bytes.
const maxHeader = 256 << 10

// fieldsOf calls fn with each field of a header: its folded name, its value, and all its bytes.
func fieldsOf(header []byte, fn func(name, value string, raw []byte)) {
	for len(header) > 0 {
		n := message.FieldEnd(header)
		raw := header[:n]
		header = header[n:]
		name, value, ok := bytes.Cut(raw, []byte(":"))
		if !ok {
			name, value = nil, nil
		}
		fn(strings.ToLower(string(bytes.TrimSpace(name))), string(bytes.TrimSpace(value)), raw)
	}
}

// marks is what mail programs note of a message inside it.
type marks struct {
	flags    mailbox.Flags
	keywords []string
	labels   []string  // Google's
	received time.Time // by the newest Received field, or Date
	expunged bool      // the program shows it no more
	internal bool      // no message at all: the folder's own data (UW IMAP, Pine)
}

// readMarks reads a header's marks, and returns the header without the fields that are nothing else. Of each such field only the
// first is taken: another one is the message's own. Seen by us: Status, X-Status, X-Keywords (mbox of Dovecot, mutt, Pine),
// X-Mozilla-* (Thunderbird), X-Gmail-Labels (Google Takeout), X-Unsent (Outlook Express, in EML).
func readMarks(header []byte, strip bool) (marks, []byte) {
	var m marks
	var date time.Time
	left := make([]byte, 0, len(header))
	had := map[string]bool{}
	fieldsOf(header, func(name, value string, raw []byte) {
		first := !had[name]
		had[name] = true
		if first && strip && m.own(name, value) {
			return
		}
		left = append(left, raw...)
		if first {
			m.other(name, value, &date)
		}
	})
	if m.received.IsZero() {
		m.received = date
	}
	return m, left
}

// own takes a field that is a mark and nothing else.
func (m *marks) own(name, value string) bool {
	switch name {
	case "status":
		m.letters(value, map[rune]mailbox.Flags{'R': mailbox.Seen, 'D': mailbox.Deleted})
	case "x-status":
		m.letters(value, map[rune]mailbox.Flags{'A': mailbox.Answered, 'F': mailbox.Flagged, 'T': mailbox.Draft, 'D': mailbox.Deleted})
	case "x-keywords", "x-mozilla-keys":
		m.keywords = append(m.keywords, strings.Fields(value)...)
	case "x-mozilla-status":
		m.mozilla(value)
	case "x-imap":
		m.internal = true
	case "x-uid", "x-imapbase", "x-mozilla-status2", "content-length":
	default:
		return false
	}
	return true
}

func (m *marks) letters(value string, known map[rune]mailbox.Flags) {
	for _, c := range value {
		m.flags |= known[c]
	}
}

// mozilla reads Thunderbird's bits.
func (m *marks) mozilla(value string) {
	const read, replied, marked, expunged, forwarded = 1, 2, 4, 8, 0x1000
	bits, err := strconv.ParseUint(value, 16, 32)
	if err != nil {
		return
	}
	for bit, f := range map[uint64]mailbox.Flags{read: mailbox.Seen, replied: mailbox.Answered, marked: mailbox.Flagged} {
		if bits&bit != 0 {
			m.flags |= f
		}
	}
	if bits&forwarded != 0 {
		m.keywords = append(m.keywords, "$Forwarded")
	}
	m.expunged = bits&expunged != 0
}

// other looks at a field that stays.
func (m *marks) other(name, value string, date *time.Time) {
	switch name {
	case "x-gmail-labels":
		m.gmail(message.DecodeWords(value))
	case "x-unsent":
		if value == "1" {
			m.flags |= mailbox.Draft
		}
	case "date":
		*date, _ = message.ParseDate(value)
	case "received": // the first one is the newest; its date stands after the last semicolon (RFC 5321 §4.4)
		m.received, _ = message.ParseDate(value[strings.LastIndexByte(value, ';')+1:])
	}
}

// ReceivedAt is the date of a message by its header: of its newest Received field, or Date; zero if neither makes sense.
func ReceivedAt(header []byte) time.Time {
	for _, end := range []string{"\n\n", "\n\r\n"} {
		if i := bytes.Index(header, []byte(end)); i >= 0 {
			header = header[:i+1]
		}
	}
	m, _ := readMarks(header, false)
	return m.received
}
