package delivery

import (
	"bytes"
	"context"
	"io"
	"strings"

	"postroad/internal/service/transfer"
)

// enqueue hands the recipients on other servers to the queue, each once.
func (r *run) enqueue(ctx context.Context, e Envelope, to []Recipient) {
	var elsewhere []transfer.Recipient
	seen := map[string]bool{}
	for i := range to {
		for _, address := range to[i].remote {
			if !seen[address] {
				seen[address] = true
				elsewhere = append(elsewhere, to[i].at(address))
			}
		}
	}
	if r.queued = len(elsewhere); r.queued > 0 {
		r.lost = r.a.queue.Submit(ctx, e.transfer(r.a), elsewhere, withoutReturnPath(r.content))
	}
}

const returnPath = "Return-Path:"

// withoutReturnPath leaves out the Return-Path line that stands in front of messages for mailboxes: what
// isn't at its end yet must not have one (RFC 5321 §4.4).
func withoutReturnPath(c transfer.Content) transfer.Content {
	begin := make([]byte, min(c.Size(), maxReturnPath))
	if n, err := c.ReadAt(begin, 0); err != nil && n < len(begin) {
		return c // whoever reads on will hear of it
	}
	if len(begin) < len(returnPath) || !strings.EqualFold(string(begin[:len(returnPath)]), returnPath) {
		return c
	}
	end := bytes.Index(begin, []byte("\r\n")) + 2
	if end < 2 || end < len(begin) && (begin[end] == ' ' || begin[end] == '\t') {
		return c // not the line that we write
	}
	return io.NewSectionReader(c, int64(end), c.Size()-int64(end))
}

// maxReturnPath bounds the line that we write: a path has at most 256 octets (RFC 5321 §4.5.3.1.3), more with UTF-8.
const maxReturnPath = 2048

// report has the queue tell the sender of the recipients here that have the message, if they asked to be told
// (NOTIFY=SUCCESS). Only those who have signed in are told: strangers may give any address for theirs. The
// message is delivered whatever becomes of the notification.
func (r *run) report(ctx context.Context, e Envelope, to []Recipient, results []error) {
	if e.Who == nil || r.a.queue == nil || e.From == "" {
		return
	}
	var here []transfer.Recipient
	for i := range to {
		if results[i] == nil && len(to[i].accounts) > 0 && len(to[i].remote) == 0 && to[i].Notify&transfer.NotifySuccess != 0 {
			here = append(here, to[i].at(to[i].Address))
		}
	}
	if len(here) == 0 {
		return
	}
	err := r.a.queue.Delivered(ctx, transfer.Job{Envelope: e.transfer(r.a), Recipients: here, Content: withoutReturnPath(r.content)})
	if err != nil {
		r.a.log.WarnContext(ctx, "a notification of success could not be sent", "id", e.ID, "err", err)
	}
}

// at is the recipient as the queue wants it, at one of the addresses that it leads to.
func (r *Recipient) at(address string) transfer.Recipient {
	return transfer.Recipient{Address: address, Notify: r.Notify, OriginalType: r.OriginalType, Original: r.Original}
}

func (e *Envelope) transfer(a *Agent) transfer.Envelope {
	return transfer.Envelope{
		ID: e.ID, From: e.From, EnvelopeID: e.EnvelopeID, Return: e.Return,
		EightBit: e.EightBit, Binary: e.Binary, UTF8: e.UTF8, Received: a.now(),
	}
}
