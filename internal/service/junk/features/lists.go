package features

import "bytes"

// What comes through a mailing list has the list's own marks: who sends it on, and what is written below each message. These are the same on whatever
// somebody sends there, also on junk, and together they would drown what the message itself says.

// ofList reports whether a field is there only on what came through a mailing list.
func ofList(name, value []byte) bool {
	switch lower(name[0]) {
	case 'l':
		return is(name, "List-Post")
	case 'm':
		return is(name, "Mailing-List")
	case 's':
		return is(name, "Sender") && keeper(value)
	case 'x':
		return is(name, "X-Mailman-Version") || is(name, "X-BeenThere")
	}
	return false
}

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

// withoutFooter is a text without what lists write below each message: what follows on a line that is drawn across, near its end.
func withoutFooter(b []byte) []byte {
	for at := max(0, len(b)-footer); at < len(b); {
		nl := bytes.IndexByte(b[at:], '\n')
		if nl < 0 {
			break
		}
		if drawn(b[at : at+nl]) {
			return b[:at]
		}
		at += nl + 1
	}
	return b
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
