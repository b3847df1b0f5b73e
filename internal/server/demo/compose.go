package demo

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"

	"postroad/internal/format/message"
)

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
	d := message.Draft{Boundary: "=_" + l.key}
	w.addHeader(&d, l)
	if l.raw != nil {
		d.Body = l.raw(w, l)
	} else {
		d.Body = body(l)
	}
	return d.Bytes()
}

func (w *writer) addHeader(d *message.Draft, l letter) {
	domain := l.from.domain()
	d.Add("Received", fmt.Sprintf("from mail.%s by mail.%s with ESMTPS id %x; %s", domain, Domain,
		len(l.key)*7919+int(l.age/minute), message.FormatDate(w.date(l).Add(2*time.Second))))
	d.AddDate("Date", w.date(l))
	d.AddAddresses("From", l.from.as())
	d.AddAddresses("To", several(l.to)...)
	d.AddAddresses("Cc", several(l.cc)...)
	switch {
	case l.charset != "":
		d.Add("Subject", mime.BEncoding.Encode(l.charset, string(encode(l.charset, l.subject))))
	case l.subject != "":
		d.AddText("Subject", l.subject)
	}
	d.AddMessageIDs("Message-ID", l.id())
	if chain := w.references(l); len(chain) > 0 {
		d.AddMessageIDs("In-Reply-To", chain[len(chain)-1])
		d.AddMessageIDs("References", chain...)
	}
	if l.list != "" {
		d.Add("List-Id", "<"+l.list+">")
		d.Add("List-Unsubscribe", "<mailto:leave@"+domain+">")
	}
}

// references are the Message-IDs of the letters that led to this one, oldest first.
func (w *writer) references(l letter) (chain []string) {
	for l.replyTo != "" {
		l = w.sent[l.replyTo]
		chain = append([]string{l.id()}, chain...)
	}
	return chain
}

func (l letter) id() string { return l.key + ".demo@" + l.from.domain() }

func (p person) domain() string { return p.address[strings.IndexByte(p.address, '@')+1:] }

func (p person) as() message.Address {
	local, host, _ := strings.Cut(p.address, "@")
	return message.Address{Name: p.name, Mailbox: local, Host: host}
}

func several(all []person) []message.Address {
	var as []message.Address
	for _, p := range all {
		as = append(as, p.as())
	}
	return as
}

// body is what the letter's fields ask for.
func body(l letter) message.Entity {
	e := alternatives(l)
	if len(l.files) == 0 {
		return e
	}
	e = message.NewMultipart("mixed", e)
	for _, f := range l.files {
		e.Children = append(e.Children, message.NewAttachment(f.name, f.mediaType, f.data))
	}
	return e
}

func alternatives(l letter) message.Entity {
	if l.html == "" {
		return text(l)
	}
	html := message.NewHTML(l.html)
	if len(l.inline) > 0 {
		html = message.NewMultipart("related", html)
		for _, f := range l.inline {
			html.Children = append(html.Children, message.NewInline(f.name, f.name, f.mediaType, f.data))
		}
	}
	if l.text == "" {
		return html
	}
	return message.NewMultipart("alternative", text(l), html)
}

// text is the letter's text in UTF-8, or in the encoding of its time.
func text(l letter) message.Entity {
	e := message.NewText(l.text)
	if l.charset != "" {
		e.Params = []message.Param{{Name: "charset", Value: l.charset}}
		e.Content = encode(l.charset, l.text)
	}
	return e
}

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

// headerOf is a message's header block.
func headerOf(m []byte) []byte {
	head, _, _ := bytes.Cut(m, []byte("\r\n\r\n"))
	return append(bytes.Clone(head), "\r\n"...)
}
