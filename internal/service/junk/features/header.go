package features

import (
	"bytes"

	"postroad/internal/format/htmltag"
	"postroad/internal/format/summary"
)

// header adds what the message's header tells.
func (x *extraction) header(m *Message) {
	front, rest := HeaderOf(m)
	var last []byte
	x.limit = fieldLimit
	eachFieldOf(front, rest, func(name, value []byte) bool {
		ofList := ofList(name, value)
		x.listed = x.listed || ofList
		if (ofList || addedByList(name)) && len(x.lists) < maxHops {
			x.lists = append(x.lists, value)
		}
		if len(x.hops) < maxHops && is(name, "Received") {
			x.hops = append(x.hops, value)
		}
		if x.traced(name) || addedByList(name) {
			return true
		}
		x.add(Field, x.lower(name))
		if last != nil {
			x.low = append(x.low, last...) // the name's copy stands before it
			n := len(x.low) - len(last)
			for i := n; i < len(x.low); i++ {
				x.low[i] = lower(x.low[i])
			}
			x.add2(Order, x.low[n:], x.low[:n])
		}
		last = name
		x.field(name, value)
		return true
	})
	x.limit = headLimit
	x.subject(m.Summary.Subject())
	x.addresses(m)
	if m.Summary.MessageID() == "" {
		x.addString(ID, "missing")
	}
}

// HeaderOf returns a message's header, of a long one the beginning: MaxHeader octets, in two parts.
func HeaderOf(m *Message) (front, rest []byte) {
	front = m.Front[:min(len(m.Front), MaxHeader)]
	if h := m.Summary.Header(); h != nil {
		return front, h
	}
	root, ok := m.Summary.Root()
	if !ok || m.Body == nil {
		return front, nil
	}
	rest = make([]byte, min(root.Header.Size, int64(MaxHeader-len(front))))
	n, _ := m.Body.ReadAt(rest, root.Header.Offset) // what was read is what there is
	return front, rest[:max(n, 0)]
}

// tracedPrefixes are how fields begin that traced is about.
var tracedPrefixes = [...]string{"X-Spam", "X-Postroad", "X-MS-", "X-Microsoft", "X-Forefront", "X-EOP", "X-Incoming", "X-Exchange", "X-Envelope",
	"ARC-", "X-Google-", "X-Gm-", "X-Rspam", "X-Virus", "X-Amavis", "X-Barracuda", "X-IronPort", "X-Proofpoint", "X-Mailman", "CMM-",
	"X-SID-", "X-AntiAbuse", "X-Pyzor", "X-Bogosity", "X-DSPAM", "X-CRM114", "X-UID", "X-Originating", "X-MDRemoteIP", "X-HE-", "X-SA-", "X-Sonic", "X-ME-"}

// traced reports whether a field is one that servers on the way add, among them ours, or that those who collect mail add: such
// would tell where a message was found, not what it is.
func (x *extraction) traced(name []byte) bool {
	switch lower(name[0]) {
	case 'x', 'a', 'c':
		for _, p := range tracedPrefixes {
			if hasPrefix(name, p) {
				return true
			}
		}
	}
	switch string(x.lower(name)) {
	case "received", "return-path", "delivered-to", "authentication-results", "received-spf", "x-original-to", "envelope-to", "x-received",
		"status", "x-status", "x-keywords", "content-length", "lines", "x-beenthere", "errors-to", "x-loop", "xref", "path",
		"x-egroups-return", "x-apparently-to", "x-originalarrivaltime", "spamdiagnosticoutput", "spamdiagnosticmetadata", "delivery-date",
		"x-scanned-by", "x-mimedefang", "x-sender-ip", "x-message-info", "x-message-delivery", "x-message-status", "x-dcc", "old-return-path",
		"x-folder", "x-filename", "x-evolution-source", "x-mozilla-status", "x-mozilla-status2", "resent-message-id", "list-id", "list-post",
		"list-help", "list-subscribe", "list-archive", "list-owner", "mailing-list", "dkim-filter", "x-hmailserver", "x-forwarded-encrypted":
		return true
	}
	return false
}

// field adds what the value of a field tells.
func (x *extraction) field(name, value []byte) {
	value = bytes.TrimSpace(value)
	switch {
	case is(name, "X-Mailer"), is(name, "User-Agent"):
		x.program = value
		x.mailer(value)
	case is(name, "Date"):
		x.date(value)
	case is(name, "Message-ID"):
		value = bytes.Trim(value, "<> ")
		x.shapes = appendShape(x.shapes[:0], value)
		x.add(ID, x.shapes)
	case is(name, "Content-Type"):
		if i := indexFold(value, "boundary"); i >= 0 {
			x.shapes = appendShape(x.shapes[:0], bytes.Trim(htmltag.Attr(value[i:], "boundary"), "\"; "))
			x.add2String(Part, "boundary", x.shapes)
		}
	case is(name, "X-Priority"), is(name, "Importance"), is(name, "Precedence"), is(name, "Auto-Submitted"), is(name, "MIME-Version"),
		is(name, "X-MSMail-Priority"), is(name, "List-Unsubscribe-Post"), is(name, "Content-Transfer-Encoding"):
		x.low = append(x.lower(name), ':')
		for _, c := range value[:min(len(value), 30)] {
			x.low = append(x.low, lower(c))
		}
		x.add(Field, x.low)
	}
}

// mailer adds the words of a program's name, without its version.
func (x *extraction) mailer(v []byte) {
	v = x.lower(v[:min(len(v), 80)])
	n := 0
	for w := range bytes.FieldsSeq(v) {
		if c := w[0]; c >= '0' && c <= '9' || c == 'v' && len(w) > 1 && w[1] <= '9' {
			x.shapes = appendShape(x.shapes[:0], w)
			w = x.shapes
		}
		x.add(Mailer, w)
		if n++; n >= 5 {
			return
		}
	}
}

func (x *extraction) date(v []byte) {
	x.shapes = appendShape(x.shapes[:0], v)
	x.add(Date, x.shapes)
	if i := bytes.LastIndexAny(v, "+-"); i > 0 && len(v)-i >= 5 {
		x.add2String(Date, "zone", v[i:i+5])
	}
}

// subject adds the words of the subject, and how it is written.
func (x *extraction) subject(s string) {
	if x.listed {
		s = withoutTag(s)
	}
	before := x.folder
	x.shapes = x.folder.append(x.shapes[:0], []byte(s[:min(len(s), 500)]), 400)
	text := x.shapes
	capitals := x.folder.upper - before.upper
	x.some(Subject, "(tricks with characters)", x.folder.tricks()-before.tricks())
	x.words(Subject, SubjectPair, text)
	x.count, x.single, x.long = 0, 0, 0
	switch n := len(text); {
	case n == 0:
		x.addString(Subject, "(nothing)")
	case n > 8 && capitals*2 > n:
		x.addString(Subject, "(capitals)")
	}
	if n := bytes.Count(text, []byte("!")); n > 0 {
		x.shape(Subject, "!", min(n, 3))
	}
	if bytes.IndexByte(text, '?') >= 0 {
		x.addString(Subject, "?")
	}
	if bytes.Contains(text, []byte("     ")) {
		x.addString(Subject, "(gaps)")
	}
}

// addresses adds who wrote the message and to whom, and how these addresses go together.
func (x *extraction) addresses(m *Message) {
	from := first(m.Summary, summary.From)
	x.author(&from)
	host := x.authorHost(&from)
	x.relation("reply to", first(m.Summary, summary.ReplyTo), host)
	if x.listed {
		x.addString(To, "a list")
	} else {
		x.relation("sent by", first(m.Summary, summary.Sender), host)
		x.envelope(&m.Facts, host)
	}
	x.recipients(m.Summary, &from)
	if id := m.Summary.MessageID(); id != "" {
		d := []byte(domainOf(id))
		x.same(ID, "of the author's domain", host, d)
		x.trace(host, d)
	} else {
		x.trace(host, nil)
	}
	x.domain = append(x.domain, domainIn(host)...)
	x.agreement(m.Summary.MessageID())
}

func first(r summary.Record, l summary.List) summary.AddressBytes {
	list := r.Addresses(l)
	for {
		a, ok := list.Next()
		if !ok || a.Host != nil || a.Mailbox != nil {
			return a
		}
	}
}

// author adds the author's address and name.
func (x *extraction) author(a *summary.AddressBytes) {
	if len(a.Host) == 0 {
		x.addString(Address, "no author")
		return
	}
	x.low = append(x.lower(a.Mailbox), '@')
	for _, c := range a.Host {
		x.low = append(x.low, lower(c))
	}
	x.add(From, x.low)
	x.host(From, From, x.low[len(a.Mailbox)+1:])
	x.shapes = appendShape(x.shapes[:0], a.Mailbox)
	x.add2String(Address, "author like", x.shapes)
	name := bytes.TrimSpace(a.Name)
	if len(name) == 0 {
		x.addString(Address, "author without a name")
		return
	}
	before := x.folder
	x.shapes = x.folder.append(x.shapes[:0], name, 200)
	x.some(Name, "(tricks with characters)", x.folder.tricks()-before.tricks())
	x.words(Name, Name, x.shapes)
	x.count, x.single, x.long = 0, 0, 0
	if at := bytes.IndexByte(x.shapes, '@'); at > 0 {
		x.same(Address, "name is an address", x.authorHost(a), bytes.Trim(x.shapes[at+1:], " <>\"'"))
	}
}

// authorHost returns the author's host in lower case. It is valid until the next message.
func (x *extraction) authorHost(a *summary.AddressBytes) []byte {
	x.authors = x.authors[:0]
	for _, c := range a.Host {
		x.authors = append(x.authors, lower(c))
	}
	return x.authors
}

// same adds whether two domains belong together.
func (x *extraction) same(k Kind, what string, a, b []byte) {
	switch {
	case bytes.EqualFold(a, b):
		x.add2String(k, what, []byte("yes"))
	case bytes.EqualFold(domainIn(a), domainIn(b)):
		x.add2String(k, what, []byte("nearly"))
	default:
		x.add2String(k, what, []byte("no"))
	}
}

// relation adds how another address goes with the author's.
func (x *extraction) relation(what string, a summary.AddressBytes, host []byte) {
	if len(a.Host) > 0 {
		x.same(Address, what, host, a.Host)
	}
}

// recipients adds to how many the message is, and how they are written.
func (x *extraction) recipients(r summary.Record, from *summary.AddressBytes) {
	n, named, self := 0, 0, false
	for _, l := range [...]summary.List{summary.To, summary.Cc} {
		list := r.Addresses(l)
		for a, ok := list.Next(); ok && n < 200; a, ok = list.Next() {
			if len(a.Host) == 0 {
				continue
			}
			n++
			if len(a.Name) > 0 {
				named++
			}
			self = self || bytes.EqualFold(a.Host, from.Host) && bytes.EqualFold(a.Mailbox, from.Mailbox)
		}
	}
	x.shape(To, "number", bucket(n))
	if n == 1 && named == 1 {
		x.addString(To, "named")
	}
	if self {
		x.addString(To, "the author")
	}
}

// envelope adds how the reverse-path goes with the author.
func (x *extraction) envelope(f *Facts, host []byte) {
	if f.From == "" {
		return
	}
	d := []byte(domainOf(f.From))
	x.same(Envelope, "the author's domain", host, d)
	x.host(Envelope, Envelope, d)
}
