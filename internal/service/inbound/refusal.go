package inbound

import (
	"errors"
	"fmt"
	"strings"

	"postroad/internal/fault"
)

// Reason says in a word why somebody was refused: for counts and the trace.
type Reason string

// Reasons.
const (
	ConnectionRate Reason = "connection-rate"
	MessageRate    Reason = "message-rate"
	DomainRate     Reason = "domain-rate"
	BlockList      Reason = "blocklist"
	BadHelo        Reason = "helo"
	Greylisted     Reason = "greylist"
	DMARC          Reason = "dmarc"
	SPF            Reason = "spf"
	NullMX         Reason = "null-mx"
	AccountRate    Reason = "account-rate"
	AccountHeld    Reason = "account-held"
	Author         Reason = "author"
)

// Reasons lists all, for metrics.
func Reasons() []Reason {
	return []Reason{ConnectionRate, MessageRate, DomainRate, BlockList, BadHelo, Greylisted, DMARC, SPF, NullMX, AccountRate, AccountHeld, Author}
}

// Refusal is a no, as it is to be said in SMTP. It is the cause within a fault of kind fault.RateLimited (come back
// later) or fault.Denied.
type Refusal struct {
	Reason Reason
	// Code and Status are those of the reply: 554, "5.7.1".
	Code   int
	Status string
	// Text is printable ASCII, of one line or, with LF between them, several.
	Text string
	// Close: the connection is to end.
	Close bool
	// Quiet: the same was said to the client within the last minute, so that there is nothing new to write down.
	Quiet bool
}

// Error tells the reason and the reply's codes; the fault around it has the text.
func (r *Refusal) Error() string { return fmt.Sprintf("%s %d %s", r.Reason, r.Code, r.Status) }

// Refuse makes an error of a refusal that others decide on. It isn't counted here.
func Refuse(r Refusal) error {
	lines := strings.Split(r.Text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	r.Text = strings.Join(lines, "\n")
	return r.fault()
}

// fault gives the refusal its kind.
func (r *Refusal) fault() error {
	kind := fault.Denied
	if r.Code < 500 {
		kind = fault.RateLimited
	}
	return fault.Wrap(kind, r, r.Text)
}

// RefusalOf returns the Refusal in err's chain; nil if there is none.
func RefusalOf(err error) *Refusal {
	r, _ := errors.AsType[*Refusal](err)
	return r
}

// maxReply keeps a reply's line below 512 octets (RFC 5321 §4.5.3.1.5).
const maxReply = 400

// printable makes strangers' text fit for a reply.
func printable(s string) string { return fault.Printable(s, maxReply) }
