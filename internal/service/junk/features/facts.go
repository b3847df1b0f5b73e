package features

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"postroad/internal/format/message"
	"postroad/internal/service/sender/authres"
)

// Facts are what reception knows of a message apart from its bytes. The zero value: nothing is known. All names are in lower case.
type Facts struct {
	// Client is who brought the message to us, and Helo how it called itself.
	Client netip.Addr
	Helo   string
	// Host is the client's name in the DNS, "" if it has none that leads back to it.
	Host string
	// From is the reverse-path without brackets.
	From string
	// SPF, DKIM, DMARC and ARC are results as RFC 8601 §2.7 spells them: "pass", "fail"; "": not checked.
	SPF, DKIM, DMARC, ARC string
	// Proven is the author's domain (that of the From field) if DMARC proves it, or, where no DMARC record says what does, SPF of that very
	// domain, or a signature of it or of one that it is below; else "".
	Proven string
	// Vouched are the domains that are proved to have to do with the message: those of signatures and of the reverse-path.
	Vouched []string
	// Signs are the names of the phishing signs that were found, such as "link-text".
	Signs []string
}

// FactsOf reads the facts out of a message's header: from the trace of our own that stands in front of it. results is the
// value of our Authentication-Results field if that isn't in front yet (at delivery); "" reads it from the header (a stored
// message). Signs stays empty.
//
// The caller sees to it that the header begins with what we wrote: only the fields up to the first Received are believed, and
// behind it those Received fields that tell how the message went on inside of our own network.
func FactsOf(header []byte, results string) Facts {
	var r reading
	r.begin(header, nil)
	return r.facts(results, "")
}

// facts is FactsOf. atHand is what the field may say: then no copy of it is made.
func (r *reading) facts(results, atHand string) Facts {
	var f Facts
	var room [maxFrom][]byte
	received, from := false, room[:0]
fields:
	for i := range r.fields {
		switch value, a := r.fields[i].value, r.fields[i].about; {
		case a&ofFrom != 0:
			from = append(from, value)
		case len(from) > 0:
			if len(from) >= maxFrom {
				break fields
			}
		case a&ofReceived != 0:
			received = true
			if !f.Client.IsValid() {
				f.hop(value)
			}
		case received:
		case a&ofReturnPath != 0:
			f.From = strings.ToLower(string(bytes.Trim(value, "<> \t\r\n")))
		case a&ofResults != 0 && results == "":
			if results = atHand; atHand == "" || string(bytes.TrimSpace(value)) != atHand {
				results = string(value)
			}
		}
	}
	f.results(results, authorOf(from))
	return f
}

// maxFrom is how many From fields are looked at.
const maxFrom = 3

// authorOf is the domain of all addresses in From fields; "" if they are of several. Those in groups count as others do.
func authorOf(fields [][]byte) (domain string) {
	if len(fields) == 1 {
		if host, ok := plainHost(fields[0]); ok {
			return strings.ToLower(string(bytes.TrimSuffix(host, []byte("."))))
		}
	}
	for _, value := range fields {
		all := message.ParseAddresses(message.Unfold(string(value)))
		if message.TooManyAddresses(all) {
			return ""
		}
		for _, a := range all {
			switch host := strings.ToLower(strings.TrimSuffix(a.Host, ".")); {
			case a.Group != message.NoGroup: // the begin or end of one
			case host == "", domain != "" && host != domain:
				return ""
			default:
				domain = host
			}
		}
	}
	return domain
}

// plainHost is the host of the address in a From field as most are: the name of one author, and the address in angle brackets. It isn't ok for others.
func plainHost(value []byte) (host []byte, ok bool) {
	value = bytes.TrimSpace(value)
	begin := bytes.LastIndexByte(value, '<')
	if begin < 0 || value[len(value)-1] != '>' {
		return nil, false
	}
	name, addr := bytes.TrimSpace(value[:begin]), value[begin+1:len(value)-1]
	if n := len(name); n >= 2 && name[0] == '"' && name[n-1] == '"' {
		name = name[1 : n-1]
		if bytes.IndexByte(name, '"') >= 0 || bytes.IndexByte(name, '\\') >= 0 {
			return nil, false
		}
	} else if slices.ContainsFunc(name, func(c byte) bool { return inName[c] }) {
		return nil, false
	}
	at := bytes.IndexByte(addr, '@')
	if at <= 0 || at == len(addr)-1 {
		return nil, false
	}
	for i, c := range addr {
		if !plainAddr[c] && i != at {
			return nil, false
		}
	}
	return addr[at+1:], true
}

// inName has what means something in names that aren't quoted.
var inName = func() (t [256]bool) {
	for _, c := range []byte(`<>()[]@,;:\"`) {
		t[c] = true
	}
	return t
}()

// plainAddr has what addresses are made of that need no quotes.
var plainAddr = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '+' || c == '='
	}
	return t
}()

// hop reads a Received field. It takes it if it tells who brought the message to us: if the client isn't one of our own, nor a mailbox that it was
// fetched from.
func (f *Facts) hop(value []byte) {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(value), []byte("from "))
	if !ok {
		return
	}
	if fetched(value) {
		return
	}
	if by := bytes.Index(rest, []byte(" by ")); by >= 0 {
		rest = rest[:by]
	}
	if by := bytes.Index(rest, []byte("\tby ")); by >= 0 {
		rest = rest[:by]
	}
	helo, comment, _ := bytes.Cut(rest, []byte(" "))
	addr, host := clientIn(withoutHelo(comment))
	if !addr.IsValid() {
		addr, _ = clientIn(helo)
	}
	if !addr.IsValid() || addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return
	}
	f.Client, f.Host = addr, host
	f.Helo = strings.ToLower(string(bytes.Trim(helo, "[]\r\n\t ")))
}

// fetched reports whether a Received field tells that the message was fetched from a mailbox elsewhere: then the one below it, which
// that mailbox's server wrote, tells who brought it.
func fetched(value []byte) bool {
	h, ok := hopOf(value)
	return ok && h.fetched()
}

// clientIn finds an address, and the name before it, in what stands in the parentheses of a Received field.
func clientIn(s []byte) (addr netip.Addr, host string) {
	for w := range bytes.FieldsFuncSeq(s, func(r rune) bool {
		return r == ' ' || r == '(' || r == ')' || r == '[' || r == ']' || r == '\t' || r == '\r' || r == '\n' || r == '=' || r == '@'
	}) {
		w = bytes.TrimPrefix(w, []byte("IPv6:"))
		if mayBeAddr(w) {
			if a, err := netip.ParseAddr(string(w)); err == nil {
				return a.Unmap(), host
			}
		}
		if bytes.IndexByte(w, '.') > 0 {
			host = strings.ToLower(string(w))
		}
	}
	return netip.Addr{}, ""
}

// mayBeAddr reports whether it makes sense to take s for an address: one of version 4 begins with a digit, one of version 6 has colons.
func mayBeAddr(s []byte) bool {
	return len(s) > 0 && s[0] >= '0' && s[0] <= '9' || bytes.IndexByte(s, ':') >= 0
}

// results takes what an Authentication-Results field says.
func (f *Facts) results(value, author string) {
	room := authres.TakeRoom()
	defer room.Leave()
	h, err := authres.ParseIn(room, value)
	if value == "" || err != nil {
		return
	}
	for i := range h.Methods {
		f.method(&h.Methods[i], author)
		f.vouch(&h.Methods[i])
	}
	switch f.DMARC { // its domain has said what proves it
	case "", "none", "pass", "temperror":
	default:
		f.Proven = ""
	}
}

func (f *Facts) method(m *authres.Method, author string) {
	switch m.Name {
	case "spf":
		if property(m, "helo") == "" {
			f.SPF = string(m.Result)
			if d := domainOf(property(m, "mailfrom")); m.Result == authres.Pass && d != "" && d == author {
				f.Proven = author
			}
		}
	case "dkim":
		if f.DKIM != "pass" {
			f.DKIM = string(m.Result)
		}
		if m.Result == authres.Pass && speaksFor(strings.ToLower(property(m, "d")), author) {
			f.Proven = author
		}
	case "dmarc":
		f.DMARC = string(m.Result)
		if checked := property(m, "from"); m.Result == authres.Pass && (checked == "" || checked == ascii(author)) {
			f.Proven = author
		}
	case "arc":
		f.ARC = string(m.Result)
	case "iprev":
		f.Host = ""
		if m.Result == authres.Pass {
			f.Host = strings.ToLower(m.Comment)
		}
	}
}

// vouch takes the domains that a result proves.
func (f *Facts) vouch(m *authres.Method) {
	if m.Result != authres.Pass || m.Name != "dkim" && m.Name != "spf" {
		return
	}
	for i := range m.Props {
		p := &m.Props[i]
		if p.Name != "d" && p.Name != "mailfrom" {
			continue
		}
		if d := domainOf(p.Value); !slices.Contains(f.Vouched, d) {
			f.Vouched = append(f.Vouched, d)
		}
	}
}

// ascii is a domain in A-labels, as results have it.
func ascii(domain string) string {
	if !strings.ContainsFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return domain // in lower case already
	}
	if a, err := idna.Lookup.ToASCII(domain); err == nil {
		return a
	}
	return domain
}

func property(m *authres.Method, name string) string {
	for _, p := range m.Props {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// domainOf returns the domain of an address, or of what is one already, in lower case.
func domainOf(addr string) string {
	return strings.ToLower(addr[strings.LastIndexByte(addr, '@')+1:])
}

// speaksFor reports whether a domain's signature proves another: itself, and those below it, which it could publish keys for. It isn't so the other
// way round: whoever has a domain below that of a host of many isn't that host.
func speaksFor(d, author string) bool {
	return strings.IndexByte(d, '.') > 0 && (d == author || strings.HasSuffix(author, "."+d))
}
