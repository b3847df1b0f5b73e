package sieve

import (
	"net/url"
	"slices"
	"strings"

	syntax "postroad/internal/format/sieve"
)

// Mailto is what a mailto: URI says. RFC 6068.
type Mailto struct {
	To, Cc, Bcc   []string // without names
	Subject, Body string
	HasSubject    bool
	// Fields are other header fields, decoded, each once, none that only we may set.
	Fields [][2]string
}

// maxRecipients bounds to how many addresses one notification goes.
const maxRecipients = 8

// parseMailto reads a mailto: URI; why tells what is wrong with it.
func parseMailto(uri string) (mail *Mailto, why string) {
	scheme, rest, ok := strings.Cut(uri, ":")
	switch {
	case !ok || scheme == "" || strings.Trim(lowerASCII(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "":
		return nil, "'" + cut(oneLine(uri), 100) + "' is no URI"
	case !equalASCII(scheme, "mailto"):
		return nil, "there is no notification method '" + cut(scheme, 32) + "'"
	case strings.Contains(rest, "#"):
		return nil, "a mailto URI has no fragment"
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c >= 127 || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return nil, "this mailto URI has a character that must be encoded"
		}
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	mail = &Mailto{}
	if why := addRecipients(&mail.To, path, true); why != "" {
		return nil, why
	}
	if hasQuery {
		for pair := range strings.SplitSeq(query, "&") {
			if why := mail.header(pair); why != "" {
				return nil, why
			}
		}
	}
	mail.without(nil)
	if mail.recipients() > maxRecipients {
		return nil, "this mailto URI has too many recipients"
	}
	return mail, ""
}

// without leaves out recipients that get the notification already, and those that are named twice.
func (mt *Mailto) without(others []string) {
	seen := slices.Clone(others)
	for _, list := range []*[]string{&mt.To, &mt.Cc, &mt.Bcc} {
		*list = slices.DeleteFunc(*list, func(a string) bool {
			if containsFold(seen, a) {
				return true
			}
			seen = append(seen, a)
			return false
		})
	}
}

// addRecipients adds the addresses of a list; encoded: each is percent-encoded, and a comma parts them.
func addRecipients(to *[]string, list string, encoded bool) string {
	if list == "" {
		return ""
	}
	parts := []string{list}
	if encoded {
		parts = strings.Split(list, ",")
	}
	for _, p := range parts {
		if encoded {
			var err error
			if p, err = url.PathUnescape(p); err != nil {
				return "this mailto URI is wrongly encoded"
			}
		}
		addrs, ok := parseMailboxes(p)
		if !ok {
			return "'" + cut(oneLine(p), 100) + "' in this mailto URI is no address"
		}
		for _, a := range addrs {
			if !containsFold(*to, a) {
				*to = append(*to, a)
			}
		}
	}
	return ""
}

// unsafeFields are set by us alone: RFC 5436 §2.7.
var unsafeFields = []string{
	"from", "auto-submitted", "received", "message-id", "date", "return-path", "sender", "resent-from", "resent-to", "resent-cc", "resent-bcc",
	"resent-sender", "resent-date", "resent-message-id", "mime-version", "content-type", "content-transfer-encoding", "x-priority", "importance",
}

// header takes one header field of the URI.
func (mt *Mailto) header(pair string) string {
	name, text, ok := strings.Cut(pair, "=")
	name, err := url.PathUnescape(name)
	text, err2 := url.PathUnescape(text)
	if !ok || err != nil || err2 != nil || !isFieldName(name) {
		return "the header fields in this mailto URI are wrong"
	}
	switch lower := lowerASCII(name); lower {
	case "to":
		return addRecipients(&mt.To, text, false)
	case "cc":
		return addRecipients(&mt.Cc, text, false)
	case "bcc":
		return addRecipients(&mt.Bcc, text, false)
	case "subject":
		if mt.HasSubject {
			return "this mailto URI has two subjects"
		}
		mt.Subject, mt.HasSubject = oneLine(text), true
	case "body":
		if mt.Body != "" {
			return "this mailto URI has two bodies"
		}
		mt.Body = text
	default:
		return mt.other(lower, name, text)
	}
	return ""
}

func (mt *Mailto) other(lower, name, text string) string {
	switch {
	case slices.Contains(unsafeFields, lower):
	case slices.ContainsFunc(mt.Fields, func(f [2]string) bool { return equalASCII(f[0], name) }):
	case len(mt.Fields) == 16:
		return "this mailto URI has too many header fields"
	default:
		mt.Fields = append(mt.Fields, [2]string{strings.ToUpper(name[:1]) + name[1:], oneLine(text)})
	}
	return ""
}

// notify is "notify". RFC 5435 §3.
type notify struct {
	pos                       syntax.Pos
	from, importance, message *value
	options                   []value
	method                    value
	copies                    *fcc
}

var notifyTags = []tag{{name: "from", value: aString}, {name: "importance", value: aString}, {name: "options", value: aList}, {name: "message", value: aString}}

func (c *compiler) notify(a *args) command {
	n := &notify{
		pos: a.call.Pos, from: c.tagText(a, "from"), importance: c.tagText(a, "importance"), message: c.tagText(a, "message"),
		options: c.tagList(a, "options"), method: c.argText(a, 0), copies: c.fcc(a),
	}
	if n.importance != nil && n.importance.constant() && !isImportance(n.importance.lit) {
		c.fail(n.importance.pos, "'%s' is no importance: 1, 2 and 3 are", cut(oneLine(n.importance.lit), 16))
	}
	if n.from != nil && n.from.constant() {
		if _, ok := parseMailbox(n.from.lit); !ok {
			c.fail(n.from.pos, "'%s' is no address", cut(oneLine(n.from.lit), 200))
		}
	}
	if n.method.constant() {
		if _, why := parseMailto(n.method.lit); why != "" {
			c.fail(n.method.pos, "%s", why)
		}
	}
	for _, o := range n.options {
		if o.constant() && !isOption(o.lit) {
			c.fail(o.pos, "'%s' is no option: it must look like \"name=value\"", cut(oneLine(o.lit), 64))
		}
	}
	return n
}

func isImportance(s string) bool { return s == "1" || s == "2" || s == "3" }

// isOption checks the form of an option. RFC 5435 §3.5.
func isOption(s string) bool {
	name, text, ok := strings.Cut(s, "=")
	if !ok || name == "" || strings.ContainsAny(text, "\r\n\x00") || strings.IndexByte(".-_", name[0]) >= 0 {
		return false
	}
	return strings.Trim(lowerASCII(name), "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

func (n *notify) exec(m *machine) error {
	what := &Notice{Method: m.text(&n.method), Importance: 2, Options: m.texts(n.options)}
	mail, why := parseMailto(what.Method)
	if why != "" {
		return m.failure(n.method.pos, "%s", why)
	}
	what.Mail = mail
	if n.importance != nil {
		s := m.text(n.importance)
		if !isImportance(s) {
			return m.failure(n.importance.pos, "'%s' is no importance", cut(oneLine(s), 16))
		}
		what.Importance = int(s[0] - '0')
	}
	if n.message != nil {
		what.Message = oneLine(m.text(n.message))
	}
	if n.from != nil {
		if text := oneLine(m.text(n.from)); text != "" {
			if _, ok := parseMailbox(text); !ok {
				return m.failure(n.from.pos, "'%s' is no address", cut(text, 200))
			}
			if m.isAuthor(text) { // RFC 5436 §2.5: else the default
				what.From = text
			}
		}
	}
	for i := range m.results.actions { // RFC 5436 §2.7: nobody is notified twice
		if b := &m.results.actions[i]; b.Op == Notify {
			what.Mail.without(b.Notice.Mail.everybody())
		}
	}
	if what.Mail.recipients() == 0 || m.autoSubmitted() { // RFC 5436 §2.7
		return nil
	}
	act := Action{Op: Notify, Pos: n.pos, Notice: what}
	if err := n.copies.apply(m, &act); err != nil {
		return err
	}
	return m.add(act)
}

func (mt *Mailto) recipients() int { return len(mt.To) + len(mt.Cc) + len(mt.Bcc) }

// autoSubmitted reports whether a machine sent the message. RFC 3834 §5.
func (m *machine) autoSubmitted() bool {
	f := m.head().first("Auto-Submitted")
	return f != nil && forbidsAnswer(f)
}

// validMethod is "valid_notify_method". RFC 5435 §4.
type validMethod []value

func (t validMethod) eval(m *machine) (bool, error) {
	for i := range t {
		if _, why := parseMailto(m.text(&t[i])); why != "" {
			return false, nil
		}
	}
	return true, nil
}

// methodCapability is "notify_method_capability". RFC 5435 §5, RFC 5436 §2.2.
type methodCapability struct {
	method, capability value
	keys               *matcher
}

func (c *compiler) methodCapability(a *args) test {
	t := &methodCapability{c.argText(a, 0), c.argText(a, 1), c.matcher(a, c.argList(a, 2))}
	if t.keys == nil {
		return nil
	}
	return t
}

func (t *methodCapability) eval(m *machine) (bool, error) {
	_, why := parseMailto(m.text(&t.method))
	known := why == "" && equalASCII(m.text(&t.capability), "online")
	switch {
	case !known:
		return false, nil
	case t.keys.kind == matchCount:
		return m.count(t.keys, 1)
	}
	return m.matches(t.keys, "maybe")
}
