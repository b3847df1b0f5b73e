package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/fetch"
)

// FetchAdmin is what an administrator can do with people's accounts on other servers, whose mail is fetched.
type FetchAdmin interface {
	// Fetches lists the external accounts of an account, or, if the address is empty, of all.
	Fetches(ctx context.Context, address string) ([]Fetch, error)
	// AddFetch adds one. It signs in there first, unless Unchecked.
	AddFetch(ctx context.Context, f NewFetch) (Fetch, error)
	// SetFetchSecret changes the password or token, and has it asked soon. Errors: fault.NotFound.
	SetFetchSecret(ctx context.Context, s FetchSecret) error
	// RemoveFetch forgets an external account; mail that came from it stays. Errors: fault.NotFound.
	RemoveFetch(ctx context.Context, id uint32) error
	// RunFetch fetches now, and returns when that is done. Errors: fault.NotFound, and why it failed.
	RunFetch(ctx context.Context, id uint32) (Fetched, error)
}

// Fetch is an account on another server, and how fetching from it goes.
type Fetch struct {
	ID       uint32   `json:"id"`
	Account  string   `json:"account"`  // here
	Protocol string   `json:"protocol"` // imap, pop3
	Address  string   `json:"address"`  // host:port
	Security string   `json:"security"` // tls, starttls, none
	User     string   `json:"user"`
	Mailbox  string   `json:"mailbox,omitempty"` // there, by IMAP; empty: INBOX
	Folder   []string `json:"folder,omitempty"`  // here; empty: the inbox
	// Policy says when messages are removed there: keep (never), delete (when they are here), days (that many later), mirror
	// (when they are deleted here).
	Policy       string    `json:"policy"`
	Days         int       `json:"days,omitempty"`
	EverySeconds int       `json:"every_seconds"`
	Last         time.Time `json:"last,omitzero"` // when it was asked last
	LastOK       time.Time `json:"last_ok,omitzero"`
	Next         time.Time `json:"next,omitzero"`
	Failures     int       `json:"failures,omitempty"` // in a row
	Problem      string    `json:"problem,omitempty"`
	Count        int64     `json:"count"` // messages that have come
}

// NewFetch is one to be added: see Fetch.
type NewFetch struct {
	Account      string   `json:"account"`
	Protocol     string   `json:"protocol"`
	Address      string   `json:"address"`
	Security     string   `json:"security"`
	User         string   `json:"user"`
	Secret       string   `json:"secret"`          // password, or token
	Token        bool     `json:"token,omitempty"` // the secret is an OAuth 2.0 access token
	Mailbox      string   `json:"mailbox,omitempty"`
	Folder       []string `json:"folder,omitempty"`
	Policy       string   `json:"policy"`
	Days         int      `json:"days,omitempty"`
	EverySeconds int      `json:"every_seconds"`
	Trust        string   `json:"trust,omitempty"`     // certificates (PEM) to trust, instead of the system's authorities
	Unchecked    bool     `json:"unchecked,omitempty"` // don't sign in first
}

// FetchSecret is a new password or token.
type FetchSecret struct {
	ID     uint32 `json:"id"`
	Secret string `json:"secret"`
}

// Fetched is what one run did.
type Fetched struct {
	Fetched int   `json:"fetched"`
	Bytes   int64 `json:"bytes"`
	Removed int   `json:"removed"` // there
	Skipped int   `json:"skipped"` // too large, or the server couldn't give them
}

type fetchArg struct {
	ID uint32 `json:"id"`
}

// SetFetch gives d what fetches mail. Call it before anybody asks.
func (d *Direct) SetFetch(s *fetch.Service) { d.fetch = s }

func (d *Direct) fetcher() (*fetch.Service, error) {
	if d.fetch == nil {
		return nil, fault.New(fault.Unsupported, "this server doesn't fetch mail")
	}
	return d.fetch, nil
}

// Fetches implements Admin.
func (d *Direct) Fetches(ctx context.Context, address string) ([]Fetch, error) {
	s, err := d.fetcher()
	if err != nil {
		return nil, err
	}
	var whose directory.Account
	if address != "" {
		if whose, err = d.dir.AccountByAddress(ctx, address); err != nil {
			return nil, err
		}
	}
	all, err := s.List(ctx, whose.ID)
	list := make([]Fetch, len(all))
	for i, l := range all {
		if list[i], err = d.describeFetch(ctx, l); err != nil {
			return nil, err
		}
	}
	return list, err
}

func (d *Direct) describeFetch(ctx context.Context, l fetch.Listed) (Fetch, error) {
	a, err := d.dir.Account(ctx, l.Account)
	if fault.Is(err, fault.NotFound) {
		a.Address, err = accountName(l.Account), nil // removed; it can be brought back
	}
	return Fetch{ID: l.ID, Account: a.Address, Protocol: l.Protocol, Address: l.Address, Security: l.Security, User: l.User, Mailbox: l.Mailbox,
		Folder: l.Folder, Policy: string(l.Policy), Days: l.Days, EverySeconds: int(l.Every / time.Second),
		Last: l.Last, LastOK: l.LastOK, Next: l.Next, Failures: l.Failures, Problem: l.Error, Count: l.Status.Fetched}, err
}

// AddFetch implements Admin.
func (d *Direct) AddFetch(ctx context.Context, f NewFetch) (Fetch, error) {
	s, err := d.fetcher()
	if err != nil {
		return Fetch{}, err
	}
	a, err := d.dir.AccountByAddress(ctx, f.Account)
	if err != nil {
		return Fetch{}, err
	}
	src := fetch.Source{Account: a.ID, Protocol: f.Protocol, Address: f.Address, Security: f.Security, User: f.User, Token: f.Token,
		Mailbox: f.Mailbox, Folder: f.Folder, Policy: fetch.Policy(f.Policy), Days: f.Days, Every: time.Duration(f.EverySeconds) * time.Second, Trust: f.Trust}
	if !f.Unchecked {
		if err := s.Try(ctx, src, f.Secret); err != nil {
			return Fetch{}, err
		}
	}
	if src, err = s.Add(ctx, src, f.Secret); err != nil {
		return Fetch{}, err
	}
	return d.describeFetch(ctx, fetch.Listed{Source: src})
}

// SetFetchSecret implements Admin.
func (d *Direct) SetFetchSecret(ctx context.Context, x FetchSecret) error {
	s, err := d.fetcher()
	if err != nil {
		return err
	}
	return s.SetSecret(ctx, x.ID, x.Secret)
}

// RemoveFetch implements Admin.
func (d *Direct) RemoveFetch(ctx context.Context, id uint32) error {
	s, err := d.fetcher()
	if err != nil {
		return err
	}
	return s.Remove(ctx, id)
}

// RunFetch implements Admin.
func (d *Direct) RunFetch(ctx context.Context, id uint32) (Fetched, error) {
	s, err := d.fetcher()
	if err != nil {
		return Fetched{}, err
	}
	r, err := s.RunNow(ctx, id)
	return Fetched(r), err
}

// Fetches implements Admin.
func (c *Client) Fetches(ctx context.Context, address string) ([]Fetch, error) {
	return call[[]Fetch](ctx, c, "fetch.list", addressArg{address})
}

// AddFetch implements Admin.
func (c *Client) AddFetch(ctx context.Context, f NewFetch) (Fetch, error) {
	return call[Fetch](ctx, c, "fetch.add", f)
}

// SetFetchSecret implements Admin.
func (c *Client) SetFetchSecret(ctx context.Context, s FetchSecret) error {
	return do(ctx, c, "fetch.secret", s)
}

// RemoveFetch implements Admin.
func (c *Client) RemoveFetch(ctx context.Context, id uint32) error {
	return do(ctx, c, "fetch.remove", fetchArg{id})
}

// RunFetch implements Admin.
func (c *Client) RunFetch(ctx context.Context, id uint32) (Fetched, error) {
	return call[Fetched](ctx, c, "fetch.run", fetchArg{id})
}
