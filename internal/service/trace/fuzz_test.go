package trace

import (
	"testing"
	"time"
)

// FuzzRead: whatever lies on the disk, reading it ends, and what can be read is written the same again.
func FuzzRead(f *testing.F) {
	e := Event{At: time.UnixMicro(1), Kind: Received, ID: "a", From: "b@c", To: []string{"d@e"}, Text: "x"}
	b := newBlock(3)
	b.add(&e)
	var p packer
	body, err := p.pack(b.raw)
	if err != nil {
		f.Fatal(err)
	}
	head, _ := b.encodeIndex(len(body), nil)
	f.Add(e.append(nil))
	f.Add(body)
	f.Add(head)
	f.Fuzz(func(t *testing.T, v []byte) {
		if e, ok := readEvent(v); ok {
			again, ok := readEvent(e.append(nil))
			if !ok || again.ID != cut(e.ID, maxID) || again.Kind != e.Kind || again.Outcome.Code != e.Outcome.Code && e.Outcome.Code >= 0 {
				t.Errorf("%+v, again %+v", e, again)
			}
		}
		if x, ok := readIndex(v); ok {
			x.has([]uint32{1, 77, 1 << 23})
		}
		u, err := newUnpacker()
		if err != nil {
			t.Fatal(err)
		}
		defer u.close()
		if raw, err := u.unpack(v); err == nil {
			if len(raw) > maxRaw {
				t.Errorf("%d bytes", len(raw))
			}
			eachEvent(raw, func(Event) {})
		}
	})
}
