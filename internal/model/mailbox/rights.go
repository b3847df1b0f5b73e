package mailbox

import (
	"strings"

	"postroad/internal/fault"
)

// rightLetters are the rights in the order in which they are shown (RFC 4314 §2.1), a letter for each bit.
const rightLetters = "lrswipkxtea"

// Virtual rights of RFC 2086 stand for several (RFC 4314 §2.1.1).
const (
	CreateRights = RightCreate | RightDelete // c
	DeleteRights = RightTrash | RightExpunge // d
)

// String writes rights as the letters of RFC 4314.
func (r Rights) String() string { return string(r.Append(nil)) }

// Append appends the letters of RFC 4314.
func (r Rights) Append(b []byte) []byte {
	for i := range len(rightLetters) {
		if r&(1<<i) != 0 {
			b = append(b, rightLetters[i])
		}
	}
	return b
}

// ParseRights reads letters of RFC 4314, with "c" and "d" for several. Another letter is fault.Invalid.
func ParseRights(letters string) (r Rights, err error) {
	for _, c := range []byte(letters) {
		switch i := strings.IndexByte(rightLetters, c); {
		case i >= 0:
			r |= 1 << i
		case c == 'c':
			r |= CreateRights
		case c == 'd':
			r |= DeleteRights
		default:
			return 0, fault.New(fault.Invalid, "there is no such right")
		}
	}
	return r, nil
}
