package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/storage/kv/pebble"
)

// house is an Agent with what it stands on, for example.org.
type house struct {
	*Agent
	dir   *directory.Directory
	store *mailbox.Store
	log   bytes.Buffer
	ids   map[string]ident.AccountID
	later atomic.Int64 // how much time has passed
}

func newHouse(t testing.TB, names ...string) *house {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	check(t, err)
	t.Cleanup(func() { db.Close() })
	h := &house{ids: map[string]ident.AccountID{}}
	now := func() time.Time {
		return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).Add(time.Duration(h.later.Load()))
	}
	h.store = mailbox.NewStore(db, mailbox.Options{Now: now, SpoolDir: t.TempDir()})
	h.dir, err = directory.Open(t.Context(), db, directory.Options{Now: now})
	check(t, err)
	_, err = h.dir.AddDomain(t.Context(), "example.org")
	check(t, err)
	plain := slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	h.Agent = New(h.dir, h.store, Options{Now: now, Logger: slog.New(slog.NewTextHandler(&h.log, &plain))})
	for _, name := range names {
		h.add(t, name, 0)
	}
	t.Cleanup(func() { h.consistent(t) })
	return h
}

func (h *house) add(t testing.TB, name string, quota int64) {
	t.Helper()
	acc, err := h.dir.AddAccount(t.Context(), directory.NewAccount{Address: name + "@example.org", QuotaBytes: quota})
	check(t, err)
	h.ids[name] = acc.ID
	check(t, h.store.Create(t.Context(), acc.ID, mailbox.Usage{Bytes: quota}))
}

func (h *house) consistent(t testing.TB) {
	t.Helper()
	for name, id := range h.ids {
		problems, err := h.store.Check(context.Background(), id)
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v, %v", name, problems, err)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t testing.TB, err error, k fault.Kind) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("got %v, want a failure of kind %v", err, k)
	}
}

// message makes a content.
func (h *house) message(t testing.TB, text string) *mailbox.Content {
	t.Helper()
	w := h.store.NewContent()
	_, err := io.WriteString(w, text)
	check(t, err)
	c, err := w.Finish()
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func (h *house) recipients(t testing.TB, addresses ...string) []Recipient {
	t.Helper()
	to := make([]Recipient, len(addresses))
	for i, a := range addresses {
		var err error
		to[i], err = h.Recipient(t.Context(), Sender{From: "x@y.example"}, a)
		check(t, err)
	}
	return to
}

// inbox gives an account's messages.
func (h *house) inbox(t testing.TB, name string) (texts []string) { return h.folder(t, name, "inbox") }

// folder gives those in "inbox" or "junk".
func (h *house) folder(t testing.TB, name, role string) (texts []string) {
	t.Helper()
	s, err := h.store.Open(t.Context(), h.ids[name], ident.System())
	check(t, err)
	defer s.Close()
	f, _ := s.FolderByRole(map[string]mailbox.Role{"inbox": mailbox.Inbox, "junk": mailbox.Junk}[role])
	v, err := s.View(t.Context(), f.ID)
	check(t, err)
	for _, row := range v.All(0, v.Len()) {
		var b bytes.Buffer
		_, err := s.Content(row).WriteTo(&b)
		check(t, err)
		texts = append(texts, b.String())
	}
	return texts
}

func (h *house) expect(t testing.TB, name string, want ...string) {
	t.Helper()
	if got := h.inbox(t, name); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s has %q, want %q", name, got, want)
	}
}

const hello = "Subject: hello\r\n\r\nhello\r\n"

// stored is what a mailbox has of a message from nobody.
func stored(text string) string { return "Return-Path: <>\r\n" + text }

func TestDeliver(t *testing.T) {
	h := newHouse(t, "ann", "bob", "eve")
	check(t, h.dir.AddAlias(t.Context(), "both@example.org", []string{"ann@example.org", "bob@example.org"}))
	to := h.recipients(t, "ANN@example.org", "bob+lists@example.org", "both@example.org", "postmaster")
	c := h.message(t, hello)
	for i, err := range h.Deliver(t.Context(), Envelope{ID: "q1", From: "x@y.example", Source: "192.0.2.1", EnvelopeID: "e7"}, to, c) {
		if err != nil {
			t.Errorf("recipient %d: %v", i, err)
		}
	}
	mine := "Return-Path: <x@y.example>\r\n" + hello
	h.expect(t, "ann", mine)
	h.expect(t, "bob", mine)
	h.expect(t, "eve")
	want := `level=INFO msg=message id=q1 from=x@y.example recipients=4 failed=0 size=25 ` +
		`to="ANN@example.org, bob+lists@example.org, both@example.org, postmaster" source=192.0.2.1 envid=e7` + "\n"
	if got := h.log.String(); got != want {
		t.Errorf("the log says\n%swant\n%s", got, want)
	}
	if got, want := h.Stats(), (Stats{Messages: 1, Copies: 2, Bytes: 2 * uint64(len(mine))}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestRecipientsThatCantBe(t *testing.T) {
	h := newHouse(t, "ann")
	ctx := t.Context()
	check(t, h.dir.AddAlias(ctx, "away@example.org", []string{"ann@example.org", "ann@elsewhere.example"}))
	who := &ident.Identity{Account: h.ids["ann"]}
	for _, c := range []struct {
		who     *ident.Identity
		address string
		kind    fault.Kind
		text    string
	}{
		{nil, "nobody@example.org", fault.NotFound, "there is no such mailbox here"},
		{who, "nobody@example.org", fault.NotFound, "there is no such mailbox here"},
		{nil, "x@elsewhere.example", fault.Unsupported, "mail for this domain is not handled here"},
		{who, "x@elsewhere.example", fault.Unsupported, "sending to other domains isn't available yet"},
		{nil, "away@example.org", fault.Unsupported, "this address leads to another server, and mail does not leave here"},
		{nil, "", fault.Invalid, "not an address"},
		{nil, "ann", fault.Invalid, "not an address"},
		{nil, "ann@[192.0.2.1]", fault.Unsupported, "mail for this domain is not handled here"},
	} {
		_, err := h.Recipient(ctx, Sender{Who: c.who}, c.address)
		if !fault.Is(err, c.kind) || fault.TextOf(err) != c.text {
			t.Errorf("%q: %v", c.address, err)
		}
	}
}

func TestQuota(t *testing.T) {
	h := newHouse(t, "ann")
	ctx := t.Context()
	h.add(t, "small", int64(len(stored(hello))))
	h.add(t, "smaller", int64(len(stored(hello)))-1)
	_, err := h.dir.AddGroup(ctx, "all@example.org", "")
	check(t, err)
	check(t, h.dir.SetMembers(ctx, "all@example.org", []string{"ann@example.org", "small@example.org", "smaller@example.org"}))
	to := h.recipients(t, "small@example.org", "smaller@example.org", "all@example.org")
	got := h.Deliver(ctx, Envelope{ID: "q1"}, to, h.message(t, hello))
	check(t, got[0])
	fails(t, got[1], fault.OverQuota)
	check(t, got[2]) // ann got it: one full mailbox doesn't hold up the group
	h.expect(t, "ann", stored(hello))
	h.expect(t, "small", stored(hello))
	h.expect(t, "smaller")
	_, err = h.Recipient(ctx, Sender{}, "small@example.org")
	fails(t, err, fault.OverQuota)
	h.recipients(t, "smaller@example.org", "all@example.org") // there is room for something
	if want := `to="small@example.org, smaller@example.org (over quota), all@example.org"`; !strings.Contains(h.log.String(), want) {
		t.Errorf("the log lacks %s:\n%s", want, h.log.String())
	}
	check(t, h.dir.SetMembers(ctx, "all@example.org", []string{"small@example.org"}))
	_, err = h.Recipient(ctx, Sender{}, "all@example.org")
	fails(t, err, fault.OverQuota)
	got = h.Deliver(ctx, Envelope{ID: "q2"}, to[:1], h.message(t, hello))
	fails(t, got[0], fault.OverQuota)
}

// An account whose mailbox wasn't made, for a crash came between, gets it with its first message.
func TestMissingMailboxesAreMade(t *testing.T) {
	h := newHouse(t)
	acc, err := h.dir.AddAccount(t.Context(), directory.NewAccount{Address: "ann@example.org", QuotaBytes: 100})
	check(t, err)
	h.ids["ann"] = acc.ID
	to := h.recipients(t, "ann@example.org")
	check(t, h.Deliver(t.Context(), Envelope{}, to, h.message(t, hello))[0])
	h.expect(t, "ann", stored(hello))
	got := h.Deliver(t.Context(), Envelope{}, to, h.message(t, strings.Repeat("x", 80)))
	fails(t, got[0], fault.OverQuota) // the limit came along
}

func TestAccountsThatGoMeanwhile(t *testing.T) {
	h := newHouse(t, "ann", "bob")
	ctx := t.Context()
	check(t, h.dir.AddAlias(ctx, "both@example.org", []string{"ann@example.org", "bob@example.org"}))
	to := h.recipients(t, "ann@example.org", "bob@example.org", "both@example.org")
	check(t, h.dir.RemoveAccount(ctx, h.ids["ann"]))
	check(t, h.store.Delete(ctx, h.ids["ann"]))
	delete(h.ids, "ann")
	got := h.Deliver(ctx, Envelope{}, to, h.message(t, hello))
	fails(t, got[0], fault.NotFound)
	check(t, got[1])
	check(t, got[2])
	h.expect(t, "bob", stored(hello))
}

func TestManyRecipients(t *testing.T) {
	var names, addresses []string
	for i := range together + 10 {
		names = append(names, fmt.Sprintf("u%d", i))
		addresses = append(addresses, names[i]+"@example.org")
	}
	h := newHouse(t, names...)
	to := h.recipients(t, addresses...)
	for _, err := range h.Deliver(t.Context(), Envelope{}, to, h.message(t, hello)) {
		check(t, err)
	}
	for _, name := range names {
		h.expect(t, name, stored(hello))
	}
	if !strings.Contains(h.log.String(), "u19@example.org, ...\"") {
		t.Errorf("the log names too many, or too few: %s", h.log.String())
	}
}

func TestLargeMessages(t *testing.T) {
	h := newHouse(t, "ann", "bob")
	text := "Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", 200_000)
	for _, err := range h.Deliver(t.Context(), Envelope{}, h.recipients(t, "ann@example.org", "bob@example.org"), h.message(t, text)) {
		check(t, err)
	}
	for _, name := range []string{"ann", "bob"} {
		if got := h.inbox(t, name); len(got) != 1 || got[0] != stored(text) {
			t.Errorf("%s doesn't have the message", name)
		}
	}
}

func TestCanceledDeliveriesFail(t *testing.T) {
	h := newHouse(t, "ann")
	to := h.recipients(t, "ann@example.org")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := h.Deliver(ctx, Envelope{}, to, h.message(t, hello)); got[0] == nil {
		h.expect(t, "ann", stored(hello)) // what is said to be delivered is there
	} else {
		h.expect(t, "ann")
	}
}

func TestMaySend(t *testing.T) {
	h := newHouse(t, "ann", "bob")
	ann := ident.Identity{Account: h.ids["ann"]}
	check(t, h.MaySend(t.Context(), ann, "ann+x@example.org"))
	fails(t, h.MaySend(t.Context(), ann, "bob@example.org"), fault.Denied)
	check(t, h.MaySend(t.Context(), ident.System(), "anybody@anywhere.example"))
}

func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var names, addresses []string
			for i := range n {
				names = append(names, fmt.Sprintf("u%d", i))
				addresses = append(addresses, names[i]+"@example.org")
			}
			h := newHouse(b, names...)
			h.Agent.log = slog.New(slog.DiscardHandler)
			c := h.message(b, "Subject: x\r\n\r\n"+strings.Repeat("0123456789abcdef\r\n", 110))
			b.ReportAllocs()
			for b.Loop() {
				h.Deliver(b.Context(), Envelope{ID: "x"}, h.recipients(b, addresses...), c)
			}
		})
	}
}
