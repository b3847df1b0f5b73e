package features

import (
	"bytes"
	"slices"
	"strings"
)

// What comes through a mailing list has the list's own marks: who sends it on, and what is written below each message. These are the same on whatever
// somebody sends there, also on junk, and together they would drown what the message itself says.

// keeper reports whether an address is one that programs send a list's mail from.
func keeper(value []byte) bool {
	at := bytes.LastIndexByte(value, '@')
	if at < 0 {
		return false
	}
	local := value[:at]
	local = local[bytes.LastIndexAny(local, "<\" \t")+1:]
	return hasPrefix(local, "owner-") || hasSuffix(local, "-owner") || hasSuffix(local, "-admin") || hasSuffix(local, "-bounces")
}

func hasSuffix(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && is(b[len(b)-len(suffix):], suffix)
}

// footer is how far from the end of a text what lists write below messages may begin.
const footer = 1000

// withoutFooter is a part without what lists write below each message: what follows on a line that is drawn across, or tells of the list, near its end. It is at most twice as
// much as what people see above it: else who sends junk would draw a line above it.
func (x *extraction) withoutFooter(b []byte, page bool) []byte {
	for at := max(0, len(b)-footer); at < len(b); {
		nl := bytes.IndexByte(b[at:], '\n')
		if nl < 0 {
			break
		}
		if line := b[at : at+nl]; drawn(line) || ofItself(line) {
			if above := x.seen(b[:at], page); 2*above < len(b)-at {
				return b
			}
			return b[:at]
		}
		at += nl + 1
	}
	return b
}

// footerAside is a part without its footer, of which nothing counts but links that lead elsewhere than to the list: whoever says that their message came
// through one doesn't hide by that where it leads.
func (x *extraction) footerAside(b []byte, page bool) []byte {
	own := x.withoutFooter(b, page)
	x.below = true
	x.linksIn(b[len(own):])
	x.below = false
	return own
}

// ofTheList reports whether a host is of a domain that is in the fields which the list has added.
func (x *extraction) ofTheList(host []byte) bool {
	domain := string(domainIn(x.lower(host)))
	return domain != "" && slices.ContainsFunc(x.lists, func(value []byte) bool { return indexFold(value, domain) >= 0 })
}

// seen is about how much of a text people see.
func (x *extraction) seen(b []byte, page bool) (n int) {
	if page {
		reader := htmlReader{x: &extraction{}, anchor: -1}
		reader.read(b)
		b = reader.out
	}
	for _, c := range b {
		if c > ' ' {
			n++
		}
	}
	return n
}

// drawn reports whether a line begins with twenty of the same sign.
func drawn(line []byte) bool {
	if len(line) < 20 || bytes.IndexByte([]byte("_-=*~#"), line[0]) < 0 {
		return false
	}
	for _, c := range line[:20] {
		if c != line[0] {
			return false
		}
	}
	return true
}

// ofItself reports whether a line tells of the list itself.
func ofItself(line []byte) bool {
	return bytes.Contains(line, []byte("/mailman/listinfo/")) || bytes.Contains(line, []byte("mailing list"))
}

// withoutTag is the subject of what came through a list without the tag that the list has put in front of it.
func withoutTag(subject string) string {
	if end := strings.IndexByte(subject, ']'); end > 0 && end < 30 && subject[0] == '[' {
		return subject[end+1:]
	}
	return subject
}
