package directory

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"time"
)

// The codes are those that all authenticator programs know: six digits, SHA-1, 30 seconds.
const (
	codePeriod = 30 * time.Second
	codeDigits = 6
	codeSecret = 20 // bytes: RFC 4226 §4, R6
)

// codeStep is the number of the period that a time is in (RFC 6238 §4.2).
func codeStep(t time.Time) uint64 { return uint64(t.Unix()) / uint64(codePeriod/time.Second) }

// codeAt is a period's code: HOTP (RFC 4226 §5.3) of its number.
func codeAt(secret string, step uint64) string {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 15
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", codeDigits, n%1_000_000)
}

// findCode looks for the period whose code it is: now's, or one beside it, for clocks that differ (RFC 6238 §5.2). Only those after
// last count: a code is good once. ok is false if there is none.
func findCode(secret, code string, now time.Time, last uint64) (step uint64, ok bool) {
	for _, step := range []uint64{codeStep(now), codeStep(now) - 1, codeStep(now) + 1} {
		if step > last && hmac.Equal([]byte(codeAt(secret, step)), []byte(code)) {
			return step, true
		}
	}
	return 0, false
}
