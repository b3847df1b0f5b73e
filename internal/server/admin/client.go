package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"postroad/internal/fault"
)

// Client is an Admin that asks a running server.
type Client struct {
	base, token string
	http        *http.Client
}

// Dial returns a client for the socket of a server on this machine. It connects
// when first asked.
func Dial(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{base: "http://postroad", http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// DialHTTPS returns a client for a server at an https:// address, which it
// trusts if its certificate is signed by roots (nil: the system's).
func DialHTTPS(address, token string, roots *x509.CertPool) (*Client, error) {
	if !strings.HasPrefix(address, "https://") {
		return nil, fault.New(fault.Invalid, "a server's address begins with https://, since the token must not go in the clear")
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	return &Client{base: strings.TrimSuffix(address, "/"), token: token, http: &http.Client{Transport: t}}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call asks for an operation and reads its result.
func call[Out any](ctx context.Context, c *Client, name string, argument any) (out Out, err error) {
	body, err := json.Marshal(argument)
	if err != nil {
		return out, fault.Wrap(fault.Internal, err, "")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+Prefix+name, bytes.NewReader(body))
	if err != nil {
		return out, fault.Wrap(fault.Invalid, err, "not a server's address")
	}
	r.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return out, fault.Wrap(fault.Unavailable, err, "cannot reach the server")
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return out, failure(resp.Status, d)
	}
	return out, fault.Wrap(fault.Internal, d.Decode(&out), "the server's answer makes no sense")
}

func do(ctx context.Context, c *Client, name string, argument any) error {
	_, err := call[none](ctx, c, name, argument)
	return err
}

// failure makes the server's error ours again.
func failure(status string, d *json.Decoder) error {
	var b errorBody
	if d.Decode(&b) == nil && b.Error.Kind != "" {
		return b.fault()
	}
	return fault.New(fault.Internal, "the server answered %s", status)
}

// fault is the error that the body tells of.
func (b errorBody) fault() error {
	for _, k := range fault.Kinds() {
		if k.String() == b.Error.Kind {
			return fault.New(k, "%s", b.Error.Text)
		}
	}
	return fault.New(fault.Internal, "%s", b.Error.Text)
}

func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, "status", none{})
}
func (c *Client) Check(ctx context.Context) ([]Problem, error) {
	return call[[]Problem](ctx, c, "check", none{})
}
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	return call[[]Account](ctx, c, "account.list", none{})
}
func (c *Client) Account(ctx context.Context, address string) (Account, error) {
	return call[Account](ctx, c, "account.show", addressArg{address})
}
func (c *Client) AddAccount(ctx context.Context, a NewAccount) (Account, error) {
	return call[Account](ctx, c, "account.add", a)
}
func (c *Client) RemoveAccount(ctx context.Context, r Removal) error {
	return do(ctx, c, "account.remove", r)
}
func (c *Client) RemovedAccounts(ctx context.Context) ([]RemovedAccount, error) {
	return call[[]RemovedAccount](ctx, c, "account.removed", none{})
}
func (c *Client) BringBackAccount(ctx context.Context, r Restoral) (Account, error) {
	return call[Account](ctx, c, "account.removed.restore", r)
}
func (c *Client) RenameAccount(ctx context.Context, r Rename) (Account, error) {
	return call[Account](ctx, c, "account.rename", r)
}
func (c *Client) SetPassword(ctx context.Context, address, password string) error {
	return do(ctx, c, "account.password", passwordArg{address, password})
}
func (c *Client) SetQuota(ctx context.Context, address string, bytes int64) error {
	return do(ctx, c, "account.quota", quotaArg{address, bytes})
}
func (c *Client) SetEnabled(ctx context.Context, address string, enabled bool) error {
	return do(ctx, c, "account.enabled", enabledArg{address, enabled})
}
func (c *Client) Aliases(ctx context.Context) ([]Alias, error) {
	return call[[]Alias](ctx, c, "alias.list", none{})
}
func (c *Client) AddAlias(ctx context.Context, a Alias) error { return do(ctx, c, "alias.add", a) }
func (c *Client) RemoveAlias(ctx context.Context, address string) error {
	return do(ctx, c, "alias.remove", addressArg{address})
}
func (c *Client) Queue(ctx context.Context, f QueueFilter) (QueueList, error) {
	return call[QueueList](ctx, c, "queue.list", f)
}
func (c *Client) QueueMessage(ctx context.Context, id string) ([]QueueItem, error) {
	return call[[]QueueItem](ctx, c, "queue.show", idArg{id})
}
func (c *Client) RetryQueue(ctx context.Context, q QueueChange) (Changed, error) {
	return call[Changed](ctx, c, "queue.retry", q)
}
func (c *Client) HoldQueue(ctx context.Context, q QueueChange) (Changed, error) {
	return call[Changed](ctx, c, "queue.hold", q)
}
func (c *Client) ReleaseQueue(ctx context.Context, q QueueChange) (Changed, error) {
	return call[Changed](ctx, c, "queue.release", q)
}
func (c *Client) DropQueue(ctx context.Context, q QueueChange) (Changed, error) {
	return call[Changed](ctx, c, "queue.drop", q)
}
func (c *Client) FlushQueue(ctx context.Context, domain string) (Changed, error) {
	return call[Changed](ctx, c, "queue.flush", domainArg{domain})
}
func (c *Client) Trace(ctx context.Context, q TraceQuery) ([]Trace, error) {
	return call[[]Trace](ctx, c, "trace", q)
}
