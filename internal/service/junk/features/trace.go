package features

import "bytes"

// maxHops is how many Received fields are looked at, and maxHop how much of one, in octets.
const (
	maxHops = 16
	maxHop  = 600
)

// A hop is what a Received field tells of whom a server got the message from: from has how that called itself, helo, and what the server
// found out about it, found; with is the protocol.
type hop struct {
	from, helo, found, with []byte
}

// hopOf reads a Received field. It isn't ok if the message came from nobody else.
func hopOf(value []byte) (h hop, ok bool) {
	v := bytes.TrimSpace(value)
	v = v[:min(len(v), maxHop)]
	if !hasPrefix(v, "from ") {
		return h, false
	}
	v = v[len("from "):]
	by := beforeWord(v, "by")
	h.from, v = bytes.TrimSpace(v[:by]), v[by:]
	end := bytes.IndexAny(h.from, " \t\r\n")
	if end < 0 {
		end = len(h.from)
	}
	h.helo, h.found = h.from[:end], h.from[end:]
	if tls := bytes.Index(h.found, []byte("(using ")); tls >= 0 {
		h.found = h.found[:tls]
	}
	if with := beforeWord(v, "with"); with < len(v) {
		v = bytes.TrimLeft(v[with+len(" with"):], " \t\r\n")
		n := 0
		for n < min(len(v), 12) && v[n] > ' ' && v[n] != ';' {
			n++
		}
		h.with = v[:n]
	}
	return h, true
}

// beforeWord is where the blank before a word stands; len(v): nowhere.
func beforeWord(v []byte, word string) int {
	for at := 1; at < len(v); {
		i := bytes.Index(v[at:], []byte(word))
		if i < 0 {
			break
		}
		i += at
		if end := i + len(word); v[i-1] <= ' ' && end < len(v) && v[end] <= ' ' {
			return i - 1
		}
		at = i + 1
	}
	return len(v)
}

// inside reports whether a hop is within a network that nobody sees from outside, or from a mailbox elsewhere.
func (h *hop) inside() bool {
	if h.fetched() {
		return true
	}
	for _, p := range [...]string{"127.", "10.", "192.168.", "172.", "[::1", ":::1", "[f", ":f"} {
		if bytes.Contains(h.from, []byte(p)) {
			return h.private()
		}
	}
	return false
}

// private reports whether the client's address is one of those that nobody sees from outside: the one that the server found, or, where it tells none,
// that by which the client called itself.
func (h *hop) private() bool {
	addr, _ := clientIn(withoutHelo(h.found))
	if !addr.IsValid() {
		addr, _ = clientIn(h.helo)
	}
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()
}

// withoutHelo is what a server found out about a client without what it repeats of the client's own words, up to those or from behind them on: "(HELO
// word) (address)", "(helo=word)", "(address helo=word)".
func withoutHelo(found []byte) []byte {
	if i := bytes.Index(found, []byte("(HELO ")); i >= 0 {
		_, found, _ = bytes.Cut(found[i:], []byte(")"))
	}
	if i := bytes.Index(found, []byte("helo=")); i >= 0 {
		found = found[:i]
	}
	return found
}

// fetched reports whether the message was fetched from a mailbox.
func (h *hop) fetched() bool { return is(h.with, "IMAP") || is(h.with, "POP3") }

// calls says how the client called itself.
func (h *hop) calls() string {
	switch b := h.helo; {
	case len(b) == 0:
		return "nothing"
	case b[0] == '[':
		return "a number in brackets"
	case numeric(b):
		return "a number"
	case is(b, "unknown"):
		return "unknown"
	case is(b, "localhost"):
		return "localhost"
	case bytes.IndexByte(b, '@') >= 0:
		return "a mailbox"
	case bytes.IndexByte(b, '.') < 0:
		return "no domain"
	}
	return "a domain"
}

// betweenNames has what is around names and addresses in a Received field.
var betweenNames = func() (t [256]bool) {
	for _, c := range []byte(" ()[]\t\r\n=") {
		t[c] = true
	}
	return t
}()

// is says how what the server found out goes with that.
func (h *hop) is() string {
	c := h.found
	switch {
	case len(c) == 0:
		return "nothing"
	case bytes.Contains(c, []byte("forged")):
		return "perhaps forged"
	case bytes.Contains(c, []byte("HELO")) || bytes.Contains(c, []byte("helo=")):
		return "of the name it told"
	}
	name, addr := []byte(nil), false
	for i := 0; i < len(c); {
		start := i
		for i < len(c) && !betweenNames[c[i]] {
			i++
		}
		w := c[start:i]
		i++
		switch w = w[bytes.LastIndexByte(w, '@')+1:]; {
		case len(w) == 0:
		case numeric(w):
			addr = true
		case name == nil:
			name = w
		}
	}
	switch {
	case name == nil && addr:
		return "a number alone"
	case name == nil:
		return "something else"
	case is(name, "unknown"):
		return "without a name"
	case bytes.EqualFold(name, h.helo):
		return "of the same name"
	case bytes.EqualFold(domainIn(name), domainIn(h.helo)):
		return "of nearly the same name"
	}
	return "of another name"
}

// trace adds how the message went, as servers on the way tell, whoever they are: how those that they got it from called themselves and what they were, and
// whether the author's domain and that of the message's ID were among them. Names don't count, for those of somebody's own servers are on all of
// their mail. Who sends junk can write such fields, but can't take away those that others write later.
func (x *extraction) trace(host, id []byte) {
	author, made, any := false, false, false
	for _, value := range x.hops {
		h, ok := hopOf(value)
		if !ok || h.inside() {
			continue
		}
		any = true
		from := x.lower(h.from)
		author = author || contains(from, domainIn(host))
		made = made || contains(from, domainIn(id))
		x.buf = append(append(append(x.buf[:0], h.calls()...), ", was "...), h.is()...)
		x.add(Trace, x.buf)
		x.add2(Trace, x.buf, x.lower(h.with))
	}
	clear(x.hops)
	if any && len(host) > 0 {
		x.add2String(Trace, "author's domain", yesOrNo(author))
		if len(id) > 0 {
			x.add2String(Trace, "message ID's domain", yesOrNo(made))
		}
	}
}

func contains(text, part []byte) bool { return len(part) > 0 && bytes.Contains(text, part) }

var yes, no = []byte("yes"), []byte("no")

func yesOrNo(b bool) []byte {
	if b {
		return yes
	}
	return no
}

// agreement adds how the message's ID goes with the program that made it: programs that others pretend to be make them otherwise.
func (x *extraction) agreement(id string) {
	p := x.program[:min(len(x.program), 30)]
	if i := bytes.IndexAny(p, "/0123456789(["); i >= 0 {
		p = p[:i]
	}
	if id == "" {
		return
	}
	x.shapes = appendShape(x.shapes[:0], []byte(id))
	x.add2(Match, x.lower(bytes.TrimSpace(p)), x.shapes)
	x.program = nil
}

// linked adds whether links lead to where the author is.
func (x *extraction) linked() {
	switch {
	case x.mine+x.others == 0 || len(x.domain) == 0:
	case x.others == 0:
		x.addString(Match, "links to the author alone")
	case x.mine == 0:
		x.addString(Match, "links to others")
	default:
		x.addString(Match, "links to the author and others")
	}
}
