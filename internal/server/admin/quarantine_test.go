package admin

import (
	"context"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/quarantine"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

var aQuarantined = Quarantined{Number: 3, ID: "m3", Received: time.Unix(1e9, 0).UTC(), Reason: "clamav: virus x", Sender: "eve@x", Recipients: []string{"ann@example.org"}, SizeBytes: 9}

func (r *recorder) Quarantined(_ context.Context, q QuarantineQuery) (QuarantineList, error) {
	return QuarantineList{[]Quarantined{aQuarantined}, true}, r.note("quarantined %v", q)
}
func (r *recorder) ShowQuarantined(_ context.Context, n uint64) (QuarantinedHeader, error) {
	return QuarantinedHeader{aQuarantined, "Subject: x"}, r.note("show quarantined %d", n)
}
func (r *recorder) ReadQuarantined(_ context.Context, q QuarantineRead) (QuarantinePiece, error) {
	return QuarantinePiece{[]byte("\xff\x00"), true}, r.note("read quarantined %v", q)
}
func (r *recorder) ReleaseQuarantined(_ context.Context, c QuarantineChange) (QuarantineChanged, error) {
	return QuarantineChanged{c.Recipients}, r.note("release quarantined %v", c)
}
func (r *recorder) DeleteQuarantined(_ context.Context, c QuarantineChange) (QuarantineChanged, error) {
	return QuarantineChanged{c.Recipients}, r.note("delete quarantined %v", c)
}

// text is a Content.
type text string

func (c text) Size() int64 { return int64(len(c)) }
func (c text) ReadAt(p []byte, off int64) (int, error) {
	return copy(p, c[off:]), nil
}

// Administrators of a domain see and change what is kept for people there, or was sent by them, and hear nothing of the rest.
func TestQuarantineOfADomain(t *testing.T) {
	db := pebbletest.Open(t)
	store := quarantine.New(db, quarantine.Options{})
	var released []string
	d := &Direct{}
	d.SetQuarantine(store)
	d.SetRelease(func(ctx context.Context, e *quarantine.Entry, to []transfer.Recipient) (all []string, err error) {
		for _, r := range to {
			all = append(all, r.Address)
		}
		released = append(released, all...)
		return all, store.Settle(ctx, e.Number, all, true)
	})
	add := func(login string, to ...string) uint64 {
		e := quarantine.Entry{ID: "m", From: "eve@evil.example", Login: login, Reason: "x"}
		for _, a := range to {
			e.To = append(e.To, transfer.Recipient{Address: a})
		}
		n, err := store.Add(t.Context(), e, text("Subject: secret\r\n\r\nbody"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	both := add("", "ann@example.org", "ben@other.example")
	theirs := add("", "ben@other.example", "postmaster")
	sent := add("ann@EXAMPLE.org", "far@away.example")
	ctx := withCaller(t.Context(), Caller{Name: "ann", Domains: []string{"example.org"}})

	list, err := d.Quarantined(ctx, QuarantineQuery{})
	if err != nil || len(list.Messages) != 2 || list.Messages[0].Number != sent || len(list.Messages[1].Recipients) != 1 || list.Messages[1].Recipients[0] != "ann@example.org" {
		t.Fatalf("%+v, %v", list, err)
	}
	if list, _ := d.Quarantined(ctx, QuarantineQuery{Recipient: "ben@other.example"}); len(list.Messages) != 0 {
		t.Errorf("others' recipients can be looked for: %+v", list)
	}
	if all, _ := d.Quarantined(t.Context(), QuarantineQuery{Limit: 2}); len(all.Messages) != 2 || !all.More {
		t.Errorf("%+v", all)
	}
	unknown := fault.TextOf(func() error { _, err := d.ShowQuarantined(ctx, 99); return err }())
	for name, try := range map[string]func(uint64) error{
		"show":    func(n uint64) error { _, err := d.ShowQuarantined(ctx, n); return err },
		"read":    func(n uint64) error { _, err := d.ReadQuarantined(ctx, QuarantineRead{Number: n}); return err },
		"release": func(n uint64) error { _, err := d.ReleaseQuarantined(ctx, QuarantineChange{Number: n}); return err },
		"delete":  func(n uint64) error { _, err := d.DeleteQuarantined(ctx, QuarantineChange{Number: n}); return err },
	} {
		if err := try(theirs); !fault.Is(err, fault.NotFound) || len(fault.TextOf(err)) != len(unknown)-1 {
			t.Errorf("%s of others': %v", name, err)
		}
	}
	if _, err := d.ReleaseQuarantined(ctx, QuarantineChange{Number: both, Recipients: []string{"ben@other.example"}}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if done, err := d.ReleaseQuarantined(ctx, QuarantineChange{Number: both}); err != nil || len(done.Recipients) != 1 || len(released) != 1 || released[0] != "ann@example.org" {
		t.Errorf("%+v, %v, %v", done, err, released)
	}
	if e, err := store.Get(ctx, both); err != nil || len(e.To) != 1 || e.To[0].Address != "ben@other.example" {
		t.Errorf("%+v, %v", e, err)
	}
	if h, err := d.ShowQuarantined(ctx, sent); err != nil || h.Header != "Subject: secret" {
		t.Errorf("%+v, %v", h, err)
	}
	if p, err := d.ReadQuarantined(ctx, QuarantineRead{sent, 9}); err != nil || string(p.Bytes) != "secret\r\n\r\nbody" || p.More {
		t.Errorf("%q, %v", p.Bytes, err)
	}
	if _, err := d.ReadQuarantined(ctx, QuarantineRead{sent, 1 << 40}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := d.DeleteQuarantined(ctx, QuarantineChange{Number: sent}); err != nil {
		t.Error(err)
	}
	if _, err := store.Get(ctx, sent); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// TestReleaseIsntBrokenOff: an administrator who goes while a message is let out doesn't have it delivered twice.
func TestReleaseIsntBrokenOff(t *testing.T) {
	db := pebbletest.Open(t)
	store := quarantine.New(db, quarantine.Options{})
	n, err := store.Add(t.Context(), quarantine.Entry{ID: "a", To: []transfer.Recipient{{Address: "ann@example.org"}}}, text("Subject: x"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, goes := context.WithCancel(t.Context())
	d := &Direct{}
	d.SetQuarantine(store)
	d.SetRelease(func(ctx context.Context, e *quarantine.Entry, to []transfer.Recipient) ([]string, error) {
		goes() // it was delivered
		return []string{to[0].Address}, store.Settle(ctx, e.Number, []string{to[0].Address}, true)
	})
	if _, err := d.ReleaseQuarantined(ctx, QuarantineChange{Number: n}); err != nil {
		t.Error(err)
	}
	if _, err := store.Get(t.Context(), n); !fault.Is(err, fault.NotFound) {
		t.Errorf("it is still there: %v", err)
	}
}
