package junk

import (
	"cmp"
	"encoding/binary"
	"slices"

	"postroad/internal/format/record"
	"postroad/internal/model/mailbox"
)

// What somebody says of a message they also say of its author: whoever moves two letters of a shop into the junk doesn't want the third,
// whatever is in it; and whom they took out of there isn't to come back to it. This holds for authors who are proved alone.

// opinion is how often an account has said by moving or marking that a message of an author is junk, or good.
type opinion struct {
	author     uint64 // hash of the address
	junk, good uint8
}

// mostSenders is on how many authors an account has an opinion.
const mostSenders = 5000

// ofAuthor is what that adds to the log-odds, by how much oftener junk was said than good; and the other way round it takes as much away.
var ofAuthor = [...]float64{0, 2.5, 4, 5}

// of is what the account's opinion on an author adds to the log-odds.
func (m *mind) of(author uint64) float64 {
	i, ok := slices.BinarySearchFunc(m.senders, opinion{author: author}, opinion.compare)
	if !ok || author == 0 {
		return 0
	}
	o := m.senders[i]
	switch d := int(o.junk) - int(o.good); {
	case d > 0:
		return ofAuthor[min(d, len(ofAuthor)-1)]
	default:
		return -ofAuthor[min(-d, len(ofAuthor)-1)]
	}
}

func (o opinion) compare(p opinion) int { return cmp.Compare(o.author, p.author) }

// says counts a label; n is 1, or -1 for one that is taken back.
func (o *opinion) says(l label, n int) {
	count := &o.good
	if l == labelJunk {
		count = &o.junk
	}
	*count = uint8(max(0, min(255, int(*count)+n)))
}

func senderKey(author uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keySender}, author)
}

func (o *opinion) encode(day int64) []byte {
	return append(binary.AppendVarint([]byte{version}, day), o.junk, o.good)
}

func decodeOpinion(key, value []byte) (o opinion, day int64, ok bool) {
	d := record.Decode(value, version)
	day = d.Int()
	o.junk, o.good = d.Byte(), d.Byte()
	if d.Bad() || len(key) != 9 {
		return o, 0, false
	}
	o.author = binary.BigEndian.Uint64(key[1:])
	return o, day, true
}

func (m *mind) readSenders(r mailbox.SideReader) error {
	err := r.Scan([]byte{keySender}, func(key, value []byte) error {
		if o, _, ok := decodeOpinion(key, value); ok {
			m.senders = append(m.senders, o)
		}
		return nil
	})
	m.senders = slices.Clip(m.senders)
	return err
}

// author is the hash of a proved author's address; 0: nothing proves it.
func (s *Service) author(p *paper) uint64 {
	if !p.proven() {
		return 0
	}
	sum := s.hash.sum(keySender, appendAddress(make([]byte, 0, 96), p.from.Mailbox, p.from.Host))
	return binary.BigEndian.Uint64(sum[:])
}

// opine notes what is said of an author.
func (p *pupil) opine(author uint64, l labelled, had label) {
	if author == 0 || !l.explicit() {
		return
	}
	o, ok := p.senders[author]
	if !ok {
		o = opinion{author: author}
		if i, found := slices.BinarySearchFunc(p.was.senders, o, opinion.compare); found {
			o = p.was.senders[i]
		}
	}
	if had != unlabelled {
		o.says(had, -1)
	}
	o.says(l.label, 1)
	p.senders[author] = o
}

// writeSenders writes what has changed.
func (p *pupil) writeSenders(tx mailbox.SideTx) error {
	day := dayOf(p.s.o.Now())
	for author, o := range p.senders {
		if err := tx.Set(senderKey(author), o.encode(day)); err != nil {
			return err
		}
	}
	if len(p.was.senders)+len(p.senders) <= mostSenders {
		return nil
	}
	return forgetOldest(tx, keySender, mostSenders, func(v []byte) int64 {
		_, day, _ := decodeOpinion(make([]byte, 9), v)
		return day
	})
}
