package move

import (
	"strings"

	"postroad/internal/model/mailbox"
)

// flagNames are flags as they go over the wire: IMAP's names (RFC 9051 §2.3.2).
var flagNames = []struct {
	flag mailbox.Flags
	name string
}{
	{mailbox.Seen, `\Seen`}, {mailbox.Answered, `\Answered`}, {mailbox.Flagged, `\Flagged`},
	{mailbox.Deleted, `\Deleted`}, {mailbox.Draft, `\Draft`},
}

func namesOf(f mailbox.Flags) (names []string) {
	for _, x := range flagNames {
		if f&x.flag != 0 {
			names = append(names, x.name)
		}
	}
	return names
}

func flagsOf(names []string) (f mailbox.Flags) {
	for _, n := range names {
		for _, x := range flagNames {
			if n == x.name {
				f |= x.flag
			}
		}
	}
	return f
}

// usable gives the keywords that IMAP can say (RFC 9051 §9, flag-keyword), and how many it can't.
func usable(keywords []string) (good []string, bad int) {
	for _, k := range keywords {
		if k == "" || len(k) > mailbox.MaxKeyword || strings.ContainsFunc(k, unfit) {
			bad++
		} else {
			good = append(good, k)
		}
	}
	return good, bad
}

func unfit(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`(){%*"\]`, c) }

// systemFlags are the flags of RFC 9051 §2.3.2, folded.
var systemFlags = map[string]mailbox.Flags{`\seen`: mailbox.Seen, `\answered`: mailbox.Answered, `\flagged`: mailbox.Flagged,
	`\deleted`: mailbox.Deleted, `\draft`: mailbox.Draft}

// ReadFlags tells flags from keywords, as IMAP writes them. \Recent and what else begins with a backslash is the server's own.
func ReadFlags(all []string) (flags mailbox.Flags, keywords []string) {
	for _, f := range all {
		if flag := systemFlags[strings.ToLower(f)]; flag != 0 {
			flags |= flag
		} else if !strings.HasPrefix(f, `\`) {
			keywords = append(keywords, f)
		}
	}
	return flags, keywords
}

// UsableKeywords are those that can be kept.
func UsableKeywords(all []string) []string {
	some, _ := usable(all)
	return some
}
