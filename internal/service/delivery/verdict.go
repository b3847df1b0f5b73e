package delivery

import (
	"context"

	"postroad/internal/model/ident"
	"postroad/internal/service/scan"
	"postroad/internal/service/transfer"
)

// Verdict is what the checks at reception found out about a message.
type Verdict struct {
	// Field is our Authentication-Results field with its final CRLF, which goes in front of the message (RFC 8601 §4), and
	// behind it those that other programs add; "": none.
	Field string
	// Results is the field's body, for ARC seals.
	Results string
	// Chain is the state of the ARC chain that the message came with: "none", "pass" or "fail"; "": not looked at (RFC 8617 §4.4).
	Chain string
	// Doubted: the author's domain wants the message held for junk (DMARC), which a policy here may have overruled in Junk.
	Doubted bool
	// Junk: copies go to the folders for junk instead of the INBOX.
	Junk bool
	// Scan is what other programs have found; nil: none was asked.
	Scan *scan.Report
	// Quarantine says in a few words why nobody gets the message unless an administrator lets it go on, and Discard why
	// nobody gets it at all; "": it is delivered.
	Quarantine, Discard string
	// Sender: the reverse-path's domain is authenticated, by SPF or by an aligned signature: notifications may go there.
	Sender bool
	// Unproved is the domain in From, in lower case, if nothing proves that the author is there; "": it was proved, or isn't known.
	Unproved string
	// Proved is the domain in From, in lower case, if SPF or DKIM proves that the author is there; "": nothing does, or nobody has looked.
	Proved string
	// Decided: an administrator has decided whether it is junk, or wants it delivered. Nobody else judges.
	Decided bool
	// Scanned: programs have given it a score. ScanJunk: one of them holds it for junk. ScanScore is the highest share that one gives it of what
	// would make it junk: 1 and more is junk, 0 and less is good.
	Scanned, ScanJunk bool
	ScanScore         float64
	// Summary is for the log and the trace: "spf=pass dkim=pass dmarc=pass".
	Summary string
}

// junk reports whether the message goes to the junk where no account has an opinion.
func (v *Verdict) junk() bool { return v != nil && (v.Junk || v.ScanJunk && !v.Decided) }

// doubtful reports whether something speaks against the message that delivery has to remember.
func (v *Verdict) doubtful() bool { return v.junk() || v != nil && v.Doubted }

// Sealer signs what leaves. It must be safe for concurrent use.
type Sealer interface {
	// Seal returns header fields, each with its final CRLF, that go in front of a message that leaves. c is
	// the message as it will leave without them. A message that can't be sealed leaves as it is: that is no error.
	Seal(ctx context.Context, l Leaving, c transfer.Content) (fields []byte, err error)
}

// Leaving says on whose behalf a message leaves.
type Leaving struct {
	// Who signed in, or is us (our own notifications); nil: a stranger, whose mail is forwarded.
	Who *ident.Identity
	// From is the reverse-path that the message came with; "": the null path.
	From string
	// Via is the domain of ours whose alias or group leads elsewhere; "" if the message isn't forwarded.
	Via string
	// List: the message goes to the members of a list, with List-* fields in front.
	List bool
	// Verdict is what was found out about the message; nil: nothing was checked.
	Verdict *Verdict
}
