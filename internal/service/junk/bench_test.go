package junk

import (
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
)

// BenchmarkJudge is what a message of 2 KB costs: to be looked at, and by an account that has learned something.
func BenchmarkJudge(b *testing.B) {
	w := newWorld(b, 1)
	for i := range 10 {
		_, err := w.s.Train(w.ctx, 1, i%2 == 0, []byte(letterFrom("a.example", true, i, "x", junkText(i))))
		w.must(err)
	}
	c := w.content(letterFrom("b.example", true, 1, "the report", strings.Repeat(goodText(1)+"\r\n", 14)))
	box := w.open(1)
	e := &delivery.Envelope{From: "x@y.example", Source: "smtp"}
	b.SetBytes(c.Size())
	b.ReportAllocs()
	for b.Loop() {
		w.s.Letter(e, c).For(w.ctx, box)
	}
}

// BenchmarkJudgeSecond is what a further account of the same message costs.
func BenchmarkJudgeSecond(b *testing.B) {
	w := newWorld(b, 1)
	_, err := w.s.Train(w.ctx, 1, true, []byte(letterFrom("a.example", true, 1, "x", junkText(1))))
	w.must(err)
	c := w.content(letterFrom("b.example", true, 1, "the report", strings.Repeat(goodText(1)+"\r\n", 14)))
	box := w.open(1)
	l := w.s.Letter(&delivery.Envelope{From: "x@y.example", Source: "smtp"}, c)
	b.ReportAllocs()
	for b.Loop() {
		l.For(w.ctx, box)
	}
}

// BenchmarkLook is what it costs to look into the log of an account, to learn from one move.
func BenchmarkLook(b *testing.B) {
	w := newWorld(b, 1)
	box := w.open(1)
	inbox, _ := box.FolderByRole(mailbox.Inbox)
	junk, _ := box.FolderByRole(mailbox.Junk)
	c := w.content(letterFrom("b.example", true, 1, "the report", strings.Repeat(goodText(1)+"\r\n", 14)))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		d, err := box.Append(w.ctx, inbox.ID, mailbox.Append{Content: c})
		w.must(err)
		_, _, err = box.Move(w.ctx, inbox.ID, []mailbox.UID{d[0].UID}, junk.ID)
		w.must(err)
		b.StartTimer()
		w.must(w.s.Learn(w.ctx, 1))
	}
}
