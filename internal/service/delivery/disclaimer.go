package delivery

import (
	"context"
	"io"

	"postroad/internal/format/footer"
	"postroad/internal/format/message"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/policy"
)

// outgoing is the message as it goes to other servers in the name of who signed in: with the disclaimer of their domain below it, if that
// has one and the message can have it. What lies in mailboxes here is never changed.
func (r *run) outgoing(ctx context.Context) (*mailbox.Content, error) {
	e := r.e
	if e.Who == nil || r.seenBefore() {
		return r.content, nil
	}
	d, ok := r.a.policies.DisclaimerFor(policy.SenderDomain(e.From, e.Who.Login))
	if !ok {
		return r.content, nil
	}
	size := r.content.Size()
	parser := message.NewParser(message.Limits{})
	if _, err := io.Copy(parser, io.NewSectionReader(r.content, 0, size)); err != nil {
		return nil, err
	}
	edits := footer.Add(parser.Finish(), r.content, footer.Text{Plain: d.Text, HTML: d.HTML})
	if len(edits) == 0 {
		return r.content, nil
	}
	r.a.log.DebugContext(ctx, "disclaimer added", "id", e.ID, "policy", d.ID)
	return r.written(func(w io.Writer) error { return footer.Copy(w, r.content, size, edits) })
}

// written makes a content that lasts until the delivery has ended.
func (r *run) written(write func(io.Writer) error) (*mailbox.Content, error) {
	w := r.a.store.NewContent()
	defer w.Discard()
	if err := write(w); err != nil {
		return nil, err
	}
	c, err := w.Finish()
	if err == nil {
		r.temporary = append(r.temporary, c)
	}
	return c, err
}
