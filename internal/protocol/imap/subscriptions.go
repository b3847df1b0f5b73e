package imap

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
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
	f, err := s.folder(ctx, path)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && s.foreign(f.mail):
		return reply{text: "noted"}, s.changeSubscription(ctx, path, on)
	case err != nil:
		return reply{}, err
	}
	if _, err := s.mail.UpdateFolder(ctx, f.ID, mailbox.FolderPatch{Subscribed: &on}); err != nil {
		return reply{}, err
	}
	if !on {
		err = s.changeSubscription(ctx, path, false)
	}
	return reply{text: "noted"}, err
}

// lostSubscriptions are the names subscribed to that are kept apart, sorted.
func (s *session) lostSubscriptions(ctx context.Context) ([]string, error) {
	props, err := s.mail.Props(ctx)
	if err != nil || len(props[subscriptionsKey]) == 0 {
		return nil, err
	}
	return strings.Split(string(props[subscriptionsKey]), "\n"), nil
}

// changeSubscription adds or removes a name that is kept apart.
func (s *session) changeSubscription(ctx context.Context, path string, on bool) error {
	names, err := s.lostSubscriptions(ctx)
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
	return s.mail.SetProps(ctx, map[string][]byte{subscriptionsKey: value})
}
