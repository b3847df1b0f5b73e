package smtp

import (
	"crypto/tls"
	"net/netip"
	"strconv"
	"time"
)

// trace knows what the trace fields of a message say (RFC 5321 §4.4).
type trace struct {
	hostname string
	helo     string
	peer     netip.Addr
	protocol string // WITH clause
	tls      *tls.ConnectionState
	now      time.Time
}

// withProtocol is the WITH clause (RFC 3848, RFC 6531 §4.3).
func withProtocol(mode Mode, extended, utf8, private, signedIn bool) string {
	name := "SMTP"
	switch {
	case mode == LMTP && utf8:
		name = "UTF8LMTP"
	case mode == LMTP:
		name = "LMTP"
	case !extended:
		return name
	case utf8:
		name = "UTF8SMTP"
	default:
		name = "ESMTP"
	}
	if private {
		name += "S"
	}
	if signedIn {
		name += "A"
	}
	return name
}

// append appends Received. (Return-Path is put in front at final delivery: who has the message for others must not note it.)
func (t *trace) append(b []byte, e *Envelope) []byte {
	b = append(b, "Received: from "...)
	b = t.appendClient(b)
	if t.tls != nil {
		b = append(b, "\r\n\t(using "...)
		b = append(b, tls.VersionName(t.tls.Version)...)
		b = append(b, " with cipher "...)
		b = append(b, tls.CipherSuiteName(t.tls.CipherSuite)...)
		b = append(b, ')')
	}
	b = append(b, "\r\n\tby "...)
	b = append(b, t.hostname...)
	b = append(b, " with "...)
	b = append(b, t.protocol...)
	b = append(b, " id "...)
	b = append(b, e.ID...)
	if len(e.Recipients) == 1 { // more would tell them of each other (RFC 5321 §7.2)
		b = append(b, "\r\n\tfor <"...)
		b = append(b, e.Recipients[0].Address...)
		b = append(b, '>')
	}
	if e.Prioritised { // RFC 6710: what we pass on, not what was asked for
		b = append(b, "\r\n\tpriority "...)
		b = strconv.AppendInt(b, int64(e.Priority), 10)
	}
	b = append(b, ";\r\n\t"...)
	b = appendDate(b, t.now)
	return append(b, "\r\n"...)
}

// appendClient appends Extended-Domain: what the client calls itself and where it is.
func (t *trace) appendClient(b []byte) []byte {
	named := isDomain(t.helo)
	switch {
	case named:
		b = append(b, t.helo...)
	case t.peer.IsValid():
		b = appendLiteral(b, t.peer)
	default:
		b = append(b, "unknown"...)
	}
	if t.peer.IsValid() {
		b = append(b, " ("...)
		b = appendLiteral(b, t.peer)
		b = append(b, ')')
	}
	return b
}

// appendLiteral appends an address-literal (RFC 5321 §4.1.3).
func appendLiteral(b []byte, a netip.Addr) []byte {
	b = append(b, '[')
	if a.Is6() {
		b = append(b, "IPv6:"...)
	}
	return append(a.AppendTo(b), ']')
}

// appendMissing appends the fields that a submitted message must have and lacks (RFC 6409 §8.2, §8.3).
func (t *trace) appendMissing(b []byte, e *Envelope, h *header) []byte {
	if !h.date {
		b = append(b, "Date: "...)
		b = appendDate(b, t.now)
		b = append(b, "\r\n"...)
	}
	if !h.messageID {
		b = append(b, "Message-ID: <"...)
		b = append(b, e.ID...)
		b = append(b, '@')
		b = append(b, t.hostname...)
		b = append(b, ">\r\n"...)
	}
	return b
}

// appendDate appends t as RFC 5322 §3.3 has it, just as time.RFC1123Z says, but without reading that: every message has one.
func appendDate(b []byte, t time.Time) []byte {
	_, east := t.Zone()
	local := t.Add(time.Duration(east) * time.Second).UTC()
	year, month, day := local.Date()
	hour, minute, second := local.Clock()
	b = append(b, local.Weekday().String()[:3]...)
	b = append(b, ", "...)
	b = append(appendTwo(b, day), ' ')
	b = append(b, month.String()[:3]...)
	b = append(b, ' ')
	b = appendTwo(appendTwo(b, year/100), year%100)
	b = append(b, ' ')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	b = append(appendTwo(b, second), ' ')
	minutes, sign := east/60, byte('+')
	if minutes < 0 {
		minutes, sign = -minutes, '-'
	}
	return appendTwo(appendTwo(append(b, sign), minutes/60), minutes%60)
}

// appendTwo appends a number from 0 to 99.
func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
