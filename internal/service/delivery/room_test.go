package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// echo is a judge who says what it has been shown.
type echo struct{}

type echoed struct {
	e *Envelope
	c *mailbox.Content
}

func (echo) Letter(e *Envelope, c *mailbox.Content) Letter { return echoed{e, c} }

func (l echoed) For(context.Context, *mailbox.Session) Opinion {
	front, _ := l.c.Split()
	return Opinion{Judged: true, Score: 3, Field: fmt.Sprintf("%s: %s %d\r\n", JunkField, l.e.ID, len(front))}
}

func (echo) Wrote(ident.AccountID, []string) {}

// What a delivery has its room for is used by the next one: nothing of one message comes into another, of which many are delivered at a time, by
// rules and without, to one account and to several.
func TestRoomIsUsedAgain(t *testing.T) {
	const each = 30
	h, _ := withRules(t, `require ["variables", "editheader"]; if header :matches "Return-Path" "<*@*" { addheader "X-Seen" "${1}"; }`)
	h.judge = echo{}
	froms := []string{"a@far.example", "bb@far.example", "ccc@far.example", "dddd@far.example"}
	want := map[string][]string{}
	var deliveries sync.WaitGroup
	for i, from := range froms {
		to := h.recipients(t, []string{"ann@example.org", "bob@example.org"}[i%2:]...)
		for n := range each {
			e := Envelope{ID: fmt.Sprint("q", i, "-", n), From: from, Verdict: &Verdict{Field: fmt.Sprintf("Authentication-Results: x%d\r\n", n)}}
			text := fmt.Sprintf("Subject: %d of %d\r\n\r\nhello\r\n", n, i)
			path := "Return-Path: <" + from + ">\r\n"
			all := path + fmt.Sprintf("%s: %s %d\r\n", JunkField, e.ID, len(path)+len(e.Verdict.Field)) + e.Verdict.Field + text
			want["bob"] = append(want["bob"], "X-Seen: "+from[:i+1]+"\r\n"+all)
			if i%2 == 0 {
				want["ann"] = append(want["ann"], all)
			}
			c := h.message(t, text)
			deliveries.Go(func() {
				for _, err := range h.Deliver(t.Context(), e, to, c) {
					check(t, err)
				}
			})
		}
	}
	deliveries.Wait()
	for name := range want {
		got := h.inbox(t, name)
		slices.Sort(got)
		slices.Sort(want[name])
		if !slices.Equal(got, want[name]) {
			t.Errorf("%s has %d messages, not the %d that were sent: %.300q ...", name, len(got), len(want[name]), got)
		}
	}
}
