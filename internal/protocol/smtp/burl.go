package smtp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// BURL (RFC 4468): a message, or a part of one, is fetched from an IMAP server, so that what lies there needn't be
// downloaded in order to be sent.

// URLs finds what IMAP URLs lead to. Its methods are called from many sessions at once.
type URLs interface {
	// Server is the name of the IMAP server that is trusted to know the people here by the same names: its URLs
	// work also without authorisation, for what the sender may read there (RFC 4468 §3.3), if what they signed in with
	// opens their mail.
	Server() string
	// Open finds what a URL leads to that who has given. Errors: fault.Invalid (it is no URL that could lead to a message),
	// fault.Unsupported (it is another server's), fault.Denied (it gives them no right),
	// fault.NotFound (there is nothing there), and whatever else is in the way.
	Open(ctx context.Context, who ident.Identity, url string) (URLData, error)
}

// URLData is what a URL leads to.
type URLData interface {
	// Size is how many bytes CopyTo will write.
	Size() int64
	// CopyTo writes them.
	CopyTo(w io.Writer) error
}

// RFC 4468 §6.
var (
	replyBURLSyntax   = reply{code: 501, status: "5.5.4", text: "Syntax: BURL imap-url [LAST]"}
	replyBURLOK       = reply{code: 250, status: "2.5.0", text: "Waiting for more by BURL or BDAT"}
	replyURLDenied    = reply{code: 554, status: "5.7.0", text: "The URL gives you no right to anything"}
	replyURLUntrusted = reply{code: 554, status: "5.7.8", text: "The URL leads to a server that is not known here"}
	replyURLEmpty     = reply{code: 554, status: "5.6.6", text: "The URL leads to nothing"}
	replyURLLater     = reply{code: 451, status: "4.4.1", text: "The URL can't be followed now, try again later"}
	replyURLTooLarge  = reply{code: 554, status: "5.3.4", text: "Message too large"}
	replyURLBinary    = reply{code: 554, status: "5.6.3", text: "The URL leads to binary data, which needs BINARYMIME"}
)

// offersBURL reports whether BURL is there: for submission only (RFC 4468 §3.1).
func (s *session) offersBURL() bool {
	return s.opts.Mode == Submission && s.server.config.URLs != nil
}

// appendBURL appends its line of the reply to EHLO. What URLs are taken is told to those who have signed in.
func (s *session) appendBURL(line func(words ...string)) {
	switch {
	case !s.offersBURL():
	case s.who == nil:
		line("BURL")
	case !s.who.ReadsMail:
		line("BURL imap")
	default:
		line("BURL imap imap://", s.server.config.URLs.Server())
	}
}

// burl takes a piece of a message, or all of it. If that fails, so does the transaction (RFC 4468 §3.2).
func (s *session) burl(ctx context.Context, args []byte) reply {
	url, last, ok := parseBURL(args)
	switch {
	case !s.offersBURL():
		return replyUnknown
	case s.who == nil:
		return replyAuthRequired
	case s.tx == nil:
		return replyNoMail
	}
	if r := s.checkChunk(); !r.ok() { // nothing is looked up in vain
		s.reset()
		return r
	}
	if s.tx.message == nil {
		if r := s.scanData(ctx); !r.ok() {
			s.reset()
			return r
		}
		s.beginMessage(false)
	}
	if !ok {
		return s.refuseChunk(ctx, replyBURLSyntax)
	}
	if r := s.fetchURL(ctx, url); !r.ok() {
		return s.refuseChunk(ctx, r)
	}
	if !last {
		return replyBURLOK
	}
	s.tx.message.lenient = true // as for what stands before the end
	s.tx.lines.finish()
	s.tx.message.end()
	return s.endMessage(ctx)
}

// parseBURL reads BURL's arguments: absolute-URI [ SP "LAST" ].
func parseBURL(args []byte) (url string, last, ok bool) {
	first, rest, _ := bytes.Cut(args, []byte{' '})
	switch rest = bytes.TrimRight(rest, " "); {
	case len(rest) == 0:
	case is(rest, "LAST"):
		last = true
	default:
		return "", false, false
	}
	return string(first), last, len(first) > 0
}

// fetchURL adds what a URL leads to to the message.
func (s *session) fetchURL(ctx context.Context, url string) reply {
	data, err := s.server.config.URLs.Open(ctx, *s.who, url)
	if err != nil {
		return replyToURL(err)
	}
	m := s.tx.message
	if data.Size() > s.limits.MessageBytes-m.size {
		return replyURLTooLarge
	}
	m.beginPortion(time.Now())
	err = data.CopyTo(&urlWriter{s})
	switch {
	case m.refused.code != 0:
		return m.refused
	case err != nil:
		return replyURLLater
	}
	return replyBURLOK
}

// replyToURL is the reply that tells why a URL can't be followed.
func replyToURL(err error) reply {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return replyBURLSyntax
	case fault.Unsupported:
		return replyURLUntrusted
	case fault.Denied:
		return replyURLDenied
	case fault.NotFound:
		return replyURLEmpty
	}
	return replyURLLater
}

// errRefused stops what is being copied into a message that was refused.
var errRefused = errors.New("refused")

// urlWriter adds to a session's message what comes from a mailbox. Unlike what a client sends, it may have lines
// that end in a bare LF, as old mail does: they get their CR, since the client can't help it.
type urlWriter struct{ s *session }

func (w *urlWriter) Write(p []byte) (int, error) {
	tx := w.s.tx
	m := tx.message
	switch {
	case tx.envelope.Body == BodyBinaryMIME:
		m.write(p)
	case bytes.IndexByte(p, 0) >= 0: // RFC 4468 §4
		m.refuse(replyURLBinary)
	default:
		w.text(p)
	}
	m.read += int64(len(p))
	if m.refused.code != 0 {
		return 0, errRefused
	}
	return len(p), nil
}

func (w *urlWriter) text(p []byte) {
	tx := w.s.tx
	if tx.envelope.Body == Body7Bit && has8Bit(p) {
		tx.envelope.Body = Body8BitMIME // RFC 4468 §4
	}
	as := tx.message.lenient
	tx.message.lenient = true
	tx.lines.feed(p)
	tx.message.lenient = as
}

func has8Bit(p []byte) bool {
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
