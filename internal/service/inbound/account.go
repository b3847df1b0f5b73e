package inbound

import (
	"encoding/binary"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
)

// tally is what an account did in an hour.
type tally struct {
	messages, recipients uint64
	fresh                uint64 // recipients that it had not written to before
	refused              uint64 // recipients that didn't exist, here or elsewhere
}

func (t *tally) add(o tally) {
	t.messages += o.messages
	t.recipients += o.recipients
	t.fresh += o.fresh
	t.refused += o.refused
}

// day is how many hours are kept.
const day = 24

// account is what is kept of an account, all in all.
type account struct {
	hour   int64 // Unix time in hours, of the newest slot
	slots  [day]tally
	known  uint64    // addresses that it has written to
	told   int64     // in which hour it was last complained of
	held   time.Time // since when nothing is taken from it; zero: it isn't held
	reason string    // for that
}

func decodeAccount(b []byte) (a account, err error) {
	d := record.Decode(b, 1)
	a.hour, a.known, a.told = d.Int(), d.Uint(), d.Int()
	if held := d.Int(); held != 0 {
		a.held = time.Unix(held, 0)
	}
	a.reason = d.String()
	for i := range a.slots {
		s := &a.slots[i]
		s.messages, s.recipients, s.fresh, s.refused = d.Uint(), d.Uint(), d.Uint(), d.Uint()
	}
	if d.Bad() {
		return account{}, fault.New(fault.Corrupt, "what an account has sent")
	}
	return a, nil
}

// encode writes the record: version, hour, known, told, held (0 or Unix seconds), reason, and 24 slots of four numbers, that of
// hour h at h modulo 24.
func (a *account) encode() []byte {
	b := make([]byte, 1, 160)
	b[0] = 1
	b = binary.AppendVarint(b, a.hour)
	b = binary.AppendUvarint(b, a.known)
	b = binary.AppendVarint(b, a.told)
	held := int64(0)
	if !a.held.IsZero() {
		held = a.held.Unix()
	}
	b = binary.AppendVarint(b, held)
	b = record.AppendString(b, a.reason)
	for _, s := range a.slots {
		for _, n := range [...]uint64{s.messages, s.recipients, s.fresh, s.refused} {
			b = binary.AppendUvarint(b, n)
		}
	}
	return b
}

// advance forgets what is over a day old. A clock that goes back changes nothing.
func (a *account) advance(now time.Time) {
	hour := now.Unix() / 3600
	if hour-a.hour >= day {
		a.slots = [day]tally{}
	} else {
		for h := a.hour + 1; h <= hour; h++ {
			a.slots[h%day] = tally{}
		}
	}
	a.hour = max(a.hour, hour)
}

// now is the current hour's slot.
func (a *account) now() *tally { return &a.slots[a.hour%day] }

// today is the sum of the last 24 hours.
func (a *account) today() (sum tally) {
	for _, s := range a.slots {
		sum.add(s)
	}
	return sum
}

// over says which limit one more thing would break; "" if none.
func (a *account) over(more tally, l *AccountLimits) string {
	hour, today := *a.now(), a.today()
	hour.add(more)
	today.add(more)
	for _, c := range [...]struct {
		n    uint64
		more uint64
		most int
		what string
	}{
		{hour.messages, more.messages, l.MessagesPerHour, "messages in an hour"},
		{today.messages, more.messages, l.MessagesPerDay, "messages in a day"},
		{hour.recipients, more.recipients, l.RecipientsPerHour, "recipients in an hour"},
		{today.recipients, more.recipients, l.RecipientsPerDay, "recipients in a day"},
		{today.fresh, more.fresh, l.NewRecipientsPerDay, "recipients in a day that it had not written to before"},
	} {
		if c.more > 0 && c.most > 0 && c.n > uint64(c.most) {
			return c.what
		}
	}
	return ""
}

// suspect reports whether so much of what the account sends is refused that somebody else seems to use it: people know
// whom they write to, lists that are bought don't.
func (a *account) suspect(l *AccountLimits) bool {
	t := a.today()
	return l.Refused > 0 && t.refused >= uint64(l.Refused) && t.refused*100 >= uint64(l.RefusedPercent)*t.recipients
}
