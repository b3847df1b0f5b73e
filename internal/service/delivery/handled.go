package delivery

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
)

// Handler takes the mail for addresses of ours that stand for a part of the server: nobody has a mailbox for them. An account,
// alias or group of the same name goes before it, a domain's catch-all doesn't.
type Handler interface {
	// Takes reports whether a local part is one of its, in lower case, at any domain of ours.
	Takes(local string) bool
	// Take takes a message. What it will never want is no error. c is valid during the call.
	Take(ctx context.Context, e *Envelope, c *mailbox.Content) error
}

// handled finds out whether the handler takes mail for an address that Resolve has found nobody, or the catch-all, for.
func (a *Agent) handled(t *directory.Target, err error, address string) (Recipient, bool) {
	if a.handler == nil || err == nil && !t.CatchAll || err != nil && !fault.Is(err, fault.NotFound) {
		return Recipient{}, false
	}
	at, bad := directory.Parse(address)
	at = at.Fold()
	if bad != nil || !a.handler.Takes(at.Local) {
		return Recipient{}, false
	}
	return Recipient{Address: address, at: at, handled: true}, true
}

// hand gives the handler the message, once.
func (r *run) hand(ctx context.Context) {
	if !r.handed {
		r.handed = true
		r.noteReceived()
		r.unhandled = r.a.handler.Take(ctx, r.e, r.content)
	}
}
