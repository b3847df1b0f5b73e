// Package reportmail writes and reads the messages that machines send each other reports in: one compressed file as
// an attachment, with a few words for people.
//
//	text, err := reportmail.Compose(&reportmail.Mail{Domain: "example.net", Submitter: "example.org", ...})
//	file, err := reportmail.Find(content, content.Size())  // the file, unpacked
//
// What the file says is not known here: see packages tlsrpt and dmarcxml. The frame is that of RFC 8460 §5.3 and
// of RFC 9990, which have the same subject and the same names for files.
package reportmail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/url"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
)

// Mail is a message with a report. Domains are A-labels.
type Mail struct {
	// Organization names the sender for people, From is its address.
	Organization, From string
	To                 []string
	Date               time.Time
	// Domain is whom the report is about, Submitter the domain of who made it, Begin and End the time that
	// it covers.
	Domain, Submitter string
	Begin, End        time.Time
	// ReportID is unique among the reports to Domain: a dot-atom, "@" and a domain. It is the Message-ID too, so that
	// what is sent twice can be seen to be the same.
	ReportID string
	// ReportType makes a multipart/report of it (RFC 6522); "" a multipart/mixed.
	ReportType string
	// Text is for people.
	Text string
	// MediaType is that of the compressed file, Extension the end of its name: "json", "xml".
	MediaType, Extension string
	// File is not compressed yet.
	File []byte
	// Fields are further header fields.
	Fields []message.DraftField
}

// Filename is the name that the specifications want (RFC 8460 §5.1, RFC 9990).
func (m *Mail) Filename() string {
	return fmt.Sprintf("%s!%s!%d!%d.%s.gz", m.Submitter, m.Domain, m.Begin.Unix(), m.End.Unix(), m.Extension)
}

// Subject likewise (RFC 8460 §5.3, RFC 9990).
func (m *Mail) Subject() string {
	return "Report Domain: " + m.Domain + " Submitter: " + m.Submitter + " Report-ID: <" + m.ReportID + ">"
}

// Compose writes the message. The same mail gives the same octets.
func Compose(m *Mail) []byte {
	d := message.Draft{Boundary: "=_report"}
	d.AddAddresses("From", mailbox(m.Organization, m.From))
	var to []message.Address
	for _, a := range m.To {
		to = append(to, mailbox("", a))
	}
	d.AddAddresses("To", to...)
	d.Add("Subject", m.Subject())
	d.AddDate("Date", m.Date)
	d.AddMessageIDs("Message-ID", m.ReportID)
	d.Add("Auto-Submitted", "auto-generated") // RFC 3834 §5
	for _, f := range m.Fields {
		d.Add(f.Name, f.Value)
	}
	file := message.NewAttachment(m.Filename(), m.MediaType, Gzip(m.File))
	if m.ReportType != "" {
		d.Body = message.NewReport(m.ReportType, message.NewText(m.Text), file, message.Entity{})
	} else {
		d.Body = message.NewMultipart("mixed", message.NewText(m.Text), file)
	}
	return d.Bytes()
}

// Gzip compresses a file (RFC 1952).
func Gzip(file []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(file) //nolint:errcheck // a Buffer takes all
	w.Close()     //nolint:errcheck // likewise
	return b.Bytes()
}

func mailbox(name, address string) message.Address {
	local, host, _ := cutAddress(address)
	return message.Address{Name: name, Mailbox: local, Host: host}
}

func cutAddress(a string) (local, host string, ok bool) {
	at := strings.LastIndexByte(a, '@')
	if at < 1 || at == len(a)-1 {
		return a, "", false
	}
	return a[:at], a[at+1:], true
}

// MaxAddress is the longest address that Mailto takes (RFC 5321 §4.5.3.1.3).
const MaxAddress = 254

// Mailto is the address in a mailto URI (RFC 6068), whose header fields count for nothing. It fails with
// fault.Invalid if it has none, or several.
func Mailto(uri string) (string, error) {
	scheme, rest, _ := strings.Cut(uri, ":")
	if !strings.EqualFold(scheme, "mailto") {
		return "", fault.New(fault.Invalid, "not a mailto URI")
	}
	rest, _, _ = strings.Cut(rest, "?")
	address, err := url.PathUnescape(rest)
	_, host, ok := cutAddress(address)
	if err != nil || !ok || len(address) > MaxAddress || strings.ContainsFunc(address, unfit) || strings.ContainsAny(host, "[]:") {
		return "", fault.New(fault.Invalid, "a mailto URI without an address")
	}
	return address, nil
}

// unfit is what an address that reports go to doesn't have: white space, controls, and what separates several.
func unfit(r rune) bool { return r <= ' ' || r == 0x7F || strings.ContainsRune(`,;<>"\`, r) }
