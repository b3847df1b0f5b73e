package delivery

import (
	"context"

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
		r.lost = r.a.queue.Submit(ctx, e.transfer(r.a), elsewhere, r.content)
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
