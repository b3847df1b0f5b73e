package signs

import (
	"bytes"

	"net/netip"
	"slices"
	"strings"
)

// link is where an address in the web leads.
type link struct {
	scheme, host string
	user         string // before the host
	addr         netip.Addr
	isAddr       bool
}

// maxURL is how much of an address is looked at.
const maxURL = 2000

// linkOf takes an address apart as browsers do: blanks and line ends within it don't count, backslashes are slashes.
func linkOf(raw string) (l link, ok bool) {
	raw = strings.TrimLeft(raw[:min(len(raw), maxURL)], " \t\r\n\f\v\x00")
	if strings.ContainsAny(raw, "\t\r\n") {
		raw = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(raw)
	}
	rest, found := raw, false
	if i := strings.IndexAny(raw, ":/?#"); i > 0 && raw[i] == ':' {
		l.scheme, rest, found = strings.ToLower(raw[:i]), raw[i+1:], true
	}
	web := l.scheme == "http" || l.scheme == "https" || l.scheme == "ftp"
	if !web && (found || !strings.HasPrefix(rest, "//")) {
		return l, found
	}
	rest = strings.TrimLeft(rest, `/\`)
	if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
		rest = rest[:i]
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		l.user, rest = rest[:at], rest[at+1:]
	}
	l.host = hostOf(rest)
	l.addr, l.isAddr = number(l.host)
	return l, l.host != ""
}

// hostOf is the host of a host and port, in lower case and A-labels.
func hostOf(s string) string {
	if colon := strings.LastIndexByte(s, ':'); colon > strings.LastIndexByte(s, ']') {
		s = s[:colon]
	}
	if strings.Contains(s, "%") {
		s = unescape(strings.ToUpper(s))
	}
	if len(s) > 253 {
		return ""
	}
	return ascii(lower(s))
}

// lead is where all links lead that begin in a way.
type lead struct {
	start string
	link  link
}

// leadsTo is linkOf of what is written as raw. It knows links to the same host again, of which most messages have many.
func (m *Message) leadsTo(raw []byte) (l link, ok bool) {
	start := plainStart(raw)
	if start == nil {
		return linkOf(string(raw))
	}
	for i := range m.leads {
		if m.leads[i].start == string(start) {
			return m.leads[i].link, true
		}
	}
	whole := string(start)
	if l, ok = linkOf(whole); ok {
		m.leads[m.next] = lead{whole, l}
		m.next = (m.next + 1) % len(m.leads)
	}
	return l, ok
}

// href looks at where the link of an attribute leads, of which the value is given as it is written. Most begin with a host that needs no undoing
// of character references.
func (m *Message) href(value []byte, text string) {
	if plainStart(value) == nil {
		value = []byte(unreferenced(value))
	}
	if len(value) > 0 {
		m.address(value, text)
	}
}

// plainStart is the scheme and host of an address in the web that is written as most are, without anything that linkOf has to undo; else nil.
func plainStart(raw []byte) []byte {
	n := len("https://")
	if !bytes.HasPrefix(raw, []byte("https://")) {
		if n = len("http://"); !bytes.HasPrefix(raw, []byte("http://")) {
			return nil
		}
	}
	end := n
	for end < len(raw) && end-n <= 253 && (letterOrDigit(raw[end]) || raw[end] == '.' || raw[end] == '-') {
		end++
	}
	if end == n || end < len(raw) && raw[end] != '/' && raw[end] != '?' && raw[end] != '#' {
		return nil
	}
	return raw[:end]
}

// address looks at where a link leads. text is what people see of it; "" if that is the address itself.
func (m *Message) address(raw []byte, text string) {
	if m.links++; m.links > maxLinks {
		return
	}
	l, ok := m.leadsTo(raw)
	if !ok && l.scheme == "" && len(m.base) > 0 {
		l, ok = linkOf(unreferenced(m.base))
	}
	if !ok {
		return
	}
	switch l.scheme {
	case "javascript", "vbscript":
		m.all.add(LinkCode, Danger, l.scheme)
		return
	case "data", "blob", "file":
		m.all.add(LinkCode, Warning, l.scheme)
		return
	}
	if l.host == "" {
		return
	}
	if l.user != "" {
		m.user(&l)
	}
	if l.isAddr {
		severity := Warning
		if private(l.addr) {
			severity = Notice
		}
		m.all.add(LinkAddress, severity, l.host)
	} else {
		m.host(l.host)
	}
	if text != "" {
		m.shows(&l, text)
	}
}

// user looks at what stands before a link's host.
func (m *Message) user(l *link) {
	severity := Notice
	if name, _, _ := strings.Cut(l.user, ":"); hostLike(name) || strings.Contains(name, "%") {
		severity = Danger
	}
	m.all.add(LinkUser, severity, l.user, l.host)
}

// host remembers a link's host, and looks at it when it is new.
func (m *Message) host(host string) {
	if slices.Contains(m.hosts, host) || len(m.hosts) >= maxHosts {
		return
	}
	m.hosts, m.sites = append(m.hosts, host), append(m.sites, siteOf(host))
	if s := tricky(host); s > 0 {
		m.all.add(LinkScript, s, shown(host))
	}
	if b, s := brandAlike(&m.sites[len(m.sites)-1]); s > 0 {
		m.all.add(LinkLookalike, s, shown(host), b)
	}
}

// rewriters are hosts of services that put themselves before the links of mail that they have checked.
var rewriters = [...]string{"safelinks.protection.outlook.com", "urldefense.com", "urldefense.proofpoint.com", "mimecast.com", "mimecastprotect.com", "linkprotect.cudasvc.com"}

// shows compares what a link shows with where it leads.
func (m *Message) shows(l *link, text string) {
	see := shownHost(text)
	if see == "" {
		return
	}
	seen, real := registered(see), registered(l.host)
	if seen == real || label(seen) == label(real) {
		return
	}
	for _, r := range rewriters {
		if l.host == r || strings.HasSuffix(l.host, "."+r) {
			return
		}
	}
	severity := Warning
	switch {
	case m.vouched(real):
		severity = Notice // clicks are counted
	case slices.Contains(brands[:], label(seen)) || m.local(seen):
		severity = Danger
	}
	m.all.add(LinkText, severity, see, l.host)
}

// vouched reports whether a registered domain is proved to have to do with the message.
func (m *Message) vouched(domain string) bool {
	if m.facts.Proven && m.site.registered == domain {
		return true
	}
	for _, v := range m.facts.Vouched {
		if registered(v) == domain {
			return true
		}
	}
	return false
}

// shownHost is the host that people see in a link's text, in lower case and A-labels; "" if they see none.
func shownHost(text string) string {
	text = strings.TrimSpace(text)
	if strings.Contains(text, "://") {
		for _, start := range [...]string{"http://", "https://"} {
			if i := indexFoldIn(text, start); i >= 0 {
				if l, ok := linkOf(firstWord(text[i:])); ok && !l.isAddr && hostLike(l.host) {
					return l.host
				}
				return ""
			}
		}
	}
	i := indexFoldIn(text, "www.")
	if i < 0 {
		if strings.ContainsAny(text, " \t\r\n@") {
			return ""
		}
		i = 0
	}
	host := firstWord(text[i:])
	if j := strings.IndexAny(host, `/\?#:`); j >= 0 {
		host = host[:j]
	}
	host = strings.Trim(host, ".,;!)(")
	if !hostLike(host) {
		return ""
	}
	return ascii(lower(host))
}

// indexFoldIn is where part, of ASCII in lower case, stands in s, in any case; -1: nowhere. (Other letters may have other lengths in
// lower case, so that places there are no places here.)
func indexFoldIn(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i]|0x20 == part[0] && equalFoldASCII(s[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

func equalFoldASCII(s, lower string) bool {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t\r\n\"'<>"); i >= 0 {
		return s[:i]
	}
	return s
}

// plainLinks looks at the addresses in plain text.
func (m *Message) plainLinks(body []byte) {
	for len(body) > 0 {
		i := bytes.Index(body, []byte("://"))
		if i < 0 {
			return
		}
		start := i
		for start > 0 && i-start < 5 && letterOrDigit(body[start-1]) {
			start--
		}
		end := i + 3
		for end < len(body) && body[end] > ' ' && body[end] != '<' && body[end] != '>' && body[end] != '"' && end-start < maxURL {
			end++
		}
		m.address(body[start:end], "")
		body = body[end:]
	}
}
