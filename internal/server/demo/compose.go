package demo

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"

	"postroad/internal/format/message"
)

// part is a MIME part: its header fields, and either a body or children.
type part struct {
	header   []string // without line ends; Content-Type first
	body     []byte   // ready to send
	children []part
	boundary string
}

// writer makes bytes of letters. Each gets the same bytes at each start, but for dates.
type writer struct {
	now  time.Time
	sent map[string]letter // by key
}

func newWriter(now time.Time, all []letter) *writer {
	w := &writer{now: now, sent: map[string]letter{}}
	for _, l := range all {
		w.sent[l.key] = l
	}
	return w
}

// date is when a letter was sent, in the sender's zone.
func (w *writer) date(l letter) time.Time {
	return w.now.Add(-l.age).Truncate(time.Second).In(time.FixedZone("", int(l.from.zone.Seconds())))
}

// bytes is the whole message.
func (w *writer) bytes(l letter) []byte {
	var b bytes.Buffer
	for _, field := range w.header(l) {
		b.WriteString(fold(field))
	}
	root := w.body(l)
	if l.raw != nil {
		root = l.raw(w, l)
	}
	root.write(&b)
	return b.Bytes()
}

func (w *writer) header(l letter) []string {
	domain := l.from.domain()
	h := []string{
		fmt.Sprintf("Received: from mail.%s by mail.%s with ESMTPS id %x; %s", domain, Domain, len(l.key)*7919+int(l.age/minute), message.FormatDate(w.date(l).Add(2*time.Second))),
		"Date: " + message.FormatDate(w.date(l)),
		"From: " + l.from.field(),
		"To: " + fields(l.to),
	}
	if len(l.cc) > 0 {
		h = append(h, "Cc: "+fields(l.cc))
	}
	if l.subject != "" {
		h = append(h, "Subject: "+subject(l))
	}
	h = append(h, "Message-ID: "+l.id())
	if chain := w.references(l); len(chain) > 0 {
		h = append(h, "In-Reply-To: "+chain[len(chain)-1], "References: "+strings.Join(chain, " "))
	}
	if l.list != "" {
		h = append(h, "List-Id: <"+l.list+">", "List-Unsubscribe: <mailto:leave@"+domain+">", "Precedence: list")
	}
	return append(h, "MIME-Version: 1.0")
}

// references are the Message-IDs of the letters that led to this one, oldest first.
func (w *writer) references(l letter) (chain []string) {
	for l.replyTo != "" {
		l = w.sent[l.replyTo]
		chain = append([]string{l.id()}, chain...)
	}
	return chain
}

func (l letter) id() string { return "<" + l.key + ".demo@" + l.from.domain() + ">" }

func (p person) domain() string { return p.address[strings.IndexByte(p.address, '@')+1:] }

func (p person) field() string { return (&mail.Address{Name: p.name, Address: p.address}).String() }

func fields(all []person) string {
	var s []string
	for _, p := range all {
		s = append(s, p.field())
	}
	return strings.Join(s, ", ")
}

func subject(l letter) string {
	if l.charset == "" {
		return message.EncodeWords(l.subject)
	}
	return mime.BEncoding.Encode(l.charset, string(encode(l.charset, l.subject)))
}

// fold breaks a header field at blanks, so that lines stay below 78 characters where they can.
func fold(field string) string {
	var b strings.Builder
	length := 0
	for i, word := range strings.SplitAfter(field, " ") {
		if i > 1 && length+len(word) > 77 {
			b.WriteString("\r\n ")
			length = 1
		}
		b.WriteString(word)
		length += len(word)
	}
	return strings.ReplaceAll(b.String(), " \r\n ", "\r\n ") + "\r\n"
}

// body is the part tree that the letter's fields ask for.
func (w *writer) body(l letter) part {
	p := alternatives(l)
	if len(l.files) == 0 {
		return p
	}
	all := []part{p}
	for _, f := range l.files {
		all = append(all, attachment(f))
	}
	return multipart("mixed", l.key, all...)
}

func alternatives(l letter) part {
	if l.html == "" {
		return text("plain", l.text, l.charset)
	}
	html := text("html", l.html, "")
	if len(l.inline) > 0 {
		related := []part{html}
		for _, f := range l.inline {
			related = append(related, inlined(f))
		}
		html = multipart("related", l.key+".r", related...)
	}
	if l.text == "" {
		return html
	}
	return multipart("alternative", l.key+".a", text("plain", l.text, l.charset), html)
}

func multipart(subtype, key string, children ...part) part {
	boundary := "=_" + key
	return part{header: []string{fmt.Sprintf("Content-Type: multipart/%s; boundary=%q", subtype, boundary)}, boundary: boundary, children: children}
}

// text is a text part in UTF-8 or the given charset, in the encoding that suits it.
func text(subtype, s, charset string) part {
	b := []byte(s)
	if charset == "" {
		charset = "utf-8"
	} else {
		b = encode(charset, s)
	}
	encoding, body := transferEncoding(b)
	return part{header: []string{"Content-Type: text/" + subtype + "; charset=" + charset, "Content-Transfer-Encoding: " + encoding}, body: body}
}

func transferEncoding(b []byte) (name string, body []byte) {
	high := 0
	for _, c := range b {
		if c >= 0x80 {
			high++
		}
	}
	switch {
	case high == 0:
		return "7bit", crlf(b)
	case high*3 > len(b):
		return "base64", base64Lines(crlf(b))
	}
	var q bytes.Buffer
	w := quotedprintable.NewWriter(&q)
	w.Write(crlf(b)) // a Buffer doesn't fail
	w.Close()
	return "quoted-printable", q.Bytes()
}

func crlf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }

func encode(charset, s string) []byte {
	if charset == "iso-2022-jp" {
		b, _ := japanese.ISO2022JP.NewEncoder().String(s)
		return []byte(b)
	}
	e, err := htmlindex.Get(charset)
	if err != nil {
		return []byte(s)
	}
	b, _ := e.NewEncoder().String(s) // the letters hold nothing else; a test sees to it
	return []byte(b)
}

func base64Lines(b []byte) []byte {
	const perLine = 57
	out := make([]byte, 0, len(b)*4/3+len(b)/perLine*2+8)
	for len(b) > 0 {
		n := min(perLine, len(b))
		out = base64.StdEncoding.AppendEncode(out, b[:n])
		out, b = append(out, '\r', '\n'), b[n:]
	}
	return out
}

func attachment(f file) part {
	p := encoded(f)
	p.header = append(p.header, "Content-Disposition: "+mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	return p
}

func inlined(f file) part {
	p := encoded(f)
	p.header = append(p.header, "Content-ID: <"+f.name+">", "Content-Disposition: "+mime.FormatMediaType("inline", map[string]string{"filename": f.name}))
	return p
}

func encoded(f file) part {
	encoding, body := "base64", []byte(nil)
	if strings.HasPrefix(f.mediaType, "text/") {
		encoding, body = transferEncoding(bytes.ReplaceAll(f.data, []byte("\r\n"), []byte("\n")))
	} else {
		body = base64Lines(f.data)
	}
	return part{header: []string{"Content-Type: " + f.mediaType, "Content-Transfer-Encoding: " + encoding}, body: body}
}

// write writes the part's header, the empty line and what follows.
func (p part) write(b *bytes.Buffer) {
	for _, field := range p.header {
		b.WriteString(fold(field))
	}
	b.WriteString("\r\n")
	b.Write(p.body)
	if p.boundary == "" {
		return
	}
	for _, c := range p.children {
		fmt.Fprintf(b, "--%s\r\n", p.boundary)
		c.write(b)
		b.WriteString("\r\n")
	}
	fmt.Fprintf(b, "--%s--\r\n", p.boundary)
}
