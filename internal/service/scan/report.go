package scan

import (
	"fmt"
	"slices"
	"strings"
)

// Report is what all programs that were asked think of a message. It is immutable.
type Report struct {
	// Findings are in the order of the settings.
	Findings []Finding
	// Front are the fields that go in front of the message, the first on top.
	Front []Field
	// Edited are the bytes that take the place of the message's; nil: they stay.
	Edited Draft
	// Changes are what is to be changed in the envelope; those of the header and the body are done.
	Changes []EnvelopeChange
}

// only leaves out those that weren't asked.
func (r *Report) only(without []asked) *Report {
	for _, o := range slices.Backward(without) {
		r.Findings = slices.Delete(r.Findings, o.at, o.at+1)
	}
	return r
}

// decides is the finding whose word counts: the first of the most severe. Nil if none was asked.
func (r *Report) decides() *Finding {
	var worst *Finding
	for i := range r.Findings {
		if f := &r.Findings[i]; worst == nil || f.Action > worst.Action {
			worst = f
		}
	}
	return worst
}

// Action is what is to become of the message.
func (r *Report) Action() Action {
	if f := r.decides(); f != nil {
		return f.Action
	}
	return Accept
}

// Junk reports whether a program holds the message for junk, whatever else is to become of it.
func (r *Report) Junk() bool {
	for i := range r.Findings {
		if r.Findings[i].Action == Junk {
			return true
		}
	}
	return false
}

// Decision is the finding behind Action; the zero Finding if none was asked.
func (r *Report) Decision() Finding {
	if f := r.decides(); f != nil {
		return *f
	}
	return Finding{}
}

// Virus is what is known of viruses: the worst that any program that looks for them has to say.
func (r *Report) Virus() Certainty {
	worst := Untested
	for i := range r.Findings {
		worst = max(worst, r.Findings[i].Certainty)
	}
	return worst
}

// Score is the highest share of what would make the message junk that a program gives it: 1 and more is junk, below 0 it is
// good. ok is false if none gives scores.
func (r *Report) Score() (share float64, ok bool) {
	for i := range r.Findings {
		f := &r.Findings[i]
		if !f.Scored || f.Required <= 0 {
			continue
		}
		if s := f.Score / f.Required; !ok || s > share {
			share, ok = s, true
		}
	}
	return share, ok
}

// Fields are the header fields that go in front of the message, each with its final CRLF; "": none.
func (r *Report) Fields() string {
	var b []byte
	for _, x := range r.Front {
		b = x.append(b)
	}
	return string(b)
}

// Summary is what was found in a line, for the log and the history: "clamav=clean rspamd=junk(7.5/6)".
func (r *Report) Summary() string {
	var b strings.Builder
	for i := range r.Findings {
		if i > 0 {
			b.WriteByte(' ')
		}
		f := &r.Findings[i]
		b.WriteString(f.Scanner + "=" + f.word())
	}
	return b.String()
}

// word is what a program found.
func (f *Finding) word() string {
	switch {
	case f.Failed:
		return "failed(" + f.Reason + ")"
	case f.Skipped:
		return "skipped(" + f.Reason + ")"
	case f.Virus != "":
		return "virus(" + f.Virus + ")"
	case f.Scored:
		return fmt.Sprintf("%s(%.4g/%.4g)", f.Action, f.Score, f.Required)
	case f.Action == Accept && f.Certainty == Clean:
		return "clean"
	}
	return f.Action.String()
}

// Why says in a few words why the message isn't simply accepted: for the history, and the quarantine.
func (f *Finding) Why() string {
	switch {
	case f.Virus != "":
		return f.Scanner + ": virus " + f.Virus
	case f.Reason != "":
		return f.Scanner + ": " + f.Reason
	case f.Scored:
		return fmt.Sprintf("%s: score %.4g of %.4g", f.Scanner, f.Score, f.Required)
	}
	return f.Scanner
}

// Reply is how the one who brings the message hears of a refusal (Reject) or delay (TempFail).
func (f *Finding) Reply() (code int, status, text string) {
	code, status, text = 550, "5.7.1", "The message is refused by a filter" // RFC 3463 §3.8
	switch {
	case f.Action == TempFail && f.Failed:
		code, status, text = 451, "4.7.1", "The message can't be checked now, try again later"
	case f.Action == TempFail:
		code, status, text = 451, "4.7.1", "Try again later"
	case f.Virus != "":
		text = "The message has a virus in it: " + f.Virus
	case f.Scored:
		text = "The message looks like spam"
	}
	if f.Code != 0 {
		code = f.Code
	}
	if f.Status != "" {
		status = f.Status
	}
	if f.Text != "" {
		text = f.Text
	}
	return code, status, text
}
