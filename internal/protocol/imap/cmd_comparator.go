package imap

import (
	"context"
	"strings"
)

// comparatorName is how text is compared, the only way there is (RFC 5051).
const comparatorName = "i;unicode-casemap"

// maxComparators is how many a command may name.
const maxComparators = 100

// comparator is COMPARATOR: RFC 5255 §4.7.
func (s *session) comparator(context.Context) (reply, error) {
	d := &s.dec
	asked, found := 0, false
	for d.ok() && d.trySP() {
		if asked++; asked > maxComparators {
			d.fail("too many comparators")
		}
		found = matchesComparator(string(d.astring())) || found
	}
	if err := d.end(); err != nil {
		return reply{}, err
	}
	if asked > 0 && !found {
		return reply{}, no("BADCOMPARATOR", "there is no such comparator") // RFC 5255 §4.9
	}
	s.out.line("* COMPARATOR ", comparatorName)
	return reply{text: "text is compared so"}, nil
}

// matchesComparator reports whether a collation-order (RFC 4790 §3.2) means ours: "*" stands for anything, and the name may
// be that of the default.
func matchesComparator(order string) bool {
	order = strings.TrimPrefix(strings.ToLower(order), "+")
	return order == "default" || len(order) <= 254 && match(strings.ReplaceAll(order, "%", "\x00"), comparatorName)
}
