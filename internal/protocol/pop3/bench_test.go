package pop3

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
	policy "postroad/internal/service/maildrop"
)

// fill puts n messages into ann's inbox.
func (w *world) fill(t testing.TB, n int) {
	t.Helper()
	w.inbox(t, w.ann, func(s *mailbox.Session, f mailbox.Folder) {
		cw := w.store.NewContent()
		_, err := io.WriteString(cw, "Subject: one of many\r\n\r\n"+strings.Repeat("some words\r\n", 20))
		check(t, err)
		c, err := cw.Finish()
		check(t, err)
		defer c.Close()
		for at := 0; at < n; at += 1000 {
			items := make([]mailbox.Append, min(1000, n-at))
			for i := range items {
				items[i] = mailbox.Append{Content: c}
			}
			_, err = s.Append(t.Context(), f.ID, items...)
			check(t, err)
		}
	})
}

// BenchmarkLargeMaildrop is what a program does that looks for new mail in a maildrop of 100,000: sign in, STAT, UIDL, QUIT.
func BenchmarkLargeMaildrop(b *testing.B) {
	w := newWorld(b, plain, nil)
	w.fill(b, 100_000)
	look := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := w.enter(b)
			if got := c.ask("STAT"); !strings.HasPrefix(got, "+OK ") {
				b.Fatal(got)
			}
			c.say("UIDL")
			for l := ""; l != ".\r\n"; {
				line, err := c.r.ReadSlice('\n')
				if err != nil {
					b.Fatal(err)
				}
				l = string(line)
			}
			c.quit()
			c.conn.Close()
		}
	}
	b.Run("all", look)
	w.set(b, policy.Policy{OnDelete: policy.Keep}) // and the first half has been deleted by the program
	c := w.enter(b)
	for n := range 50_000 {
		c.ask(fmt.Sprint("DELE ", n+1))
	}
	c.quit()
	c.conn.Close()
	b.Run("half hidden", look)
}

// BenchmarkSignIn is a whole session that finds nothing new in a small maildrop.
func BenchmarkSignIn(b *testing.B) {
	w := newWorld(b, plain, nil)
	w.fill(b, 20)
	b.ReportAllocs()
	for b.Loop() {
		c := w.enter(b)
		c.ask("STAT")
		c.quit()
		c.conn.Close()
	}
}
