package admin

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/format/words"
)

// Language is what an account's owner reads what the server writes in.
type Language struct {
	Address string `json:"address"`
	// Tag is en, de or fr; "": English in messages, and on pages what the browser asks for.
	Tag string `json:"language"`
}

// Language implements Admin.
func (d *Direct) Language(ctx context.Context, address string) (Language, error) {
	a, err := d.dir.AccountByAddress(ctx, address)
	if err != nil {
		return Language{}, err
	}
	tag, err := d.dir.Language(ctx, a.ID)
	return Language{a.Address, tag}, err
}

// SetLanguage implements Admin.
func (d *Direct) SetLanguage(ctx context.Context, l Language) error {
	a, err := d.changeable(ctx, l.Address)
	if err != nil {
		return err
	}
	if l.Tag != "" && words.In(l.Tag) == nil {
		return fault.New(fault.Invalid, "there are no texts in the language %q: en, de and fr are", l.Tag)
	}
	return d.dir.SetLanguage(ctx, a.ID, l.Tag)
}

// Language implements Admin.
func (c *Client) Language(ctx context.Context, address string) (Language, error) {
	return call[Language](ctx, c, "account.language", addressArg{address})
}

// SetLanguage implements Admin.
func (c *Client) SetLanguage(ctx context.Context, l Language) error {
	return do(ctx, c, "account.language.set", l)
}
