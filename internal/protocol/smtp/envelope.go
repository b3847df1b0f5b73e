package smtp

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
)

// What other programs want changed in the envelope.

// maxTold is how many changes the history tells of.
const maxTold = 20

// changeEnvelope does what a program wants done to sender and recipients. What can't be done is told, and otherwise as if nobody had wanted it:
// the message itself has found nobody's objection. It returns what became of it, for the history.
func (s *session) changeEnvelope(ctx context.Context, c *scan.EnvelopeChange) string {
	var err error
	word := "sender"
	switch c.Do {
	case scan.SetSender:
		err = s.changeSender(c.Address)
	case scan.AddRecipient:
		word, err = "to", s.addRecipient(ctx, c)
	case scan.RemoveRecipient:
		word = "not-to"
		s.removeRecipient(c.Address)
	}
	if err != nil {
		s.log.WarnContext(ctx, "a scanner's change of the envelope isn't done", "scanner", c.By, "id", s.tx.envelope.ID, "address", c.Address, "err", err)
		word = "failed-" + word
	}
	return c.By + ":" + word + "=" + scan.Printable(c.Address, maxPath)
}

// parseAddress takes an address of a program's.
func (s *session) parseAddress(address string) (string, error) {
	p, rest, err := parsePath([]byte("<" + address + ">"))
	if err != nil || len(rest) > 0 || localPartTooLong(p.mailbox) || !p.ascii && !s.tx.envelope.UTF8 {
		return "", fault.New(fault.Invalid, "it is no address")
	}
	return p.mailbox, nil
}

func (s *session) changeSender(address string) error {
	from, err := s.parseAddress(address)
	if err == nil {
		s.tx.envelope.From = from
	}
	return err
}

// addRecipient adds a recipient, as far as the sender might have named them: mail that strangers bring goes to others elsewhere only
// if the program is one for outgoing mail, and then as it would by an alias of the first recipient.
func (s *session) addRecipient(ctx context.Context, c *scan.EnvelopeChange) error {
	e := &s.tx.envelope
	address, err := s.parseAddress(c.Address)
	switch {
	case err != nil:
		return err
	case address == "":
		return fault.New(fault.Invalid, "it is no address")
	case s.tx.find(address) >= 0:
		return nil
	case len(e.Recipients) >= s.limits.Recipients:
		return fault.New(fault.TooLarge, "too many recipients")
	}
	box, err := s.server.config.Post.Recipient(ctx, e, address)
	if fault.Is(err, fault.Unsupported) && e.Who == nil && c.Outgoing {
		box, err = s.onward(address)
	}
	if err != nil {
		return err
	}
	s.tx.fix()
	e.Recipients = append(e.Recipients, Recipient{Address: address, Mailbox: box, Notify: NotifyNever})
	return nil
}

// Onward is a Post that knows how a recipient's mail goes on to an address elsewhere, too.
type Onward interface {
	Onward(by Mailbox, address string) (Mailbox, error)
}

// onward finds how the message goes to an address elsewhere.
func (s *session) onward(address string) (Mailbox, error) {
	o, ok := s.server.config.Post.(Onward)
	by := s.tx.envelope.Recipients
	if s.tx.named != nil {
		by = s.tx.named
	}
	if !ok || len(by) == 0 {
		return nil, fault.New(fault.Unsupported, "mail doesn't leave here")
	}
	return o.Onward(by[0].Mailbox, address)
}

// removeRecipient lets a recipient go without the message, which nobody is told.
func (s *session) removeRecipient(address string) {
	for i := s.tx.find(address); i >= 0; i = s.tx.find(address) {
		s.tx.fix()
		e := &s.tx.envelope
		e.Recipients = slices.Delete(e.Recipients, i, i+1)
	}
}

// find is a recipient's place; -1: there is none such.
func (tx *transaction) find(address string) int {
	for i := range tx.envelope.Recipients {
		if strings.EqualFold(tx.envelope.Recipients[i].Address, address) {
			return i
		}
	}
	return -1
}

// fix remembers whom the client has named, before that is changed.
func (tx *transaction) fix() {
	if tx.named == nil {
		tx.named = tx.envelope.Recipients
		tx.envelope.Recipients = append([]Recipient(nil), tx.named...)
	}
}

// restore undoes what was changed of the recipients.
func (tx *transaction) restore() {
	if tx.named != nil {
		tx.envelope.Recipients, tx.named = tx.named, nil
	}
}

// deliver gives the message to its recipients. The results are those of the recipients whom the client has named: who was taken out
// has it, as far as it is concerned. If somebody fails who was added, so does the first: whoever brings it shall come again, lest that is lost.
func (s *session) deliver(ctx context.Context) []error {
	tx := s.tx
	e := &tx.envelope
	if len(e.Recipients) == 0 {
		tx.restore()
		e.Verdict.Discard = "all recipients were taken out"
	}
	results := s.server.config.Post.Deliver(ctx, e, tx.message.content)
	if tx.named == nil {
		return results
	}
	all := tx.named.results(e.Recipients, results)
	e.Recipients = tx.named // whom replies are about
	return all
}

// recipients are those of a message.
type recipients []Recipient

// results are those of the recipients that were named, of the results of others.
func (named recipients) results(now []Recipient, results []error) []error {
	all := make([]error, len(named))
	failed := make(map[string]error)
	for i := range now {
		if results[i] != nil {
			failed[now[i].Address] = results[i]
		}
	}
	for i := range named {
		all[i] = failed[named[i].Address]
	}
	for i := range now {
		if results[i] != nil && all[0] == nil && !slices.ContainsFunc(named, func(r Recipient) bool { return r.Address == now[i].Address }) {
			all[0] = results[i]
		}
	}
	return all
}
