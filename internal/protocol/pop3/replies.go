package pop3

import "postroad/internal/fault"

// codes gives each kind of failure its response code (RFC 2449 §8, RFC 3206 §4); none where no code fits.
func codes() map[fault.Kind]string {
	return map[fault.Kind]string{
		fault.Internal:        "[SYS/TEMP] ",
		fault.NotFound:        "",
		fault.Exists:          "",
		fault.Denied:          "[AUTH] ",
		fault.Unauthenticated: "[AUTH] ",
		fault.Invalid:         "",
		fault.TooLarge:        "",
		fault.OverQuota:       "[SYS/TEMP] ",
		fault.Conflict:        "[SYS/TEMP] ",
		fault.InUse:           "[IN-USE] ",
		fault.RateLimited:     "[SYS/TEMP] ",
		fault.Unavailable:     "[SYS/TEMP] ",
		fault.Unsupported:     "[SYS/PERM] ",
		fault.Corrupt:         "[SYS/PERM] ",
		fault.Canceled:        "[SYS/TEMP] ",
	}
}

// replyTo is what a client hears of a failure, behind -ERR.
func replyTo(err error) string { return codes()[fault.KindOf(err)] + fault.TextOf(err) }
