package junk

import (
	"encoding/binary"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/mailbox"
	"postroad/internal/storage/kv"
)

// Partition is where lies what all accounts of the server share.
const Partition kv.Partition = 13 << 56

// Records beside an account's mail (mailbox.JunkSide), schema 1. Records begin with their version; days are counted from 1970.
//
//	h               head: revision, how far the log was read, whether the account is judged, explicit labels, labels, the
//	                day of the last look at what was kept, and up to which UID
//	d               what the account has learned: model.Delta
//	n               what learning more needs beside it, and judging doesn't: its notes
//	l content       the label of a content: junk or good, by what act, day. content has 6 bytes
//	t digest        the label of a message that was trained from a file; digest has 8 bytes
//	k address       the account has written to an address, in lower case: day of the last time, and by what name, as signs.NameKey has it
//
// Records of Partition, schema 1.
//
//	s               what the server's accounts agree on: model.Delta
//	n               its notes
//	r kind hash     votes on a sender: who (4 bytes of a hash), day, junk or good. kind: d, a domain that was proved; n, a network; hash has 16 bytes
//	s author        how often the account has said of a proved author's mail that it is junk, or good: day of the last time, two octets.
//	                author has 8 bytes of a hash
//
// Addresses are plain beside the mail that they are in, and are forgotten with the account. What is shared has keyed hashes alone: who
// has the store without its secret can't try names.
const (
	keyHead    = 'h'
	keyDelta   = 'd'
	keyNotes   = 'n'
	keyLabel   = 'l'
	keyTrained = 't'
	keyKnown   = 'k'
	keySender  = 's'

	keyShared = 's'
	keyVotes  = 'r'

	version = 1
)

// head is an account's state as a learner.
type head struct {
	revision uint64         // grows with each write
	seen     mailbox.ModSeq // the log was read up to here
	off      bool           // the account's mail isn't judged
	explicit uint64         // labels that the person has given by moving and marking
	labels   uint64         // label records
	keptDay  int64
	keptUID  mailbox.UID
}

func (h *head) encode() []byte {
	b := binary.AppendUvarint([]byte{version}, h.revision)
	b = binary.AppendUvarint(b, uint64(h.seen))
	off := byte(0)
	if h.off {
		off = 1
	}
	b = append(b, off)
	b = binary.AppendUvarint(b, h.explicit)
	b = binary.AppendUvarint(b, h.labels)
	b = binary.AppendVarint(b, h.keptDay)
	return binary.AppendUvarint(b, uint64(h.keptUID))
}

func decodeHead(value []byte) (h head, err error) {
	d := record.Decode(value, version)
	h.revision, h.seen, h.off = d.Uint(), mailbox.ModSeq(d.Uint()), d.Byte() == 1
	h.explicit, h.labels = d.Uint(), d.Uint()
	h.keptDay, h.keptUID = d.Int(), mailbox.UID(d.Uint())
	if d.Bad() {
		return head{}, fault.New(fault.Corrupt, "what an account holds for junk can't be read")
	}
	return h, nil
}

// A label says what a message is.
type label byte

const (
	unlabelled label = iota
	labelJunk
	labelGood
)

func labelOf(junk bool) label {
	if junk {
		return labelJunk
	}
	return labelGood
}

func (l label) String() string {
	return [...]string{"", "junk", "good"}[min(l, labelGood)]
}

// An act is what gave a message its label.
type act byte

const (
	_       act = iota
	moved       // into the folder for junk, or out of it
	marked      // by a keyword
	replied     // answered
	kept        // read, and left where it is
	filed       // moved to a folder of the person's own
	trained     // by an administrator
)

// explicit: the person has said so.
func (a act) explicit() bool { return a == moved || a == marked || a == trained }

func (a act) String() string {
	return [...]string{"", "moved", "marked", "answered", "kept", "filed", "trained"}[min(a, trained)]
}

// labelled is a label as it is stored.
type labelled struct {
	label
	act
	day int64
}

func (l labelled) encode() []byte {
	return binary.AppendVarint([]byte{version, byte(l.label), byte(l.act)}, l.day)
}

func decodeLabelled(value []byte) (l labelled, ok bool) {
	d := record.Decode(value, version)
	l.label, l.act, l.day = label(d.Byte()), act(d.Byte()), d.Int()
	return l, !d.Bad() && l.label <= labelGood && l.act <= trained
}

func labelKey(c mailbox.ContentID) []byte {
	n := uint64(c)
	return []byte{keyLabel, byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func trainedKey(digest []byte) []byte { return append([]byte{keyTrained}, digest[:8]...) }

func knownKey(address string) []byte { return append([]byte{keyKnown}, address...) }

// acquaintance is somebody whom the account has written to.
type acquaintance struct {
	day  int64
	name string // signs.NameKey; "": not known
}

func (a acquaintance) encode() []byte {
	return record.AppendString(binary.AppendVarint([]byte{version}, a.day), a.name)
}

func decodeAcquaintance(value []byte) (a acquaintance) {
	d := record.Decode(value, version)
	a.day, a.name = d.Int(), d.String()
	return a
}

// dayOf counts days from 1970.
func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }
