package admin

import "context"

// Reindex makes an account's text index anew, from its messages. Searches meanwhile read the messages.
func (d *Direct) Reindex(ctx context.Context, address string) error {
	a, err := d.dir.AccountByAddress(ctx, address)
	if err != nil {
		return err
	}
	return d.store.Reindex(ctx, a.ID)
}

// Reindex implements Admin.
func (c *Client) Reindex(ctx context.Context, address string) error {
	return do(ctx, c, "account.reindex", addressArg{address})
}
