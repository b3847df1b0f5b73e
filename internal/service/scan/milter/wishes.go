package milter

import (
	"encoding/binary"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
)

// maxWishes bounds what a filter wants changed, in bytes, of which each counts perWish besides its own. What it puts in the body's place has
// the bounds of messages.
const (
	maxWishes = 2 << 20
	perWish   = 1 << 10
)

// wishes are what a filter wants changed.
type wishes struct {
	m           *scan.Message
	front, back []scan.Field // that go in front of others, and behind them
	changes     scan.Changes
	quarantine  string
	held        bool
	room        int
}

// end hears what the filter wants changed, and what is to become of the message.
func (t *talk) end(m *scan.Message, f *scan.Finding) error {
	w := wishes{m: m, room: maxWishes}
	for w.room >= 0 {
		p, err := t.answer()
		if err != nil {
			return err
		}
		known, err := w.add(p)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if _, err := decide(f, p); err != nil {
			return err
		}
		w.tell(f)
		return nil
	}
	return errTooMuch()
}

func errTooMuch() error { return fault.New(fault.Unsupported, "it wants too much changed") }

// add notes a wish; known is false if the packet is none.
func (w *wishes) add(p packet) (known bool, err error) {
	if p.letter == actReplBody {
		return true, w.body(p.data)
	}
	w.room -= len(p.data) + perWish
	switch p.letter {
	case actAddHeader:
		return true, w.field(p.data, false)
	case actInsHeader:
		if len(p.data) < 4 {
			return true, errNoMilter()
		}
		return true, w.field(p.data[4:], binary.BigEndian.Uint32(p.data) <= 1)
	case actChgHeader:
		return true, w.header(p.data)
	case actQuarantine:
		all, ok := texts(p.data)
		if w.held = true; len(all) > 0 {
			w.quarantine = all[0]
		}
		return true, whole(ok)
	case actAddRcpt, actAddRcptPar:
		return true, w.address(scan.AddRecipient, p.data)
	case actDelRcpt:
		return true, w.address(scan.RemoveRecipient, p.data)
	case actChgFrom:
		return true, w.address(scan.SetSender, p.data)
	}
	return false, nil
}

// field adds a field. It stands in front, whatever its place, since what was signed elsewhere had better stay in its order; but one
// that says what the message is belongs to those that it has.
func (w *wishes) field(data []byte, first bool) error {
	x, ok := fieldOf(data)
	switch {
	case !ok:
		return errNoMilter()
	case !x.Frontal():
		w.changes.Header = append(w.changes.Header, scan.HeaderChange{Name: x.Name, Value: x.Value, Do: scan.AddField})
	case first:
		w.front = append([]scan.Field{x}, w.front...)
	default:
		w.back = append(w.back, x)
	}
	return nil
}

// header changes a field: a number of 4 bytes, its name, its value, which is empty if it is to go. Places count from 1; 0 is the first, too.
func (w *wishes) header(data []byte) error {
	if len(data) < 4 {
		return errNoMilter()
	}
	place := max(1, binary.BigEndian.Uint32(data))
	x, ok := fieldOf(data[4:])
	if !ok {
		return errNoMilter()
	}
	c := scan.HeaderChange{Name: x.Name, Value: x.Value, Place: int(min(place, 1<<20))}
	if x.Value == "" {
		c.Do = scan.RemoveField
	}
	w.changes.Header = append(w.changes.Header, c)
	return nil
}

// body adds to what takes the body's place.
func (w *wishes) body(data []byte) error {
	if w.changes.Body == nil {
		if w.m.Draft == nil {
			return fault.New(fault.Unsupported, "it wants another body, which isn't done")
		}
		w.changes.Body = w.m.Draft()
	}
	if w.changes.Body.Size()+int64(len(data)) > w.m.Limit {
		return fault.New(fault.Unsupported, "it makes the message too large")
	}
	if _, err := w.changes.Body.Write(data); err != nil {
		return fault.Wrap(fault.Unavailable, err, "there is no room for what it wants changed")
	}
	return nil
}

// address changes the envelope: an address, which may have brackets, and parameters, which aren't looked at.
func (w *wishes) address(do scan.EnvelopeAct, data []byte) error {
	all, ok := texts(data)
	if !ok || len(all) == 0 {
		return errNoMilter()
	}
	address := strings.TrimSpace(all[0])
	if inside, ok := strings.CutPrefix(address, "<"); ok {
		address = strings.TrimSuffix(inside, ">")
	}
	w.changes.Envelope = append(w.changes.Envelope, scan.EnvelopeChange{Do: do, Address: address})
	return nil
}

// fieldOf reads a field's name and value.
func fieldOf(data []byte) (scan.Field, bool) {
	all, ok := texts(data)
	if !ok || len(all) != 2 {
		return scan.Field{}, false
	}
	return scan.Field{Name: all[0], Value: all[1]}, true
}

func whole(ok bool) error {
	if !ok {
		return errNoMilter()
	}
	return nil
}

// tell puts it into the finding, unless the message isn't to be delivered anyway.
func (w *wishes) tell(f *scan.Finding) {
	if f.Action != scan.Accept {
		return
	}
	f.Fields = append(w.front, w.back...)
	if c := &w.changes; len(c.Header) > 0 || c.Body != nil || len(c.Envelope) > 0 {
		f.Changes = c
	}
	if w.held {
		f.Action, f.Reason = scan.Quarantine, w.quarantine
	}
}
