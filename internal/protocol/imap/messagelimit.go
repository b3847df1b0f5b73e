package imap

import (
	"fmt"

	"postroad/internal/model/mailbox"
)

// saveLimit is the number of messages that one COPY or APPEND is said to take (RFC 9738 §3). APPEND takes no more; COPY takes
// more of those who don't know this extension (RFC 9738 §4.2), since all of them or none must be copied.
const saveLimit = maxAppend

// messageLimit is the response code that tells of a limit, and if it is known the lowest UID that would still be within it, as
// such commands begin at the top (RFC 9738 §3.1).
func messageLimit(n int, uids ...mailbox.UID) string {
	if len(uids) == 0 {
		return fmt.Sprintf("MESSAGELIMIT %d", n)
	}
	return fmt.Sprintf("MESSAGELIMIT %d %d", n, uids[len(uids)-n])
}
