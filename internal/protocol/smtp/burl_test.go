package smtp

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// urls is an IMAP server: what lies there by path, and what is wrong with it.
type urls map[string]string

var theURLs = urls{
	"whole":   "From: alice@example.org\r\nSubject: all of it\r\nReceived: once\r\n\r\nHello.\r\n",
	"header":  "From: alice@example.org\r\nSubject: a part\r\n\r\n",
	"old":     "Subject: old\n\nlines\n",
	"eight":   "Subject: eight\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n",
	"binary":  "Subject: binary\r\n\r\na\x00b\r\n",
	"cut":     "Subject: cut\r\n\r\nhalf a line\r",
	"hundred": strings.Repeat("12345678\r\n", 10),
	"lost":    "Subject: it breaks\r\n",
	"loop":    strings.Repeat("Received: x\r\n", 101) + "\r\n",
}

func (u urls) Server() string { return "imap.example.org" }

func (u urls) Open(_ context.Context, who ident.Identity, url string) (URLData, error) {
	path, ours := strings.CutPrefix(url, "imap://imap.example.org/")
	text, there := u[path]
	switch {
	case !strings.HasPrefix(url, "imap://"):
		return nil, fault.New(fault.Invalid, "no URL")
	case !ours:
		return nil, fault.New(fault.Unsupported, "another server's")
	case path == "bobs" || who.Login != "alice@example.org":
		return nil, fault.New(fault.Denied, "not yours")
	case path == "later":
		return nil, errors.New("disk on fire")
	case !there:
		return nil, fault.New(fault.NotFound, "nothing")
	}
	return &urlData{text, path == "lost"}, nil
}

type urlData struct {
	text   string
	breaks bool
}

func (d *urlData) Size() int64 { return int64(len(d.text)) }

func (d *urlData) CopyTo(w io.Writer) error {
	for i := range len(d.text) { // in the smallest portions
		if _, err := io.WriteString(w, d.text[i:i+1]); err != nil {
			return err
		}
	}
	if d.breaks {
		return errors.New("disk on fire")
	}
	return nil
}

// TestBURLOf8Bit: what has 8 bits is 8BITMIME, whatever the client said (RFC 4468 §4).
func TestBURLOf8Bit(t *testing.T) {
	w := &world{}
	srv := w.server(t, func(c *Config) { c.URLs = theURLs })
	c := serve(t, srv, ListenerOptions{Mode: Submission, PlainAllowed: true}).client(t, "192.0.2.7")
	defer c.Close()
	c.hear("220 ")
	c.say("EHLO x\r\n")
	c.hear("250 ")
	c.say("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==\r\n")
	c.hear("235 ")
	for path, want := range map[string]Body{"eight": Body8BitMIME, "whole": Body7Bit} {
		for _, l := range []string{"MAIL FROM:<alice@example.org>", "RCPT TO:<bob@example.org>", "BURL imap://imap.example.org/" + path + " LAST"} {
			c.say(l + "\r\n")
			c.hear("250 ")
		}
		if got := w.last(t).Envelope.Body; got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
}
