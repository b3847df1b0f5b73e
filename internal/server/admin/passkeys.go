package admin

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
)

// PasskeyAdmin is what an administrator can do about people's passkeys, which they make themselves. All fail with fault.NotFound if the account
// isn't here.
type PasskeyAdmin interface {
	// Passkeys lists an account's passkeys, oldest first.
	Passkeys(ctx context.Context, address string) ([]Passkey, error)
	// RemovePasskey removes one, and ends the sessions that it has opened. fault.Conflict: it is the only second step that the account has.
	RemovePasskey(ctx context.Context, n PasskeyName) error
}

// Passkey is a key of somebody's phone, computer or key ring.
type Passkey struct {
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	Used     time.Time `json:"used,omitzero"`     // last
	BackedUp bool      `json:"backed_up"`         // it is kept in sync between devices
	Model    string    `json:"model,omitempty"`   // the authenticator's AAGUID, in hexadecimal
	Reached  []string  `json:"reached,omitempty"` // how the authenticator is: usb, nfc, ble, smart-card, hybrid, internal
}

// PasskeyName names one.
type PasskeyName struct {
	Address string `json:"address"`
	Name    string `json:"name"`
}

// Passkeys implements Admin.
func (d *Direct) Passkeys(ctx context.Context, address string) ([]Passkey, error) {
	p, err := d.dir.Profile(ctx, address)
	if err != nil {
		return nil, err
	}
	list := []Passkey{}
	for i := range p.Passkeys {
		list = append(list, showPasskey(&p.Passkeys[i]))
	}
	return list, nil
}

func showPasskey(k *directory.Passkey) Passkey {
	out := Passkey{Name: k.Name, Created: k.Created, Used: k.Used, BackedUp: k.BackedUp, Reached: k.Transports}
	if strings.Trim(k.Model, "\x00") != "" { // all zero: it doesn't say
		out.Model = hex.EncodeToString([]byte(k.Model))
	}
	return out
}

// RemovePasskey implements Admin. Sessions ask for their passkey whenever they are used.
func (d *Direct) RemovePasskey(ctx context.Context, n PasskeyName) error {
	return d.with(ctx, n.Address, func(id ident.AccountID) error {
		p, err := d.dir.ProfileByID(ctx, id)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(p.Passkeys, func(k directory.Passkey) bool { return k.Name == n.Name })
		if at < 0 {
			return fault.New(fault.NotFound, "the account has no passkey %q", n.Name)
		}
		_, err = d.dir.RemovePasskey(ctx, id, p.Passkeys[at].ID)
		return err
	})
}

// pageSessions are the browsers that are signed in to people's own pages: of one account, or with 0 of all.
func (d *Direct) pageSessions(ctx context.Context, only ident.AccountID) (list []Session, err error) {
	all, err := d.engine.AllPages(ctx, only)
	for i := range all {
		s := &all[i]
		list = append(list, Session{ID: s.ID, Address: s.Address, Protocol: "web", Client: showAddr(s.Client), Program: s.Program,
			Key: s.Key.String(), Mechanism: "page", TLS: true, Since: s.Since})
	}
	return list, err
}

// endSession ends one that was listed; ended is false if it has ended by itself meanwhile.
func (d *Direct) endSession(ctx context.Context, s *Session) (ended bool, err error) {
	if !strings.HasPrefix(s.ID, auth.PagesPrefix) {
		return d.engine.EndSession(s.ID), nil
	}
	a, err := d.dir.AccountByAddress(ctx, s.Address)
	if err != nil {
		return false, err
	}
	n, err := d.engine.EndPages(ctx, a.ID, s.ID, auth.Pages{})
	return n > 0, err
}

func (c *Client) Passkeys(ctx context.Context, address string) ([]Passkey, error) {
	return call[[]Passkey](ctx, c, "account.passkeys", addressArg{address})
}
func (c *Client) RemovePasskey(ctx context.Context, n PasskeyName) error {
	return do(ctx, c, "account.passkeys.remove", n)
}
