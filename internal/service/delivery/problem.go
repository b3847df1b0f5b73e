package delivery

import (
	"errors"

	"postroad/internal/fault"
	"postroad/internal/service/transfer"
)

// Problem is a failure that has a status code of its own, which the kind of fault around it doesn't tell.
type Problem struct {
	// Code and Status are those of the reply: 554, "5.4.6" (RFC 3463).
	Code         int
	Status, Text string
}

// Error is the text.
func (p *Problem) Error() string { return p.Text }

// ProblemOf is the Problem in an error's chain; nil if there is none.
func ProblemOf(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}

func (p Problem) fault() error { return fault.Wrap(fault.Denied, &p, p.Text) }

// What goes wrong with status codes of its own.
func errLoop() error {
	return Problem{554, "5.4.6", "This message has been here before: it is in a loop"}.fault()
}
func errNotPoster() error {
	return Problem{550, "5.7.2", "You may not write to this list"}.fault()
}
func errNoPerson() error {
	return Problem{550, "5.7.2", "Lists take no notifications"}.fault()
}
func errUnproved() error {
	return Problem{550, "5.7.2", "This list takes mail only from senders that can be verified (SPF or DKIM)"}.fault()
}
func errForged() error {
	return Problem{550, "5.7.1", "Mail in the name of this domain goes on to others only if it is proved to be real (SPF or DKIM)"}.fault()
}
func errSpam() error {
	return Problem{550, "5.7.1", "Lists pass no mail on that looks like spam"}.fault()
}
func errDoubtful() error {
	return Problem{550, "5.7.1", "Lists pass no mail on whose author is in doubt (DMARC)"}.fault()
}

// statusOf is the status code (RFC 3463) of a failure to deliver to an address here.
func statusOf(err error) string {
	if p := ProblemOf(err); p != nil {
		return p.Status
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return "5.1.1"
	case fault.Invalid:
		return "5.1.3"
	case fault.Denied, fault.Unsupported, fault.Unauthenticated:
		return "5.7.1"
	case fault.TooLarge:
		return "5.2.4" // of an expansion: messages themselves were measured on arrival
	case fault.Exists:
		return "5.5.0"
	case fault.OverQuota:
		return "4.2.2"
	case fault.InUse:
		return "4.2.1"
	case fault.RateLimited:
		return "4.7.1"
	case fault.Unavailable, fault.Canceled:
		return "4.3.2"
	}
	return "4.3.0"
}

// outcome is what an attempt to deliver here came to.
func outcome(err error) transfer.Outcome {
	if err == nil {
		return transfer.Outcome{Result: transfer.Delivered, Status: "2.1.5", Text: "delivered here"}
	}
	o := transfer.Outcome{Result: transfer.Failed, Status: statusOf(err), Text: safe(fault.TextOf(err))}
	if o.Text == "" {
		o.Text = fault.KindOf(err).String()
	}
	if fault.KindOf(err).Retry() {
		o.Result = transfer.Deferred
	}
	o.Text = o.Text[:min(len(o.Text), transfer.MaxText)]
	return o
}
