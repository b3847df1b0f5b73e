package mailbox

import (
	"context"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// AwayState says whether senders hear that an account's owner is away.
type AwayState uint8

// States.
const (
	AwayOff       AwayState = iota
	AwayOn                  // until it is turned off
	AwayScheduled           // from Away.Start to Away.End
)

// AwayAudience says who outside of the owner's own domains is answered.
type AwayAudience uint8

// Audiences.
const (
	AwayNobody AwayAudience = iota // only people inside
	AwayKnown                      // whom the owner knows, too
	AwayAll
)

// Away is an account's out of office setting, its texts apart. The zero value is off.
type Away struct {
	State AwayState
	// Start and End bound AwayScheduled, to the second; a zero one leaves that side open. They are kept in the other states too, for
	// programs to show.
	Start, End time.Time
	// Zone is the time zone in which the owner gave them, such as "Europe/Berlin"; "": not known. It is for showing only.
	Zone     string
	Audience AwayAudience
	// Days is how long a sender who has had the answer gets none again, up to MaxAwayDays; 0: once while the owner is away.
	Days int
	// Period grows whenever the owner goes away anew: then everybody is answered anew. The store sets it.
	Period uint64
}

// AwayTexts are what senders hear. An empty pair means that those aren't answered.
type AwayTexts struct {
	// Subject of the answer; "": made of the message's.
	Subject string
	// Inside is for people of the owner's own domains, Outside for others.
	Inside, Outside AwayText
}

// AwayText is one text in two forms, either of which may be missing.
type AwayText struct{ Plain, HTML string }

// Empty reports whether there is nothing to say.
func (t AwayText) Empty() bool {
	return strings.TrimSpace(t.Plain) == "" && strings.TrimSpace(t.HTML) == ""
}

// Limits of the setting.
const (
	MaxAwayText    = 128 << 10 // octets of one form of one text
	MaxAwaySubject = 512       // octets
	MaxAwayDays    = 365
	maxAwayZone    = 64
)

// InForce reports whether senders are to be answered at a time.
func (a *Away) InForce(now time.Time) bool {
	switch a.State {
	case AwayOn:
		return true
	case AwayScheduled:
		return !now.Before(a.Start) && (a.End.IsZero() || now.Before(a.End))
	}
	return false
}

// check says what is wrong with a setting.
func (a *Away) check(t *AwayTexts) error {
	switch {
	case a.State > AwayScheduled || a.Audience > AwayAll:
		return fault.New(fault.Invalid, "there is no such state or audience")
	case a.State == AwayScheduled && a.Start.IsZero() && a.End.IsZero():
		return fault.New(fault.Invalid, "a schedule needs a beginning or an end")
	case !a.Start.IsZero() && !a.End.IsZero() && !a.Start.Before(a.End):
		return fault.New(fault.Invalid, "the absence must end after it begins")
	case a.Days < 0 || a.Days > MaxAwayDays:
		return fault.New(fault.Invalid, "the number of days is from 0 to %d", MaxAwayDays)
	case len(a.Zone) > maxAwayZone || !utf8.ValidString(a.Zone):
		return fault.New(fault.Invalid, "there is no such time zone")
	case len(t.Subject) > MaxAwaySubject:
		return fault.New(fault.TooLarge, "a subject has at most %d octets", MaxAwaySubject)
	case strings.ContainsAny(t.Subject, "\r\n\x00"):
		return fault.New(fault.Invalid, "a subject is one line")
	}
	for _, text := range []string{t.Subject, t.Inside.Plain, t.Inside.HTML, t.Outside.Plain, t.Outside.HTML} {
		if len(text) > MaxAwayText {
			return fault.New(fault.TooLarge, "a text has at most %d octets", MaxAwayText)
		}
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fault.New(fault.Invalid, "the texts must be UTF-8")
		}
	}
	return nil
}

// unixOf is a time in a record; 0: none.
func unixOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func timeOf(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}

func (a *Away) encode() []byte {
	b := []byte{recordVersion, byte(a.State), byte(a.Audience)}
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(a.Days)), a.Period)
	b = binary.AppendVarint(binary.AppendVarint(b, unixOf(a.Start)), unixOf(a.End))
	return record.AppendString(b, a.Zone)
}

func decodeAway(value []byte) (*Away, error) {
	d := decode(value)
	a := &Away{State: AwayState(d.Byte()), Audience: AwayAudience(d.Byte()), Days: int(d.Uint()), Period: d.Uint()}
	a.Start, a.End, a.Zone = timeOf(d.Int()), timeOf(d.Int()), string(d.Bytes())
	return a, d.end("out of office")
}

func (t *AwayTexts) encode() []byte {
	b := []byte{recordVersion}
	for _, s := range []string{t.Subject, t.Inside.Plain, t.Inside.HTML, t.Outside.Plain, t.Outside.HTML} {
		b = record.AppendString(b, s)
	}
	return b
}

func decodeAwayTexts(value []byte) (t AwayTexts, err error) {
	d := decode(value)
	for _, s := range []*string{&t.Subject, &t.Inside.Plain, &t.Inside.HTML, &t.Outside.Plain, &t.Outside.HTML} {
		*s = string(d.Bytes())
	}
	return t, d.end("out of office text")
}

// readAway reads the setting; nil: there was never any.
func readAway(r kv.Reader) (*Away, error) {
	value, ok, err := r.Get(awayKey())
	if err != nil || !ok {
		return nil, err
	}
	return decodeAway(value)
}

func readAwayTexts(r kv.Reader) (AwayTexts, error) {
	value, ok, err := r.Get(awayTextsKey())
	if err != nil || !ok {
		return AwayTexts{}, err
	}
	return decodeAwayTexts(value)
}

// Away returns the account's out of office setting. It costs nothing. Only the owner sees any.
func (s *Session) Away() Away {
	st := s.state()
	if st.away == nil || !s.who.Owns(s.a.id) {
		return Away{}
	}
	return *st.away
}

// IsAway reports whether senders are to be answered now.
func (s *Session) IsAway() bool {
	a := s.Away()
	return a.InForce(s.a.store.now())
}

// AwayTexts returns what senders hear, with the setting as it was written with them. Only the owner sees any.
func (s *Session) AwayTexts(ctx context.Context) (a Away, t AwayTexts, err error) {
	if !s.who.Owns(s.a.id) {
		return a, t, nil
	}
	err = s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		found, err := readAway(r)
		if err != nil || found == nil {
			return err
		}
		a = *found
		t, err = readAwayTexts(r)
		return err
	})
	return a, t, err
}

// UpdateAway changes the out of office setting; change gets it as it is, and nobody else changes it meanwhile. Only the owner may.
// fault.Invalid, fault.TooLarge: limits, or what change fails with.
func (s *Session) UpdateAway(ctx context.Context, change func(a *Away, t *AwayTexts) error) error {
	if !s.who.Owns(s.a.id) {
		return fault.New(fault.Denied, "only the owner can do that")
	}
	return s.a.update(ctx, func(t *txn) error {
		var old Away
		if t.next.away != nil {
			old = *t.next.away
		}
		texts, err := readAwayTexts(t.tx)
		if err != nil {
			return err
		}
		next, before := old, texts
		if err := change(&next, &texts); err != nil {
			return err
		}
		next.Start, next.End = next.Start.UTC().Truncate(time.Second), next.End.UTC().Truncate(time.Second)
		if err := next.check(&texts); err != nil {
			return err
		}
		next.Period = old.Period
		if next.begins(&old, t.now) {
			next.Period++
		}
		if next == old && texts == before {
			return nil
		}
		t.next.away = &next
		t.change(AccountChanged, 0, 0, 0)
		if err := t.tx.Set(awayTextsKey(), texts.encode()); err != nil {
			return err
		}
		return t.tx.Set(awayKey(), next.encode())
	})
}

// begins reports whether a setting begins another absence than the old one: it was off, it is over, or begins at another time.
func (a *Away) begins(old *Away, now time.Time) bool {
	switch {
	case a.State == AwayOff:
		return false
	case old.State == AwayOff || old.State == AwayScheduled && !old.End.IsZero() && !now.Before(old.End):
		return true
	case old.State == AwayScheduled && now.Before(old.Start):
		return true // nobody has heard of it yet
	}
	return a.State == AwayScheduled && old.State == AwayScheduled && !a.Start.Equal(old.Start)
}

// away checks that the setting can be read.
func (c *checker) away() error {
	a, err := readAway(c.r)
	if err == nil {
		_, err = readAwayTexts(c.r)
	}
	if fault.Is(err, fault.Corrupt) {
		c.say("%s", fault.TextOf(err))
		return nil
	}
	if err != nil || a != nil {
		return err
	}
	if _, ok, err := c.r.Get(awayTextsKey()); ok || err != nil {
		c.say("there are out of office texts without a setting")
		return err
	}
	return nil
}
