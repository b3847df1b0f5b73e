package admin

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
	"postroad/internal/storage/kv"
)

// SignInAdmin is what an administrator can do about how people sign in. All that name an account fail with fault.NotFound if it isn't here.
type SignInAdmin interface {
	// AppPasswords lists an account's app passwords, oldest first.
	AppPasswords(ctx context.Context, address string) ([]AppPassword, error)
	// AddAppPassword makes an app password. Its text is told this once.
	AddAppPassword(ctx context.Context, n NewAppPassword) (AppPassword, error)
	// RemoveAppPassword removes one, and ends the sessions that it has opened.
	RemoveAppPassword(ctx context.Context, n AppPasswordName) error

	// TwoStep tells how an account's two-step verification stands.
	TwoStep(ctx context.Context, address string) (TwoStep, error)
	// BeginTwoStep gives what an authenticator needs; fault.Conflict if it is on already, and takes codes.
	BeginTwoStep(ctx context.Context, address string) (Enrolment, error)
	// ConfirmTwoStep turns it on, if the code is the authenticator's, ends the sessions that the password alone has opened, and what it has allowed programs, and tells
	// the recovery codes, this once. fault.Unauthenticated: the code is wrong.
	ConfirmTwoStep(ctx context.Context, c Code) (RecoveryCodes, error)
	// RenewRecoveryCodes makes new ones in place of the old.
	RenewRecoveryCodes(ctx context.Context, address string) (RecoveryCodes, error)
	// EndTwoStep turns it off.
	EndTwoStep(ctx context.Context, address string) error

	// Audit tells who signed in, who failed to, and what administrators did, oldest first.
	Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error)
	// Sessions lists the connections on which somebody is signed in, oldest first; of one account if it is named.
	Sessions(ctx context.Context, q SessionQuery) ([]Session, error)
	// EndSessions ends one session, or all of an account.
	EndSessions(ctx context.Context, q SessionQuery) (Ended, error)
}

// AppPassword is a password for one program.
type AppPassword struct {
	Name      string    `json:"name"`
	Protocols []string  `json:"protocols,omitempty"` // empty: all
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"`
	Expired   bool      `json:"expired,omitempty"`
	Used      time.Time `json:"used,omitzero"` // last, to the minute
	UsedOver  string    `json:"used_over,omitempty"`
	UsedFrom  string    `json:"used_from,omitempty"`
	Password  string    `json:"password,omitempty"` // when it was just made
}

// NewAppPassword is an app password to be.
type NewAppPassword struct {
	Address   string    `json:"address"`
	Name      string    `json:"name"`
	Protocols []string  `json:"protocols,omitempty"` // of imap, pop3, smtp; empty: all
	Expires   time.Time `json:"expires,omitzero"`    // zero: never
}

// AppPasswordName names one.
type AppPasswordName struct {
	Address string `json:"address"`
	Name    string `json:"name"`
}

// TwoStep is how two-step verification stands.
type TwoStep struct {
	On       bool      `json:"on"`
	Codes    bool      `json:"codes"`             // it takes codes of an authenticator; else passkeys, and recovery codes, alone
	Pending  bool      `json:"pending,omitempty"` // begun, and not confirmed yet
	Since    time.Time `json:"since,omitzero"`
	Recovery int       `json:"recovery_codes"` // that are left
}

// Enrolment is what an authenticator needs.
type Enrolment struct {
	Secret string `json:"secret"`
	URL    string `json:"url"` // for a QR code
}

// Code is what an account's authenticator shows.
type Code struct {
	Address string `json:"address"`
	Code    string `json:"code"`
}

// RecoveryCodes stand in for an authenticator that is lost, each once.
type RecoveryCodes struct {
	Codes []string `json:"codes"`
}

// SessionQuery says which sessions are meant. Both empty: all of them, which can be listed but not ended.
type SessionQuery struct {
	ID      string `json:"id,omitempty"`
	Address string `json:"address,omitempty"`
}

// Session is a connection on which somebody is signed in.
type Session struct {
	ID        string    `json:"id"`
	Address   string    `json:"address"`
	Protocol  string    `json:"protocol"`
	Client    string    `json:"client"`
	Program   string    `json:"program,omitempty"` // what it calls itself
	Key       string    `json:"key"`               // what was signed in with
	Mechanism string    `json:"mechanism"`
	TLS       bool      `json:"tls"`
	Since     time.Time `json:"since"`
}

// Ended says how many sessions a change has ended.
type Ended struct {
	Sessions int `json:"sessions"`
}

// SetSignIns gives d who signs people in, while the server runs. Call it before anybody asks.
func (d *Direct) SetSignIns(e *auth.Engine) { d.engine = e }

// endStale ends the sessions that something taken away had opened.
func (d *Direct) endStale(ctx context.Context, id ident.AccountID) {
	if d.engine != nil {
		d.engine.EndStale(ctx, id)
	}
}

// AppPasswords implements Admin.
func (d *Direct) AppPasswords(ctx context.Context, address string) ([]AppPassword, error) {
	p, err := d.dir.Profile(ctx, address)
	if err != nil {
		return nil, err
	}
	uses, err := d.lastUses(ctx, p.Account.ID)
	if err != nil {
		return nil, err
	}
	list := []AppPassword{}
	for i := range p.AppPasswords {
		a := showAppPassword(&p.AppPasswords[i], d.dir.Now())
		if u, ok := uses[p.AppPasswords[i].ID]; ok {
			a.Used, a.UsedOver, a.UsedFrom = u.At, u.Protocol, showAddr(u.Client)
		}
		list = append(list, a)
	}
	return list, nil
}

func (d *Direct) lastUses(ctx context.Context, id ident.AccountID) (map[uint64]auth.LastUse, error) {
	if d.engine != nil {
		return d.engine.LastUses(ctx, id)
	}
	return auth.LastUses(ctx, d.db, id)
}

func showAddr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func showAppPassword(a *directory.AppPassword, now time.Time) AppPassword {
	return AppPassword{Name: a.Name, Protocols: a.Protocols, Created: a.Created, Expires: a.Expires,
		Expired: !a.Expires.IsZero() && !now.Before(a.Expires)}
}

// AddAppPassword implements Admin.
func (d *Direct) AddAppPassword(ctx context.Context, n NewAppPassword) (out AppPassword, err error) {
	err = d.with(ctx, n.Address, func(id ident.AccountID) error {
		a, text, err := d.dir.AddAppPassword(ctx, id, directory.NewAppPassword{Name: n.Name, Protocols: n.Protocols, Expires: n.Expires})
		out = showAppPassword(&a, d.dir.Now())
		out.Password = text
		return err
	})
	return out, err
}

// RemoveAppPassword implements Admin.
func (d *Direct) RemoveAppPassword(ctx context.Context, n AppPasswordName) error {
	return d.with(ctx, n.Address, func(id ident.AccountID) error {
		a, err := d.dir.RemoveAppPassword(ctx, id, n.Name)
		if err != nil {
			return err
		}
		d.endStale(ctx, id)
		return auth.ForgetUses(ctx, d.db, id, a.ID)
	})
}

// forgetUses removes what is known of how an account signed in.
func forgetUses(ctx context.Context, db kv.DB, id ident.AccountID) error {
	return auth.ForgetUses(ctx, db, id, 0)
}

// TwoStep implements Admin.
func (d *Direct) TwoStep(ctx context.Context, address string) (out TwoStep, err error) {
	err = d.with(ctx, address, func(id ident.AccountID) error {
		s, err := d.dir.TwoStep(ctx, id)
		out = TwoStep{On: s.On, Codes: s.Codes, Pending: s.Pending, Since: s.Since, Recovery: s.Recovery}
		return err
	})
	return out, err
}

// BeginTwoStep implements Admin. Authenticators show the account's domain as who the codes are for.
func (d *Direct) BeginTwoStep(ctx context.Context, address string) (out Enrolment, err error) {
	err = d.with(ctx, address, func(id ident.AccountID) error {
		a, err := d.dir.Account(ctx, id)
		if err != nil {
			return err
		}
		e, err := d.dir.EnrolTwoStep(ctx, id, a.Address[strings.LastIndexByte(a.Address, '@')+1:])
		out = Enrolment(e)
		return err
	})
	return out, err
}

// ConfirmTwoStep implements Admin.
func (d *Direct) ConfirmTwoStep(ctx context.Context, c Code) (out RecoveryCodes, err error) {
	err = d.with(ctx, c.Address, func(id ident.AccountID) (err error) {
		if out.Codes, err = d.dir.ConfirmTwoStep(ctx, id, c.Code); err != nil {
			return err
		}
		if out.Codes == nil { // it was on: the codes are those that there were
			out.Codes = []string{}
		}
		d.endStale(ctx, id)
		if d.grants != nil { // the password alone has given them
			_, err = d.grants.EndGrant(ctx, id, "")
		}
		return err
	})
	return out, err
}

// RenewRecoveryCodes implements Admin.
func (d *Direct) RenewRecoveryCodes(ctx context.Context, address string) (out RecoveryCodes, err error) {
	err = d.with(ctx, address, func(id ident.AccountID) (err error) {
		out.Codes, err = d.dir.RenewRecoveryCodes(ctx, id)
		return err
	})
	return out, err
}

// EndTwoStep implements Admin.
func (d *Direct) EndTwoStep(ctx context.Context, address string) error {
	return d.with(ctx, address, func(id ident.AccountID) error { return d.dir.EndTwoStep(ctx, id) })
}

// Sessions implements Admin. A stopped server has none.
func (d *Direct) Sessions(ctx context.Context, q SessionQuery) ([]Session, error) {
	list := []Session{}
	var only ident.AccountID
	if q.Address != "" {
		a, err := d.dir.AccountByAddress(ctx, q.Address)
		if err != nil {
			return nil, err
		}
		only = a.ID
	}
	if d.engine == nil {
		return list, nil
	}
	pages, err := d.pageSessions(ctx, only)
	if err != nil {
		return nil, err
	}
	for _, s := range pages {
		if q.ID == "" || s.ID == q.ID {
			list = append(list, s)
		}
	}
	for _, s := range d.engine.Sessions() {
		if q.Address != "" && s.Account != only || q.ID != "" && s.ID != q.ID {
			continue
		}
		list = append(list, Session{ID: s.ID, Address: s.Address, Protocol: s.Protocol, Client: showAddr(s.Client), Program: s.Program,
			Key: s.Key, Mechanism: s.Mechanism, TLS: s.TLS, Since: s.Since})
	}
	slices.SortStableFunc(list, func(a, b Session) int { return a.Since.Compare(b.Since) })
	return list, nil
}

// EndSessions implements Admin.
func (d *Direct) EndSessions(ctx context.Context, q SessionQuery) (Ended, error) {
	if (q.ID == "") == (q.Address == "") {
		return Ended{}, fault.New(fault.Invalid, "say either which session (its ID, from the list) or whose account")
	}
	if q.Address != "" {
		if _, err := d.changeable(ctx, q.Address); err != nil {
			return Ended{}, err
		}
	}
	list, err := d.Sessions(ctx, q)
	if err != nil {
		return Ended{}, err
	}
	if q.ID != "" && len(list) == 0 {
		return Ended{}, fault.New(fault.NotFound, "there is no session %q", q.ID)
	}
	n := 0
	for i := range list {
		ended, err := d.endSession(ctx, &list[i])
		if err != nil {
			return Ended{n}, err
		}
		if ended {
			n++
		}
	}
	return Ended{n}, nil
}

func (c *Client) AppPasswords(ctx context.Context, address string) ([]AppPassword, error) {
	return call[[]AppPassword](ctx, c, "account.app_passwords", addressArg{address})
}
func (c *Client) AddAppPassword(ctx context.Context, n NewAppPassword) (AppPassword, error) {
	return call[AppPassword](ctx, c, "account.app_passwords.add", n)
}
func (c *Client) RemoveAppPassword(ctx context.Context, n AppPasswordName) error {
	return do(ctx, c, "account.app_passwords.remove", n)
}
func (c *Client) TwoStep(ctx context.Context, address string) (TwoStep, error) {
	return call[TwoStep](ctx, c, "account.two_step", addressArg{address})
}
func (c *Client) BeginTwoStep(ctx context.Context, address string) (Enrolment, error) {
	return call[Enrolment](ctx, c, "account.two_step.begin", addressArg{address})
}
func (c *Client) ConfirmTwoStep(ctx context.Context, x Code) (RecoveryCodes, error) {
	return call[RecoveryCodes](ctx, c, "account.two_step.confirm", x)
}
func (c *Client) RenewRecoveryCodes(ctx context.Context, address string) (RecoveryCodes, error) {
	return call[RecoveryCodes](ctx, c, "account.two_step.recovery", addressArg{address})
}
func (c *Client) EndTwoStep(ctx context.Context, address string) error {
	return do(ctx, c, "account.two_step.end", addressArg{address})
}
func (c *Client) Sessions(ctx context.Context, q SessionQuery) ([]Session, error) {
	return call[[]Session](ctx, c, "session.list", q)
}
func (c *Client) EndSessions(ctx context.Context, q SessionQuery) (Ended, error) {
	return call[Ended](ctx, c, "session.end", q)
}
