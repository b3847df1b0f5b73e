package imap

import (
	"strconv"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// attribute is one thing that FETCH tells of a message.
type attribute struct {
	name string // as the response has it
	// write appends the value behind the name. If the value is too large for the buffer, it sets f.stream.
	write func(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error)
}

// plainAttributes need no arguments, one line each. records says that the stored summary is needed.
var plainAttributes = map[string]struct {
	records bool
	write   func(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error)
}{
	"UID":           {false, writeUID},
	"FLAGS":         {false, writeFlags},
	"INTERNALDATE":  {false, writeInternalDate},
	"RFC822.SIZE":   {false, writeSize},
	"ENVELOPE":      {true, writeEnvelope},
	"BODYSTRUCTURE": {true, writeBodyStructure},
	"BODY":          {true, writeBody},
	"MODSEQ":        {false, writeModSeq},   // RFC 7162 §3.1.4.2
	"EMAILID":       {false, writeEmailID},  // RFC 8474 §5.1
	"THREADID":      {false, writeThreadID}, // RFC 8474 §5.2
	"SAVEDATE":      {false, writeSaveDate}, // RFC 8514 §4.2
	"PREVIEW":       {true, writePreview},   // RFC 8970 §3
}

// macros stand for several attributes (RFC 9051 §6.4.5).
var macros = map[string][]string{
	"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
	"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
	"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
}

// parseAttributes consumes what to fetch.
func (f *fetching) parseAttributes(d *decoder) {
	if f.s.byUID && !f.s.uidOnly {
		f.plain("UID") // RFC 9051 §6.4.9
	}
	if d.peek() == '(' {
		d.list(func() { f.attribute(d, d.keyword()) })
	} else if name := d.keyword(); macros[name] != nil {
		for _, n := range macros[name] {
			f.plain(n)
		}
	} else {
		f.attribute(d, name)
	}
	if d.ok() && len(f.atts) == 0 {
		d.fail("FETCH what?")
	}
}

// plain adds an attribute that needs no arguments.
func (f *fetching) plain(name string) bool {
	a, ok := plainAttributes[name]
	if ok {
		f.records = f.records || a.records
		f.want(attribute{name: name, write: a.write})
	}
	return ok
}

// attribute consumes what belongs to the attribute of that name.
func (f *fetching) attribute(d *decoder, name string) {
	switch name {
	case "BODY", "BODY.PEEK":
		if d.peek() == '[' {
			f.addSection(d.section(), name == "BODY")
			return
		}
	case "BINARY", "BINARY.PEEK", "BINARY.SIZE":
		f.addBinary(d.binary(name == "BINARY.SIZE"), name == "BINARY")
		return
	case "RFC822", "RFC822.HEADER", "RFC822.TEXT": // RFC 3501 §6.4.5
		f.addSection(oldSection(name), name != "RFC822.HEADER")
		return
	case "PREVIEW":
		f.plain(name)
		d.tryText(" (LAZY)") // RFC 8970 §3.1; it changes nothing, since previews are stored
		return
	}
	if d.ok() && (name == "BODY.PEEK" || !f.plain(name)) {
		d.fail("no such FETCH item")
	}
}

func (f *fetching) addSection(sec *section, seen bool) {
	f.records = true
	f.sets = f.sets || seen
	f.want(attribute{name: sec.label, write: sec.write})
}

func writeUID(_ *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	return appendUint(dst, r.UID), nil
}

func writeFlags(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	return appendFlags(dst, r, f.s.sel.isRecent(r)), nil
}

func writeInternalDate(_ *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	sec, zone := r.ReceivedUnix()
	return appendDateTime(dst, sec, zone), nil
}

func writeSize(_ *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	return strconv.AppendInt(dst, r.Size, 10), nil
}

func writeModSeq(_ *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	return append(appendUint(append(dst, '('), r.ModSeq()), ')'), nil
}

func writeEmailID(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	dst, err := f.s.appendEmailID(append(dst, '('), f.s.sel.mail, f.batch, r)
	return append(dst, ')'), err
}

// appendEmailID writes a message's EMAILID: the number of its content in the account where that was first, which all copies
// share (RFC 8474 §5.1). b may be nil if the account has nothing that came from others.
func (s *session) appendEmailID(dst []byte, mail *mailbox.Session, b *mailbox.Batch, r *mailbox.Row) (_ []byte, err error) {
	o := mailbox.Origin{Account: mail.Account(), Content: r.Content}
	if b != nil && mail.HasOrigins() {
		o, err = b.Origin(mail, r)
	}
	return s.appendOwner(appendUint(append(dst, 'M'), o.Content), o.Account), err
}

// appendOwner makes an ID of somebody else's account one that the client's own doesn't have.
func (s *session) appendOwner(dst []byte, account ident.AccountID) []byte {
	if account == s.who.Account {
		return dst
	}
	return appendUint(append(dst, '-'), account)
}

func writeThreadID(_ *fetching, dst []byte, _ *mailbox.Row) ([]byte, error) {
	return append(dst, "NIL"...), nil // RFC 8474 §5.2: threads aren't known
}

func writeSaveDate(_ *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	return appendDateTime(dst, r.Saved().Unix(), 0), nil
}

func writeEnvelope(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	rec, err := f.record(r)
	v := rec.Envelope()
	return append(dst, v...), unreadable(err, len(v) > 0)
}

func writeBodyStructure(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	rec, err := f.record(r)
	v := rec.BodyStructure()
	return append(dst, v...), unreadable(err, len(v) > 0)
}

func writeBody(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	rec, err := f.record(r)
	v := rec.Body()
	return append(dst, v...), unreadable(err, len(v) > 0)
}

func writePreview(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	rec, err := f.record(r)
	return appendString(dst, rec.Preview(), f.s.utf8), unreadable(err, rec.Valid())
}

// unreadable makes a damaged summary an error: nothing may be sent that isn't IMAP.
func unreadable(err error, readable bool) error {
	if err == nil && !readable {
		err = fault.New(fault.Corrupt, "message summary damaged")
	}
	return err
}
