// Package arf writes and reads reports about single messages in the Abuse Reporting Format (RFC 5965): here those that tell a
// domain's owner of a message in its name that could not be authenticated (RFC 6591, RFC 9991).
//
//	text := arf.Compose(&arf.Report{From: ..., To: ..., Feedback: arf.Feedback{Failure: arf.DMARC, ...}, Header: header})
//	r, err := arf.Find(content)
//
// A report is a multipart/report of words for people, a message/feedback-report for programs, and the header of the message that it
// is about. The body never goes along. What identifies people can be taken out of a header: see Redactor.
//
// RFC 9991 is cited by the names of sections of its last draft, draft-ietf-dmarc-failure-reporting-24. The texts of RFC 5965 and RFC 6591
// were not at hand: fields and their values are those of IANA's "MARF Parameters", and of the draft's example.
package arf

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"postroad/internal/format/message"
)

// ReportType is the report-type of the multipart/report.
const ReportType = "feedback-report"

// AuthFailure is the Feedback-Type of all that Compose writes (RFC 6591).
const AuthFailure = "auth-failure"

// What failed: the field Auth-Failure.
const (
	// DMARC: no mechanism, or not all of them, authenticated the author's domain (RFC 9991 "Reporting Format Update").
	DMARC = "dmarc"
	// Signature: a DKIM signature doesn't fit; SPF: it doesn't permit the client (RFC 6591).
	Signature = "signature"
	SPF       = "spf"
)

// What became of the message: the field Delivery-Result (RFC 6591).
const (
	Delivered = "delivered"
	Spam      = "spam"
	Rejected  = "reject"
)

// Report is a message with a report.
type Report struct {
	// Organization names the sender for people, From is its address.
	Organization, From string
	To                 []string
	Date               time.Time
	// ID is the Message-ID, without brackets.
	ID, Subject string
	// Text is for people.
	Text string
	Feedback
	// Header is that of the message in question, as it came, up to MaxHeader bytes.
	Header string
}

// MaxHeader is how much of a header goes along. It ends with a whole field.
const MaxHeader = 32 << 10

// Feedback is what a report tells programs. Texts may hold anything: they become one line of printable ASCII.
type Feedback struct {
	// Type is AuthFailure, or what else others send.
	Type string `json:"type,omitempty"`
	// UserAgent names the program that reports.
	UserAgent string `json:"user_agent,omitempty"`
	// Failure says what failed: DMARC, Signature, SPF, or a type of others.
	Failure string `json:"failure,omitempty"`
	// Arrival is when the message came; zero: not told.
	Arrival time.Time `json:"arrival,omitzero"`
	// Results are what the checks came to, as in Authentication-Results.
	Results string `json:"results,omitempty"`
	// NotAligned are the mechanisms that didn't authenticate the author's domain: "dkim", "spf". None of them: nil.
	NotAligned []string `json:"not_aligned,omitempty"`
	// Delivery says what became of the message; "": not told.
	Delivery string `json:"delivery,omitempty"`
	// DKIMDomain, DKIMIdentity and DKIMSelector are those of a signature that failed (d, i, s).
	DKIMDomain   string `json:"dkim_domain,omitempty"`
	DKIMIdentity string `json:"dkim_identity,omitempty"`
	DKIMSelector string `json:"dkim_selector,omitempty"`
	// SPFDomain is where SPFRecord, the TXT record, was found.
	SPFDomain string `json:"spf_domain,omitempty"`
	SPFRecord string `json:"spf_record,omitempty"`
	// MailFrom is the reverse-path; "": not told.
	MailFrom string `json:"mail_from,omitempty"`
	// Source is the client's address, the zero Addr if it isn't told; Reporter the name of the reporting server.
	Source   netip.Addr `json:"source,omitzero"`
	Reporter string     `json:"reporter,omitempty"`
	// Domain is whom the report is about.
	Domain string `json:"domain,omitempty"`
	// Incidents is how many messages like this one the report stands for; 0 means 1.
	Incidents uint64 `json:"incidents,omitempty"`
}

// Compose writes the message. The same report gives the same octets.
func Compose(r *Report) []byte {
	d := message.Draft{Boundary: "=_report"}
	d.AddAddresses("From", mailbox(r.Organization, r.From))
	var to []message.Address
	for _, a := range r.To {
		to = append(to, mailbox("", a))
	}
	d.AddAddresses("To", to...)
	d.Add("Subject", line(r.Subject[:min(len(r.Subject), maxSubject)]))
	d.AddDate("Date", r.Date)
	d.AddMessageIDs("Message-ID", r.ID)
	d.Add("Auto-Submitted", "auto-generated") // RFC 3834 §5
	machine := message.Entity{Type: "message/feedback-report", Encoding: "7bit", Content: []byte(r.fields())}
	d.Body = message.NewReport(ReportType, message.NewText(r.Text), machine, headerPart(r.Header))
	return d.Bytes()
}

// headerPart is the third part: RFC 9991, appendix "Example Failure Report", wants this type where the body isn't included.
func headerPart(header string) message.Entity {
	return message.Entity{Type: "text/rfc822-headers", Content: []byte(ClipHeader(header))}
}

// ClipHeader cuts a header behind the last field that fits into MaxHeader.
func ClipHeader(header string) string {
	if len(header) <= MaxHeader {
		return header
	}
	end := strings.LastIndex(header[:MaxHeader], "\n") + 1
	for end > 0 && (header[end] == ' ' || header[end] == '\t') { // the field goes on
		end = strings.LastIndex(header[:end-1], "\n") + 1
	}
	return header[:end]
}

// fields are the second part. RFC 9991 "Reporting Format Update" says which there must be.
func (f *Feedback) fields() string {
	var w writer
	w.field("Feedback-Type", AuthFailure)
	w.field("Version", "1")
	w.field("User-Agent", f.UserAgent)
	w.field("Auth-Failure", f.Failure)
	w.field("Authentication-Results", f.Results)
	aligned := "none"
	if len(f.NotAligned) > 0 {
		aligned = strings.Join(f.NotAligned, ", ")
	}
	w.field("Identity-Alignment", aligned)
	w.field("Delivery-Result", f.Delivery)
	w.field("DKIM-Domain", f.DKIMDomain)
	w.field("DKIM-Identity", f.DKIMIdentity)
	w.field("DKIM-Selector", f.DKIMSelector)
	if f.SPFDomain != "" {
		w.field("SPF-DNS", "txt : "+line(f.SPFDomain)+" : "+quoted(f.SPFRecord))
	}
	w.field("Original-Mail-From", f.MailFrom)
	if !f.Arrival.IsZero() {
		w.field("Arrival-Date", message.FormatDate(f.Arrival))
	}
	if f.Source.IsValid() {
		w.field("Source-IP", f.Source.String())
	}
	if f.Reporter != "" {
		w.field("Reporting-MTA", "dns; "+line(f.Reporter))
	}
	w.field("Reported-Domain", f.Domain)
	if f.Incidents > 1 {
		w.field("Incidents", strconv.FormatUint(f.Incidents, 10))
	}
	return w.b.String()
}

// writer writes header fields, folded.
type writer struct{ b strings.Builder }

// Limits of a field.
const (
	maxValue   = 4 << 10
	maxSubject = 400
	maxWord    = 900 // RFC 5322 §2.1.1: 998 in a line
)

// field writes a field, and nothing if value is empty.
func (w *writer) field(name, value string) {
	if value = line(value); value == "" {
		return
	}
	w.b.WriteString(name + ":")
	column := len(name) + 1
	for i, word := range strings.Fields(value) {
		if i > 0 && column+1+len(word) > 78 {
			w.b.WriteString("\r\n")
			column = 0
		}
		for len(word) > maxWord {
			w.b.WriteString(" " + word[:maxWord] + "\r\n")
			word, column = word[maxWord:], 0
		}
		w.b.WriteString(" " + word)
		column += 1 + len(word)
	}
	w.b.WriteString("\r\n")
}

// line makes one line of printable ASCII of a text.
func line(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		switch {
		case c < ' ' || c == 0x7F:
			return ' '
		case c > 0x7F:
			return '?'
		}
		return c
	}, s[:min(len(s), maxValue)]))
}

// quoted is a quoted-string (RFC 5322 §3.2.4).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line(s)) + `"`
}

func mailbox(name, address string) message.Address {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return message.Address{Name: name, Mailbox: address}
	}
	return message.Address{Name: name, Mailbox: address[:at], Host: address[at+1:]}
}
