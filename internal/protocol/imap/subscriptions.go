package imap

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// A subscription is the folder's own mark or, for folders of others and for names without a folder (RFC 9051 §6.3.7 wants
// those kept), a line in this property of the account.
const subscriptionsKey = "imap.subscriptions"

// maxSubscriptions bounds that property, in bytes.
const maxSubscriptions = 256 << 10

// subscribe: RFC 9051 §6.3.7.
func (s *session) subscribe(ctx context.Context) (reply, error) {
	return s.setSubscribed(ctx, true)
}

// unsubscribe: RFC 9051 §6.3.8.
func (s *session) unsubscribe(ctx context.Context) (reply, error) {
	return s.setSubscribed(ctx, false)
}

func (s *session) setSubscribed(ctx context.Context, on bool) (reply, error) {
	s.dec.sp()
	path := strings.TrimSuffix(s.mailboxName(), string(separator))
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	s.effects().doing = []string{path}
	f, err := s.folder(ctx, path)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && s.foreign(f.mail):
		return reply{text: "noted"}, changeSubscription(ctx, s.mail, path, on)
	case err != nil:
		return reply{}, err
	}
	if _, err := s.mail.UpdateFolder(ctx, f.ID, mailbox.FolderPatch{Subscribed: &on}); err != nil {
		return reply{}, err
	}
	if !on {
		err = changeSubscription(ctx, s.mail, path, false)
	}
	return reply{text: "noted"}, err
}

// lostSubscriptions are the names subscribed to that are kept apart, sorted.
func lostSubscriptions(ctx context.Context, mail *mailbox.Session) ([]string, error) {
	props, err := mail.Props(ctx)
	if err != nil || len(props[subscriptionsKey]) == 0 {
		return nil, err
	}
	return strings.Split(string(props[subscriptionsKey]), "\n"), nil
}

// keepSubscription notes the name of a folder that its owner has subscribed to, and that is about to be deleted, perhaps by
// somebody else: the subscription stays (RFC 9051 §6.3.7). keep(false) takes the name back. done must be called.
func (s *session) keepSubscription(ctx context.Context, f *box) (keep func(on bool) error, done func(), err error) {
	owner, done := s.mail, func() {}
	keep = func(bool) error { return nil }
	if s.foreign(f.mail) {
		if f.rights()&mailbox.RightDelete == 0 {
			return keep, done, nil // it will stay
		}
		if owner, err = s.srv.store.Open(ctx, f.mail.Account(), ident.System()); err != nil {
			return nil, nil, err
		}
		done = owner.Close
	}
	tree := owner.Tree()
	i := slices.IndexFunc(tree, func(p mailbox.Placed) bool { return p.ID == f.ID })
	if i >= 0 && tree[i].Subscribed {
		path := joinPath(tree[i].Names)[1:]
		keep = func(on bool) error { return changeSubscription(ctx, owner, path, on) }
		err = keep(true)
	}
	if err != nil {
		done()
	}
	return keep, done, err
}

// changeSubscription adds or removes a name that is kept apart.
func changeSubscription(ctx context.Context, mail *mailbox.Session, path string, on bool) error {
	names, err := lostSubscriptions(ctx, mail)
	if err != nil {
		return err
	}
	i, has := slices.BinarySearch(names, path)
	switch {
	case has == on:
		return nil
	case on:
		names = slices.Insert(names, i, path)
	default:
		names = slices.Delete(names, i, i+1)
	}
	value := []byte(strings.Join(names, "\n"))
	if len(value) > maxSubscriptions {
		return fault.New(fault.TooLarge, "too many subscriptions to mailboxes of others, or that don't exist")
	}
	if len(value) == 0 {
		value = nil
	}
	return mail.SetProps(ctx, map[string][]byte{subscriptionsKey: value})
}
