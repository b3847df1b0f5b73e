package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/fetch"
	"postroad/internal/service/oauthclient"
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
	// AskFetch begins to ask somebody for the permission to fetch, where that is given by OAuth 2.0.
	AskFetch(ctx context.Context, q FetchQuestion) (FetchPermission, error)
	// AllowFetch takes the answer. Errors: fault.NotFound if nothing was begun, fault.Denied if it is no.
	AllowFetch(ctx context.Context, x FetchAnswer) (FetchAllowed, error)
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
	Judge    string   `json:"judge,omitempty"`    // empty: what comes from an inbox is judged, and all is shown to scanners; yes: all is judged; no: nothing is looked at
	Results  string   `json:"results,omitempty"`  // whose Authentication-Results are believed
	Provider string   `json:"provider,omitempty"` // that renews OAuth 2.0 tokens
	Mailbox  string   `json:"mailbox,omitempty"`  // there, by IMAP; empty: INBOX
	Folder   []string `json:"folder,omitempty"`   // here; empty: the inbox
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
	Secret       string   `json:"secret,omitempty"` // password, or token; with OAuth: refresh token, if there is one already
	Token        bool     `json:"token,omitempty"`  // the secret is an OAuth 2.0 access token, which isn't renewed
	OAuth        FetchBy  `json:"oauth,omitzero"`   // sign in by OAuth 2.0 tokens that are renewed, if it names a provider
	Mailbox      string   `json:"mailbox,omitempty"`
	Folder       []string `json:"folder,omitempty"`
	Policy       string   `json:"policy"`
	Days         int      `json:"days,omitempty"`
	EverySeconds int      `json:"every_seconds"`
	Judge        string   `json:"judge,omitempty"`
	Results      string   `json:"results,omitempty"`
	Trust        string   `json:"trust,omitempty"`     // certificates (PEM) to trust, instead of the system's authorities
	Unchecked    bool     `json:"unchecked,omitempty"` // don't sign in first
}

// FetchBy is the OAuth 2.0 provider that gives tokens, and what it knows us by.
type FetchBy struct {
	Provider      string `json:"provider"` // google, microsoft, or an issuer: an https URL
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret,omitempty"`
	Scope         string `json:"scope,omitempty"`          // empty: the provider's for mail, where that is known
	TokenEndpoint string `json:"token_endpoint,omitempty"` // these are found by the issuer's metadata, if they aren't given
	Device        string `json:"device_endpoint,omitempty"`
	Authorize     string `json:"authorization_endpoint,omitempty"`
}

// FetchQuestion says how somebody is asked.
type FetchQuestion struct {
	ID uint32 `json:"id"`
	// Redirect is where the browser comes back to; empty: a code is typed in any browser.
	Redirect string `json:"redirect,omitempty"`
}

// FetchPermission is what somebody needs to allow it.
type FetchPermission struct {
	URL         string    `json:"url"`
	UserCode    string    `json:"user_code,omitempty"` // to be typed there
	Complete    string    `json:"complete,omitempty"`  // where it need not be typed
	WaitSeconds float64   `json:"wait_seconds,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
}

// FetchAnswer is what a browser came back with; without a state: has somebody typed the code?
type FetchAnswer struct {
	ID    uint32 `json:"id"`
	State string `json:"state,omitempty"`
	Code  string `json:"code,omitempty"`
}

// FetchAllowed tells whether it is allowed now, or when to ask again.
type FetchAllowed struct {
	Allowed     bool    `json:"allowed"`
	WaitSeconds float64 `json:"wait_seconds,omitempty"`
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
	provider := ""
	if l.OAuth != nil {
		provider = l.OAuth.Provider
	}
	return Fetch{ID: l.ID, Judge: l.Judge, Results: l.Results, Provider: provider, Account: a.Address, Protocol: l.Protocol, Address: l.Address, Security: l.Security, User: l.User, Mailbox: l.Mailbox,
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
		Mailbox: f.Mailbox, Folder: f.Folder, Policy: fetch.Policy(f.Policy), Days: f.Days, Every: time.Duration(f.EverySeconds) * time.Second, Trust: f.Trust, Judge: f.Judge, Results: f.Results}
	if f.OAuth.Provider != "" {
		if src.OAuth, err = s.Provider(ctx, f.OAuth.Provider, f.OAuth.app()); err == nil {
			src, err = s.AddOAuth(ctx, src, f.OAuth.ClientSecret, f.Secret)
		}
		if err != nil {
			return Fetch{}, err
		}
		return d.describeFetch(ctx, fetch.Listed{Source: src})
	}
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

func (b *FetchBy) app() oauthclient.App {
	return oauthclient.App{ID: b.ClientID, Scope: b.Scope, Token: b.TokenEndpoint, Device: b.Device, Authorize: b.Authorize}
}

// AskFetch implements Admin.
func (d *Direct) AskFetch(ctx context.Context, q FetchQuestion) (FetchPermission, error) {
	s, err := d.fetcher()
	if err != nil {
		return FetchPermission{}, err
	}
	if q.Redirect != "" {
		url, err := s.BeginCode(ctx, q.ID, q.Redirect)
		return FetchPermission{URL: url}, err
	}
	p, err := s.BeginDevice(ctx, q.ID)
	return FetchPermission{URL: p.URL, UserCode: p.UserCode, Complete: p.Complete, WaitSeconds: p.Interval.Seconds(), Expires: p.Expires}, err
}

// AllowFetch implements Admin.
func (d *Direct) AllowFetch(ctx context.Context, x FetchAnswer) (FetchAllowed, error) {
	s, err := d.fetcher()
	if err != nil {
		return FetchAllowed{}, err
	}
	if x.State != "" || x.Code != "" {
		err := s.FinishCode(ctx, x.ID, x.State, x.Code)
		return FetchAllowed{Allowed: err == nil}, err
	}
	wait, err := s.PollDevice(ctx, x.ID)
	return FetchAllowed{Allowed: err == nil && wait == 0, WaitSeconds: wait.Seconds()}, err
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

// AskFetch implements Admin.
func (c *Client) AskFetch(ctx context.Context, q FetchQuestion) (FetchPermission, error) {
	return call[FetchPermission](ctx, c, "fetch.ask", q)
}

// AllowFetch implements Admin.
func (c *Client) AllowFetch(ctx context.Context, x FetchAnswer) (FetchAllowed, error) {
	return call[FetchAllowed](ctx, c, "fetch.allow", x)
}

// RemoveFetch implements Admin.
func (c *Client) RemoveFetch(ctx context.Context, id uint32) error {
	return do(ctx, c, "fetch.remove", fetchArg{id})
}

// RunFetch implements Admin.
func (c *Client) RunFetch(ctx context.Context, id uint32) (Fetched, error) {
	return call[Fetched](ctx, c, "fetch.run", fetchArg{id})
}
