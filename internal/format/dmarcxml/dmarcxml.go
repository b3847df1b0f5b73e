// Package dmarcxml writes and reads DMARC aggregate reports: RFC 9990, and on reading RFC 7489 appendix C too.
//
//	file := report.XML()
//	report, err := dmarcxml.Parse(file)
//
// What a report is sent in is package reportmail's business, what is counted that of package reports.
//
// RFC 9990's text wasn't at hand: section names are those of its last draft, draft-ietf-dmarc-aggregate-reporting-32.
package dmarcxml

import (
	"net/netip"
	"time"
)

// Namespace is that of RFC 9990; reports of RFC 7489 have none.
const Namespace = "urn:ietf:params:xml:ns:dmarc-2.0"

// MediaType is that of the compressed file.
const MediaType = "application/gzip"

// Limits of Parse. Reports within them are read whole; what is over them is fault.TooLarge.
const (
	MaxBytes   = 8 << 20
	MaxRecords = 20_000
	// MaxText is how many bytes of a text are kept; the rest is cut off.
	MaxText = 512
	// MaxSignatures is how many DKIM results of a record are kept ("DKIM Signatures in Aggregate Reports"), maxReasons
	// how many reasons, maxErrors how many errors.
	MaxSignatures         = 100
	maxReasons, maxErrors = 20, 20
)

// Report is one domain's report for some time, in general a day.
type Report struct {
	Organization, Email, ExtraContact, ID string
	// Begin and End are to the second, in UTC.
	Begin, End time.Time
	// Errors are what was wrong with the policy record; Generator is the program.
	Errors    []string
	Generator string
	Policy    Policy
	Records   []Record
}

// Policy is the policy as it was published. Values are as in the DNS; "" is not told.
type Policy struct {
	Domain                              string
	P, SP, NP, DKIM, SPF, FO, Discovery string
	// Testing is "y" or "n". Percent is of RFC 7489 only; "" if not told.
	Testing, Percent string
}

// Record is what messages from one address came to that had the same results.
type Record struct {
	IP    netip.Addr
	Count uint64
	// Disposition is what was done: none, pass, quarantine, reject. DKIM and SPF are pass if an aligned
	// identifier passed.
	Disposition, DKIM, SPF string
	Reasons                []Reason
	// HeaderFrom is the author's domain.
	HeaderFrom, EnvelopeFrom, EnvelopeTo string
	Signatures                           []Signature
	// Sender is the SPF result; its zero value if there was none.
	Sender Sender
}

// Reason is why the policy was not applied.
type Reason struct{ Type, Comment string }

// Signature is a DKIM result.
type Signature struct{ Domain, Selector, Result, Human string }

// Sender is an SPF result. Scope is "mfrom", or in reports of RFC 7489 "helo".
type Sender struct{ Domain, Scope, Result, Human string }
