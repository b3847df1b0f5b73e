package message

import (
	"strings"
	"sync"
)

// An Address is one mailbox, or one end of a group, of an address list. RFC 5322 section 3.4.
// Name, Mailbox and Host are without quotes, escapes and comments; encoded words and 8-bit octets are kept.
type Address struct {
	Name    string // the phrase before, or the comment after the address; a group's name
	Route   string // "@a,@b" of the obsolete <@a,@b:x@y>
	Mailbox string // local part
	Host    string // domain, or domain literal with its brackets; "" if there is none
	Group   GroupMark
}

// A GroupMark tells mailboxes and the ends of groups apart.
type GroupMark uint8

const (
	NoGroup    GroupMark = iota // a mailbox
	GroupStart                  // what follows is in the group called Name
	GroupEnd                    // what follows isn't
)

// Addr returns mailbox@host as text for people and comparisons, without quotes.
func (a *Address) Addr() string {
	if a.Host == "" {
		return a.Mailbox
	}
	return a.Mailbox + "@" + a.Host
}

// DisplayName returns the name decoded, or "".
func (a *Address) DisplayName() string { return DecodeWords(a.Name) }

// ParseAddresses reads the value of an address field. It never fails: what can't be understood is left out, or becomes a
// mailbox without a host. Groups are marked by their ends and always closed. It stops after MaxAddresses: see TooManyAddresses.
func ParseAddresses(v string) []Address {
	l := lexers.Get().(*addressLexer)
	as := l.appendTo(nil, Unfold(v))
	l.leave()
	return as
}

var lexers = sync.Pool{New: func() any { return &addressLexer{words: make([]word, 0, usualWords)} }}

const (
	usualWords = 4 // most names have fewer
	mostWords  = 64
)

// leave lets others use what the lexer has needed, which keeps no message's text from being forgotten.
func (l *addressLexer) leave() {
	words := l.words[:cap(l.words)]
	if len(words) > mostWords {
		return
	}
	clear(words)
	l.words, l.s, l.out = words[:0], "", nil
	l.resetMailbox()
	lexers.Put(l)
}

// MaxAddresses is how many mailboxes and ends of groups of one field, or of all of one name in an Envelope, are read: more than a header of usual length can
// have of real ones, while a few octets of what looks like one take a hundred of memory.
const MaxAddresses = 20_000

// TooManyAddresses reports whether there may have been more in a field than ParseAddresses has given.
func TooManyAddresses(as []Address) bool { return len(as) >= MaxAddresses }

// appendTo reads another list. What the lexer has needed for others is used again.
func (l *addressLexer) appendTo(as []Address, v string) []Address {
	l.s, l.pos, l.out, l.inGroup, l.begin = v, 0, as, false, 0
	l.resetMailbox()
	if as == nil {
		l.out = make([]Address, 0, 1+min(strings.Count(v, ","), maxGuess))
	}
	for l.pos < len(l.s) && len(l.out) < MaxAddresses {
		l.step()
	}
	if len(l.out) < MaxAddresses {
		l.endMailbox()
	}
	l.endGroup()
	if len(l.out) == len(as) {
		return as
	}
	return l.out
}

// maxGuess bounds for how many addresses room is made because of commas.
const maxGuess = 16

// An addressLexer reads an address list from left to right. It holds what it has seen of the mailbox at hand.
type addressLexer struct {
	s       string
	pos     int
	out     []Address
	inGroup bool

	words   []word
	comment string
	addr    Address // valid if have
	have    bool
	angle   bool // addr came in angle brackets
	begin   int  // where the mailbox begins
}

// A word is an atom, or what a quoted string says, and its place.
type word struct {
	text       string
	start, end int
	quoted     bool
}

// step reads one token.
func (l *addressLexer) step() {
	switch c := l.s[l.pos]; c {
	case ' ', '\t', '\r', '\n', '(':
		l.skipCFWS()
	case '"':
		end, next := quotedEnd(l.s, l.pos)
		l.addWord(word{unescape(l.s[l.pos+1 : end]), l.pos, next, true})
	case ',':
		l.pos++
		l.endMailbox()
	case ';':
		l.pos++
		l.endMailbox()
		l.endGroup()
	case ':':
		l.startGroup()
	case '<':
		l.angleAddress()
	case '@':
		l.bareAddress()
	case '>':
		l.pos++
	default:
		l.atom()
	}
}

func (l *addressLexer) addWord(w word) {
	if len(l.words) == 0 && !l.have {
		l.begin = w.start
	}
	l.words = append(l.words, w)
	l.pos = w.end
}

// atom reads everything up to the next special. An encoded word may have specials in it: it shouldn't, but is sent.
func (l *addressLexer) atom() {
	start := l.pos
	if n := encodedWordLen(l.s[start:]); n > 0 {
		l.addWord(word{l.s[start : start+n], start, start + n, false})
		return
	}
	for l.pos++; l.pos < len(l.s) && !endsAtom(l.s[l.pos]); l.pos++ {
	}
	l.addWord(word{l.s[start:l.pos], start, l.pos, false})
}

func endsAtom(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', '(', '"', ',', ';', ':', '<', '>', '@':
		return true
	}
	return false
}

// startGroup makes the words before a colon a group's name.
func (l *addressLexer) startGroup() {
	l.pos++
	if l.have { // "a@b: ..." is no group; the colon is passed over
		return
	}
	l.endGroup()
	l.out = append(l.out, Address{Name: l.phrase(l.words), Group: GroupStart})
	l.inGroup = true
	l.resetMailbox()
}

func (l *addressLexer) endGroup() {
	if l.inGroup {
		l.out = append(l.out, Address{Group: GroupEnd})
		l.inGroup = false
	}
}

// angleAddress reads <route:local@domain>. What stands before it is the name, also if it looks like an address.
func (l *addressLexer) angleAddress() {
	before := l.pos
	end, next := angleEnd(l.s, l.pos)
	inner := l.s[l.pos+1 : end]
	l.pos = next
	if l.angle { // a second one; the first counts
		return
	}
	name := l.phrase(l.words)
	if l.have {
		name = strings.TrimSpace(l.s[l.begin:before])
	}
	l.addr = parseAddrSpec(inner)
	l.addr.Name = name
	l.have, l.angle, l.words = true, true, l.words[:0]
}

// angleEnd returns where the address in angle brackets ends that begins at s[i], and what follows. One that is not closed
// ends at the next comma.
func angleEnd(s string, i int) (end, next int) {
	comma := -1
	for i++; i < len(s); i++ {
		switch s[i] {
		case '>':
			return i, i + 1
		case '"':
			_, next := quotedEnd(s, i)
			i = next - 1
		case '(':
			i = commentEnd(s, i) - 1
		case ',':
			if comma < 0 {
				comma = i
			}
		case '<':
			if comma >= 0 {
				return comma, comma
			}
			return i, i
		}
	}
	if comma >= 0 {
		return comma, comma
	}
	return len(s), len(s)
}

// bareAddress reads @domain; the last word before it is the local part, and what stands before that the name.
func (l *addressLexer) bareAddress() {
	at := l.pos
	l.pos++
	if l.have || len(l.words) == 0 { // an "@" too many
		return
	}
	first := len(l.words) - 1
	for first > 0 && (strings.HasPrefix(l.words[first].text, ".") || strings.HasSuffix(l.words[first-1].text, ".")) {
		first-- // obsolete: blanks around the dots of a local part. RFC 5322 section 4.4
	}
	local := l.words[first].text
	if first+1 < len(l.words) {
		var b strings.Builder
		for _, w := range l.words[first:] {
			b.WriteString(w.text)
		}
		local = b.String()
	}
	host := l.domain()
	l.addr = Address{Name: l.phrase(l.words[:first]), Mailbox: local, Host: host}
	l.have, l.words = true, l.words[:0]
	l.begin = min(l.begin, at)
}

// domain reads what follows an "@": an atom, or several that have a dot between them.
func (l *addressLexer) domain() string {
	host := l.domainPiece()
	if host == "" || l.pos == len(l.s) || l.s[l.pos] == ',' {
		return host
	}
	var b strings.Builder
	for dot := strings.HasSuffix(host, "."); ; {
		b.WriteString(host)
		l.skipCFWS()
		if l.pos == len(l.s) || !dot && l.s[l.pos] != '.' {
			return b.String()
		}
		if host = l.domainPiece(); host == "" {
			return b.String()
		}
		dot = strings.HasSuffix(host, ".")
	}
}

// domainPiece reads one atom or domain literal, or nothing.
func (l *addressLexer) domainPiece() string {
	l.skipCFWS()
	start := l.pos
	if start < len(l.s) && l.s[start] == '[' {
		return l.literal()
	}
	for l.pos < len(l.s) && !endsAtom(l.s[l.pos]) {
		l.pos++
	}
	return l.s[start:l.pos]
}

// skipCFWS passes blanks and comments, and keeps the last comment.
func (l *addressLexer) skipCFWS() {
	for l.pos < len(l.s) {
		switch c := l.s[l.pos]; {
		case isWSP(c):
			l.pos++
		case c == '(':
			end := commentEnd(l.s, l.pos)
			l.comment = strings.TrimSuffix(l.s[l.pos+1:end], ")")
			l.pos = end
		default:
			return
		}
	}
}

func (l *addressLexer) literal() string {
	start := l.pos
	if i := strings.IndexByte(l.s[start:], ']'); i >= 0 {
		l.pos = start + i + 1
	} else {
		l.pos = len(l.s)
	}
	return l.s[start:l.pos]
}

// endMailbox puts the mailbox at hand on the list.
func (l *addressLexer) endMailbox() {
	if !l.have && len(l.words) > 0 {
		l.addr, l.have = l.hostless(), true
	}
	if l.have {
		if l.addr.Name == "" {
			l.addr.Name = unescape(strings.TrimSpace(l.comment))
		}
		if l.addr != (Address{}) {
			l.out = append(l.out, l.addr)
		}
	}
	l.resetMailbox()
}

// hostless makes a mailbox from words that have no address.
func (l *addressLexer) hostless() Address {
	if len(l.words) == 1 {
		return Address{Mailbox: l.words[0].text}
	}
	return Address{Name: l.phrase(l.words)}
}

func (l *addressLexer) resetMailbox() {
	l.words, l.comment, l.addr, l.have, l.angle = l.words[:0], "", Address{}, false, false
}

// phrase returns the words with one space between each two.
func (l *addressLexer) phrase(words []word) string {
	if len(words) == 0 {
		return ""
	}
	if s, ok := l.verbatim(words); ok {
		return s
	}
	var b strings.Builder
	for i, w := range words {
		// A word that directly follows another, as in a"b"c, is part of it.
		if i > 0 && words[i-1].end < w.start {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}

// verbatim returns the words as a piece of the list if they look the same there.
func (l *addressLexer) verbatim(words []word) (string, bool) {
	if len(words) == 1 {
		return words[0].text, true
	}
	for i, w := range words {
		if w.quoted || i > 0 && (w.start != words[i-1].end+1 || l.s[words[i-1].end] != ' ') {
			return "", false
		}
	}
	return l.s[words[0].start:words[len(words)-1].end], true
}

// parseAddrSpec reads what stands in angle brackets.
func parseAddrSpec(s string) Address {
	var a Address
	s = trim(s)
	if strings.HasPrefix(s, "@") {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			a.Route = stripCFWS(s[:i])
			s = s[i+1:]
		}
	}
	at := lastAt(s)
	if at < 0 {
		a.Mailbox = stripCFWS(s)
		return a
	}
	a.Mailbox, a.Host = stripCFWS(s[:at]), stripCFWS(s[at+1:])
	return a
}

// lastAt returns the place of the last "@" outside of quotes and comments, or -1.
func lastAt(s string) int {
	if strings.IndexByte(s, '"') < 0 && strings.IndexByte(s, '(') < 0 {
		return strings.LastIndexByte(s, '@')
	}
	at := -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			_, next := quotedEnd(s, i)
			i = next - 1
		case '(':
			i = commentEnd(s, i) - 1
		case '@':
			at = i
		}
	}
	return at
}

// stripCFWS returns s without blanks and comments outside quotes, and with its quotes resolved.
func stripCFWS(s string) string {
	if !hasCFWS(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case isWSP(c):
			i++
		case c == '(':
			i = commentEnd(s, i)
		case c == '"':
			end, next := quotedEnd(s, i)
			b.WriteString(unescape(s[i+1 : end]))
			i = next
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// hasCFWS reports whether there is anything that stripCFWS would change.
func hasCFWS(s string) bool {
	for i := range len(s) {
		if c := s[i]; isWSP(c) || c == '(' || c == '"' {
			return true
		}
	}
	return false
}

func isWSP(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// isAtext reports whether c can be in an atom. RFC 5322 section 3.2.3, RFC 6532 section 3.2.
func isAtext(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
