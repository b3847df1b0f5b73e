package quarantine

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/service/transfer"
)

// Entry is a message in the quarantine.
type Entry struct {
	// Number names the entry. The Store gives it.
	Number uint64
	// ID names the message in the log and the history, MessageID in its header, without brackets.
	ID, MessageID string
	Received      time.Time
	// Reason says in a few words why it is here.
	Reason string
	// From is the reverse-path, To are those who haven't got it. Whole: nobody was taken off To yet.
	From  string
	To    []transfer.Recipient
	Whole bool
	// Account is who signed in, Login as what; 0 and "": a stranger.
	Account ident.AccountID
	Login   string
	// Client is the address of who brought it, Helo the name that they gave themselves.
	Client, Helo string
	// Author and Subject are the header's, decoded, for people to see.
	Author, Subject string
	// Size is the message's, in bytes.
	Size int64
	// Field is what goes in front when it is delivered. Proved: the reverse-path's domain is.
	Field  string
	Proved bool
	// Envelope as in transfer.Envelope.
	EnvelopeID                         string
	Return                             transfer.Return
	EightBit, Binary, UTF8, RequireTLS bool
}

// Limits of what is kept of an entry, in bytes; what is longer is cut.
const (
	maxReason = 400
	maxShown  = 400
)

const recordVersion = 1

// switches are bits of the record's flags, the first the lowest.
func (e *Entry) switches() []*bool {
	return []*bool{&e.Whole, &e.Proved, &e.EightBit, &e.Binary, &e.UTF8, &e.RequireTLS}
}

func (e *Entry) flags() (f uint64) {
	for i, on := range e.switches() {
		if *on {
			f |= 1 << i
		}
	}
	return f
}

// encode writes the record: version, when it came (Unix microseconds), flags, account, size, how much to return, then strings, then the recipients.
func (e *Entry) encode() []byte {
	b := make([]byte, 1, 512)
	b[0] = recordVersion
	b = binary.AppendVarint(b, e.Received.UnixMicro())
	for _, n := range []uint64{e.flags(), uint64(e.Account), uint64(e.Size), uint64(e.Return)} {
		b = binary.AppendUvarint(b, n)
	}
	for _, s := range e.texts() {
		b = record.AppendString(b, *s)
	}
	b = binary.AppendUvarint(b, uint64(len(e.To)))
	for i := range e.To {
		r := &e.To[i]
		b = record.AppendString(b, r.Address)
		b = binary.AppendUvarint(b, uint64(r.Notify))
		b = record.AppendString(b, r.OriginalType)
		b = record.AppendString(b, r.Original)
	}
	return b
}

// texts are the record's strings, in order.
func (e *Entry) texts() []*string {
	return []*string{&e.ID, &e.MessageID, &e.Reason, &e.From, &e.Login, &e.Client, &e.Helo, &e.Author, &e.Subject, &e.Field, &e.EnvelopeID}
}

func decodeEntry(number uint64, b []byte) (Entry, error) {
	e := Entry{Number: number}
	d := record.Decode(b, recordVersion)
	e.Received = time.UnixMicro(d.Int()).UTC()
	f := d.Uint()
	for i, on := range e.switches() {
		*on = f&(1<<i) != 0
	}
	e.Account, e.Size, e.Return = ident.AccountID(d.Uint()), int64(d.Uint()), transfer.Return(d.Uint())
	for _, s := range e.texts() {
		*s = d.String()
	}
	for range d.Count() {
		r := transfer.Recipient{Address: d.String()}
		r.Notify, r.OriginalType, r.Original = transfer.Notify(d.Uint()), d.String(), d.String()
		e.To = append(e.To, r)
	}
	if d.Bad() || e.Size < 0 {
		return Entry{}, fault.Wrap(fault.Corrupt, fault.New(fault.Corrupt, "quarantine: record %d", number), "")
	}
	return e, nil
}

// shorten cuts what is only for people to see.
func (e *Entry) shorten() {
	for s, n := range map[*string]int{&e.Reason: maxReason, &e.Author: maxShown, &e.Subject: maxShown, &e.MessageID: maxShown, &e.Helo: maxShown} {
		if len(*s) > n {
			*s = strings.ToValidUTF8((*s)[:n], "")
		}
	}
}

// For reports whether an address is among those who haven't got it, and which.
func (e *Entry) For(address string) int {
	return slices.IndexFunc(e.To, func(r transfer.Recipient) bool { return strings.EqualFold(r.Address, address) })
}
