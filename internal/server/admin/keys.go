package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/sender/dkim"
)

// DKIMKey is a key that signs a domain's mail. The private key is never told.
type DKIMKey struct {
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"` // rsa-sha256 or ed25519-sha256
	State     string    `json:"state"`     // pending, active or retired
	Created   time.Time `json:"created"`
	Changed   time.Time `json:"changed"` // since when it is in its state
	// Name and Record are the TXT record that publishes it.
	Name   string `json:"name"`
	Record string `json:"record"`
}

// KeyChange names a key.
type KeyChange struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector"`
	// Unchecked: activate it without looking whether the DNS has its record.
	Unchecked bool `json:"unchecked,omitempty"`
}

// KeyAdmin is what an administrator can do with DKIM keys. All fail with fault.NotFound if the domain, or the key, isn't here.
type KeyAdmin interface {
	// Keys lists a domain's keys, oldest first. The records of all of them are to be published.
	Keys(ctx context.Context, domain string) ([]DKIMKey, error)
	// RotateKeys makes a pair of new keys, pending; fault.Conflict while others are. They sign once they have been activated.
	RotateKeys(ctx context.Context, domain string) ([]DKIMKey, error)
	// ActivateKey has a key sign from now on, and that which did so before no more. Unless Unchecked is set it fails with
	// fault.Conflict if the DNS doesn't have the key's record, and with fault.Unsupported if the server can't see the DNS.
	ActivateKey(ctx context.Context, k KeyChange) error
	// RetireKey has a key sign no more; fault.Conflict if it never did.
	RetireKey(ctx context.Context, k KeyChange) error
	// RemoveKey removes a key for good; fault.Conflict if it is active.
	RemoveKey(ctx context.Context, k KeyChange) error
}

// Publication says whether the DNS has a key's record: nil, or fault.Conflict with what is wrong; other kinds:
// nobody knows.
type Publication func(ctx context.Context, k directory.DKIMKey) error

// SetPublication gives d somebody who sees the DNS. Call it before anybody asks.
func (d *Direct) SetPublication(p Publication) { d.published = p }

// Keys implements Admin.
func (d *Direct) Keys(ctx context.Context, domain string) ([]DKIMKey, error) {
	return showKeys(d.dir.DKIMKeys(ctx, domain))
}

func showKeys(keys []directory.DKIMKey, err error) ([]DKIMKey, error) {
	if err != nil {
		return nil, err
	}
	list := []DKIMKey{}
	for _, k := range keys {
		name, record, err := dkim.SigningKey{Domain: k.Domain, Selector: k.Selector, Private: k.Signer()}.Record()
		if err != nil {
			return nil, err
		}
		list = append(list, DKIMKey{Selector: k.Selector, Algorithm: string(k.Algorithm), State: k.State.String(),
			Created: k.Created, Changed: k.Changed, Name: name, Record: record})
	}
	return list, nil
}

// RotateKeys implements Admin.
func (d *Direct) RotateKeys(ctx context.Context, domain string) ([]DKIMKey, error) {
	return showKeys(d.dir.RotateKeys(ctx, domain))
}

// ActivateKey implements Admin.
func (d *Direct) ActivateKey(ctx context.Context, k KeyChange) error {
	if !k.Unchecked {
		if err := d.checkPublished(ctx, k); err != nil {
			return err
		}
	}
	return d.dir.ActivateKey(ctx, k.Domain, k.Selector)
}

func (d *Direct) checkPublished(ctx context.Context, c KeyChange) error {
	k, err := d.dir.DKIMKey(ctx, c.Domain, c.Selector)
	if err != nil {
		return err
	}
	if d.published == nil {
		return fault.New(fault.Unsupported, "this server can't see the DNS: say --unchecked if the record is there")
	}
	return d.published(ctx, k)
}

// RetireKey implements Admin.
func (d *Direct) RetireKey(ctx context.Context, k KeyChange) error {
	return d.dir.RetireKey(ctx, k.Domain, k.Selector)
}

// RemoveKey implements Admin.
func (d *Direct) RemoveKey(ctx context.Context, k KeyChange) error {
	return d.dir.RemoveKey(ctx, k.Domain, k.Selector)
}

func (c *Client) Keys(ctx context.Context, domain string) ([]DKIMKey, error) {
	return call[[]DKIMKey](ctx, c, "domain.keys", domainArg{domain})
}
func (c *Client) RotateKeys(ctx context.Context, domain string) ([]DKIMKey, error) {
	return call[[]DKIMKey](ctx, c, "domain.keys.rotate", domainArg{domain})
}
func (c *Client) ActivateKey(ctx context.Context, k KeyChange) error {
	return do(ctx, c, "domain.keys.activate", k)
}
func (c *Client) RetireKey(ctx context.Context, k KeyChange) error {
	return do(ctx, c, "domain.keys.retire", k)
}
func (c *Client) RemoveKey(ctx context.Context, k KeyChange) error {
	return do(ctx, c, "domain.keys.remove", k)
}
