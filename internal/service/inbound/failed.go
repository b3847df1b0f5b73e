package inbound

import (
	"strings"

	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
)

// Failed is a message of which its author's domain wants to be told at once, because something failed to vouch for it.
type Failed struct {
	Evaluated
	// WantsDMARC, WantsSignature and WantsSPF say what is wanted by the record's options (RFC 9989 §4.7, fo): that the author's domain was not
	// authenticated by any mechanism, or not by all; that a signature fails; that SPF does.
	WantsDMARC, WantsSignature, WantsSPF bool
	// MailFrom is the reverse-path, To are the recipients.
	MailFrom string
	To       []string
	// Results are what the checks came to, as in Authentication-Results.
	Results string
	// Signature is one that failed, of the author's domain if possible; its Domain is "" if there is none.
	Signature Signature
	// Header is the message's, as it came.
	Header string
}

// failed tells of a message, if its author's domain wants that. What the DNS had no answer about didn't fail.
func (c *Check) failed(e *Evaluated, r *sender.Verdict) {
	g := c.visit.g
	record := &r.DMARC.Record
	known := r.DMARC.Status == authres.Pass || r.DMARC.Status == authres.Fail
	if g.o.Failed == nil || len(record.RUF) == 0 || record.PSD == 'y' || !known { // RFC 9991 "DMARC Failure Reports": not by psd=y
		return
	}
	f := Failed{Evaluated: *e, MailFrom: c.visit.from, To: c.to, Signature: worstSignature(r)}
	wants := func(option string) bool { return strings.Contains(record.FailureOptions, option) }
	none, some := !r.DMARC.SPFAligned && !r.DMARC.DKIMAligned, !r.DMARC.SPFAligned || !r.DMARC.DKIMAligned
	f.WantsDMARC = wants("0") && none || wants("1") && some
	f.WantsSignature = wants("d") && f.Signature.Domain != ""
	f.WantsSPF = wants("s") && (r.SPF.Status == authres.Fail || r.SPF.Status == authres.SoftFail)
	if !f.WantsDMARC && !f.WantsSignature && !f.WantsSPF {
		return
	}
	told := *r
	told.DMARC.Disposition = e.Disposition
	f.Results, f.Header = told.Results().Value(), c.check.Header()
	g.o.Failed(f)
}

// Signature is a DKIM signature: who signed (d), by which key (s), for whom (i).
type Signature struct{ Domain, Selector, Identity string }

// worstSignature is a signature that failed.
func worstSignature(r *sender.Verdict) (worst Signature) {
	for i := range r.DKIM {
		s := &r.DKIM[i]
		if s.Status != authres.Fail && s.Status != authres.PermError {
			continue
		}
		if worst.Domain == "" || strings.EqualFold(s.Domain, r.DMARC.Author) && !strings.EqualFold(worst.Domain, r.DMARC.Author) {
			worst = Signature{s.Domain, s.Selector, s.Identity}
		}
	}
	return worst
}
