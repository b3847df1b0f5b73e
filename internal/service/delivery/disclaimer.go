package delivery

import (
	"context"
	"io"

	"postroad/internal/format/footer"
	"postroad/internal/format/message"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/policy"
)

// marked is the message with the fields in front that other programs want there, a signature perhaps.
func (r *run) marked() *mailbox.Content {
	if r.e.Verdict == nil || r.e.Verdict.Field == "" {
		return r.content
	}
	if r.withFields == nil {
		r.withFields = r.content.Prefixed([]byte(r.e.Verdict.Field))
	}
	return r.withFields
}

// outgoing is the message as it goes to other servers in the name of who signed in: with the disclaimer of their domain below it, if that
// has one and the message can have it. What lies in mailboxes here is never changed.
func (r *run) outgoing(ctx context.Context) (*mailbox.Content, error) {
	e := r.e
	if e.Who == nil || r.seenBefore() {
		return r.marked(), nil
	}
	d, ok := r.a.policies.DisclaimerFor(policy.SenderDomain(e.From, e.Who.Login))
	if !ok {
		return r.marked(), nil
	}
	size := r.content.Size()
	parser := message.NewParser(message.Limits{})
	if _, err := io.Copy(parser, io.NewSectionReader(r.content, 0, size)); err != nil {
		return nil, err
	}
	edits := footer.Add(parser.Finish(), r.content, footer.Text{Plain: d.Text, HTML: d.HTML})
	if len(edits) == 0 {
		return r.marked(), nil
	}
	r.a.log.DebugContext(ctx, "disclaimer added", "id", e.ID, "policy", d.ID)
	return r.written(func(w io.Writer) error {
		if e.Verdict != nil {
			if _, err := io.WriteString(w, e.Verdict.Field); err != nil {
				return err
			}
		}
		return footer.Copy(w, r.content, size, edits)
	})
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
