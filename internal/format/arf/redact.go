package arf

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"postroad/internal/format/message"
)

// Redactor puts pseudonyms in the place of what names people (RFC 6590): the same for the same name, so that one can be told from another,
// and nothing that leads back to it without the key. It is safe for concurrent use. RFC 6590's text was not at hand; the
// method is the one that it is known for, a keyed hash.
type Redactor struct{ key []byte }

// NewRedactor makes a Redactor. The key must stay secret; who gets another one can't compare.
func NewRedactor(key []byte) *Redactor { return &Redactor{key} }

// name is the pseudonym of a local part.
func (r *Redactor) name(local string) string {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(strings.ToLower(local)))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

// Address is an address with a pseudonym. What is none is one as a whole.
func (r *Redactor) Address(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return r.name(s)
	}
	return r.name(s[:at]) + s[at:]
}

// Text replaces the local parts of all that looks like an address. In words like "smtp.mailfrom=ann@example.org" what is before the first "=" stays,
// if tags is set.
func (r *Redactor) Text(s string, tags bool) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '@')
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		begin := localBegin(s[:at], tags)
		b.WriteString(s[:begin])
		if begin < at {
			b.WriteString(r.name(s[begin:at]))
		}
		b.WriteByte('@')
		s = s[at+1:]
	}
}

// localBegin is where the local part at the end of s begins.
func localBegin(s string, tags bool) int {
	if begin := quoteBegin(s); begin >= 0 {
		return begin
	}
	begin := strings.LastIndexFunc(s, func(c rune) bool { return c <= ' ' || strings.ContainsRune(`<>()[],;:"`, c) }) + 1
	if equals := strings.IndexByte(s[begin:], '='); tags && equals >= 0 {
		begin += equals + 1
	}
	return begin
}

// quoteBegin is where the quoted string at the end of s begins; -1 if there is none.
func quoteBegin(s string) int {
	if !strings.HasSuffix(s, `"`) {
		return -1
	}
	for i := len(s) - 2; i >= 0; i-- {
		if s[i] == '"' && (i == 0 || s[i-1] != '\\') {
			return i
		}
	}
	return -1
}

// What becomes of a field.
const (
	left      = iota // it is left out: who knows what is in it
	kept             // it stays
	texts            // addresses in it are replaced
	tags             // likewise, and it is made of tags
	addresses        // it names people: their names go too
)

// fates are what becomes of fields. Message-ID stays since by it the owner may find the message, and so does the subject, but for addresses.
var fates = map[string]int{
	"message-id": kept, "date": kept, "mime-version": kept, "content-type": kept, "content-transfer-encoding": kept, "list-id": kept, "precedence": kept,
	"auto-submitted": kept, "x-mailer": kept, "user-agent": kept, "feedback-id": kept,
	"from": addresses, "sender": addresses, "reply-to": addresses, "to": addresses, "cc": addresses, "resent-from": addresses, "resent-sender": addresses,
	"resent-to": addresses, "resent-cc": addresses, "return-path": addresses,
	"subject": texts, "received": texts, "list-post": texts, "delivered-to": texts, "x-original-to": texts,
	"dkim-signature": tags, "arc-message-signature": tags, "arc-seal": tags, "authentication-results": tags, "arc-authentication-results": tags,
	"received-spf": tags,
}

// Header redacts a header: of the fields that it knows, people's names and the local parts of their addresses; others are left out.
func (r *Redactor) Header(raw string) string {
	h := message.ParseHeader(raw)
	var b strings.Builder
	for _, f := range h.Fields {
		name, value := h.Name(f), h.Value(f)
		fate := fates[strings.ToLower(name)]
		switch fate {
		case left:
			continue
		case texts, tags:
			value = r.Text(value, fate == tags)
		case addresses:
			value = r.addresses(value)
		}
		b.WriteString(name + ":" + value)
	}
	return b.String()
}

// addresses writes an address field anew.
func (r *Redactor) addresses(value string) string {
	var all []string
	for _, a := range message.ParseAddresses(message.Unfold(value)) {
		if a.Group == message.NoGroup {
			all = append(all, "<"+r.name(a.Mailbox)+"@"+line(a.Host)+">")
		}
	}
	return " " + strings.Join(all, ",\r\n ") + "\r\n"
}
