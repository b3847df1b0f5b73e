package dsn

import (
	"fmt"
	"strings"
	"time"

	"postroad/internal/format/message"
)

// text is the part for people. Lines that the remote server wrote are indented, so that they can't be
// taken for ours.
func text(r *Report, original *message.Header) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail server %s.\n", clean(r.Host))
	about(&b, r, original)
	listed := 0
	for _, a := range []Action{Failed, Delayed, Delivered, Relayed, Expanded} {
		listed = list(&b, r, a, listed)
	}
	if hidden := len(r.Recipients) - listed; hidden > 0 {
		fmt.Fprintf(&b, "\n... and %d more: see the details in the attached report.\n", hidden)
	}
	return b.String()
}

// about says which message is meant.
func about(b *strings.Builder, r *Report, h *message.Header) {
	subject := clean(message.DecodeWords(h.Get("Subject")))
	if subject == "" && r.Arrival.IsZero() {
		return
	}
	b.WriteString("It is about your message\n\n")
	if subject != "" {
		fmt.Fprintf(b, "    %s\n", cut(subject, 200))
	}
	if !r.Arrival.IsZero() {
		fmt.Fprintf(b, "    received %s\n", when(r.Arrival))
	}
}

var intros = [actionEnd]string{
	Failed:    "It could NOT be delivered to these recipients, and will not be tried again:",
	Delayed:   "It could not be delivered to these recipients YET. We keep trying; you need not do anything:",
	Delivered: "It was delivered to these recipients:",
	Relayed:   "It was passed on for these recipients to a server that does not confirm delivery:",
	Expanded:  "It was delivered to these addresses, and passed on to those they stand for:",
}

// list names the recipients of one action.
func list(b *strings.Builder, r *Report, a Action, listed int) int {
	first := true
	for i := range r.Recipients {
		rc := &r.Recipients[i]
		if rc.Action != a || listed >= MaxListed {
			continue
		}
		if first {
			fmt.Fprintf(b, "\n%s\n", intros[a])
			first = false
		}
		listed++
		describe(b, rc)
	}
	return listed
}

func describe(b *strings.Builder, r *Recipient) {
	fmt.Fprintf(b, "\n    %s\n", cut(clean(r.Address), 320))
	reply := cut(clean(r.Reply), 1100)
	switch {
	case reply != "" && r.Remote != "":
		fmt.Fprintf(b, "        the server %s said: %s\n", cut(clean(r.Remote), 255), reply)
	case reply != "":
		fmt.Fprintf(b, "        %s\n", reply)
	}
	if r.Action == Delayed && !r.RetryUntil.IsZero() {
		fmt.Fprintf(b, "        we try until %s\n", when(r.RetryUntil))
	}
}

func when(t time.Time) string { return t.Format("Mon, 2 Jan 2006 15:04 -0700") }

// cut shortens s to about n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
