package mailbox

import (
	"encoding/binary"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Origin names a content for all accounts: the account that it was in first, and its number there. A copy in another
// account keeps it, so that clients know the two for one message (RFC 8474 §5.1).
type Origin struct {
	Account ident.AccountID
	Content ContentID
}

func originKey(id ContentID) []byte { return key48(keyOrigin, uint64(id)) }

func (o Origin) encode() []byte {
	b := binary.AppendUvarint([]byte{recordVersion}, uint64(o.Account))
	return binary.AppendUvarint(b, uint64(o.Content))
}

func decodeOrigin(value []byte) (Origin, error) {
	d := decode(value)
	o := Origin{ident.AccountID(d.Uint()), ContentID(d.Uint())}
	return o, d.end("origin")
}

// HasOrigins reports whether the account has, or had lately, contents that came from others. Without, all are its own, and
// Batch.Origin needn't be asked.
func (s *Session) HasOrigins() bool { return s.state().origins }

// Origin tells where a row's content was first.
func (b *Batch) Origin(s *Session, r *Row) (Origin, error) {
	return originOf(b.r, s.a.id, r.Content)
}

func originOf(r kv.Reader, account ident.AccountID, id ContentID) (Origin, error) {
	value, ok, err := r.Get(originKey(id))
	if err != nil || !ok {
		return Origin{account, id}, err
	}
	return decodeOrigin(value)
}

// readOrigins reports whether there are any.
func readOrigins(r kv.Reader) (bool, error) {
	for _, err := range r.Scan(all(keyOrigin)) {
		return err == nil, err
	}
	return false, nil
}

// setOrigin notes where a new content came from.
func (t *txn) setOrigin(id ContentID, o Origin) error {
	if o.Account == 0 {
		return nil
	}
	t.dirty, t.next.origins = true, true
	return t.tx.Set(originKey(id), o.encode())
}

// dropOrigin forgets it with the content.
func (t *txn) dropOrigin(id ContentID) error {
	if !t.next.origins {
		return nil
	}
	return t.tx.Delete(originKey(id))
}

// origins checks that origins are of contents that are there.
func (c *checker) origins() error {
	for p, err := range c.r.Scan(all(keyOrigin)) {
		if err != nil {
			return err
		}
		id := ContentID(read48(p.Key[1:]))
		o, err := decodeOrigin(p.Value)
		if err != nil || o.Account == 0 || o.Content == 0 || c.contents[id] == 0 {
			c.say("content %d came from %+v (%v), but %d items refer to it", id, o, err, c.contents[id])
		}
	}
	return nil
}
