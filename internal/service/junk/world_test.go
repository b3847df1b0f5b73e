package junk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// world is a Service with the accounts 1 and up, whose time stands still.
type world struct {
	tb
	ctx   context.Context
	db    kv.DB
	store *mailbox.Store
	s     *Service
	now   time.Time
}

func newWorld(t tb, accounts int) *world {
	t.Helper()
	w := &world{tb: t, ctx: context.Background(), now: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)}
	db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem()})
	w.must(err)
	w.over(db)
	for i := range accounts {
		w.must(w.store.Create(w.ctx, ident.AccountID(i+1), mailbox.Usage{}))
	}
	t.Cleanup(func() {
		for i := range accounts {
			problems, err := w.store.Check(w.ctx, ident.AccountID(i+1))
			if err != nil || len(problems) > 0 {
				t.Errorf("account %d: %v, %v", i+1, problems, err)
			}
		}
		w.must(db.Close())
	})
	return w
}

// over builds store and service on a kv: what they had in memory is gone.
func (w *world) over(db kv.DB) {
	w.db = db
	now := func() time.Time { return w.now }
	w.store = mailbox.NewStore(db, mailbox.Options{Now: now})
	w.s = New(Options{Store: w.store, DB: db, Secret: []byte(strings.Repeat("s", 32)), Now: now})
	w.must(w.s.Load(w.ctx))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) open(id ident.AccountID) *mailbox.Session {
	w.Helper()
	box, err := w.store.Open(w.ctx, id, ident.System())
	w.must(err)
	w.Cleanup(box.Close)
	return box
}

func (w *world) content(text string) *mailbox.Content {
	w.Helper()
	c := w.store.NewContent()
	_, err := c.Write([]byte(text))
	w.must(err)
	done, err := c.Finish()
	w.must(err)
	w.Cleanup(func() { done.Close() })
	return done
}

// letterFrom is a message that came from a domain, which is proved or not, by a network's host.
func letterFrom(domain string, proven bool, network int, subject, text string) string {
	found := ""
	if proven {
		found = "Authentication-Results: mx.example.test;\r\n\tspf=pass smtp.mailfrom=x@" + domain + ";\r\n\tdmarc=pass header.from=" + domain + "\r\n"
	}
	return fmt.Sprintf("Return-Path: <x@%s>\r\n%sReceived: from mail.%s (mail.%s [203.0.%d.9])\r\n\tby mx.example.test with ESMTP id 1; Sat, 14 Mar 2026 12:00:00 +0000\r\n"+
		"From: Somebody Else <x@%s>\r\nTo: ann@example.test\r\nSubject: %s\r\nDate: Sat, 14 Mar 2026 11:00:00 +0000\r\nMessage-ID: <%s@x>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
		domain, found, domain, domain, network, domain, subject, strings.ReplaceAll(subject, " ", "."), text)
}

// junkText and goodText are about different things, neither of which everybody holds for junk.
func junkText(n int) string {
	return fmt.Sprintf("The roses are in bloom again, and issue %d of our garden magazine tells how to cut them. Read more at http://garden%d.example/ as usual.", n, n)
}

func goodText(n int) string {
	return fmt.Sprintf("Hello, here is the report number %d for the meeting on Monday, please have a look before lunch. Kind regards, Fred", n)
}

// judge asks what an account thinks of a message.
func (w *world) judge(id ident.AccountID, text string) delivery.Opinion {
	w.Helper()
	l := w.s.Letter(&delivery.Envelope{From: "x@y.example", Source: "smtp"}, w.content(text))
	return l.For(w.ctx, w.open(id))
}

type (
	ctx      = context.Context
	envelope = delivery.Envelope
)

func slicesSort(ids []mailbox.ItemID) { slices.Sort(ids) }
