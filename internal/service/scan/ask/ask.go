// Package ask puts questions to programs that answer by HTTP, for the scanners that speak it: each question has an answer of
// a bounded size, no redirects are followed, and connections are used again.
package ask

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"postroad/internal/fault"
)

// MaxAnswer is the largest answer that is read, in bytes.
const MaxAnswer = 2 << 20

// Dial connects to an address; network is "tcp" or "unix".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Options say whom to ask, and how.
type Options struct {
	// URL is where: http://host:port, https://host, or unix:/path of a socket.
	URL string
	// Dial connects. It is required.
	Dial Dial
	// Roots are the authorities that https is verified by; nil: the system's.
	Roots *x509.CertPool
	// Connections is how many are kept open between questions; 0: 8.
	Connections int
}

// Client asks one program. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// idle is how long a connection is kept without a question.
const idle = 60 * time.Second

// New makes a Client. Errors: fault.Invalid, the URL is none.
func New(o Options) (*Client, error) {
	dial, at := o.Dial, o.URL
	if path, ok := strings.CutPrefix(o.URL, "unix:"); ok {
		at = "http://localhost"
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return o.Dial(ctx, "unix", path) }
	}
	base, err := url.Parse(at)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "want http://host:port, https://host or unix:/path")
	}
	if o.Connections == 0 {
		o.Connections = 8
	}
	t := &http.Transport{
		DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, DisableCompression: true,
		MaxIdleConnsPerHost: o.Connections, MaxIdleConns: o.Connections, IdleConnTimeout: idle, MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2: true,
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base, &http.Client{Transport: t, CheckRedirect: stay}}, nil
}

// Close closes connections that aren't in use. The Client can be used again.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Alive finds out by a HEAD request whether anybody is there, and what they call themselves. Whatever they answer below 500 is good, and so is
// 501: simple servers that know POST alone say that.
func (c *Client) Alive(ctx context.Context) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, c.base.String(), nil)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "no answer")
	}
	resp.Body.Close() //nolint:errcheck // it has none
	if resp.StatusCode >= http.StatusInternalServerError && resp.StatusCode != http.StatusNotImplemented {
		return "", fault.New(fault.Unavailable, "the answer is HTTP %d", resp.StatusCode)
	}
	return cmp.Or(resp.Header.Get("Server"), "HTTP"), nil
}

// Question is what to ask.
type Question struct {
	// Path is added to the URL's; "": that alone.
	Path string
	// Header is sent as it is, with the names' case.
	Header http.Header
	// Body is sent, Size bytes of it. Nil: it is a GET. It may be called again.
	Body func() io.Reader
	Size int64
}

// Answer is what came back: of status 200 or 204.
type Answer struct {
	Status int
	Type   string // the media type, without parameters
	Body   []byte
}

// Ask asks, and reads the whole answer. Errors are fault.Unavailable, or fault.Unsupported if the program stumbled over the question, and
// say nothing of what was sent.
func (c *Client) Ask(ctx context.Context, q Question) (Answer, error) {
	r, err := c.request(ctx, &q)
	if err != nil {
		return Answer{}, fault.Wrap(fault.Internal, err, "")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return Answer{}, fault.Wrap(fault.Unavailable, err, "no answer")
	}
	defer resp.Body.Close() //nolint:errcheck // it was read, or isn't wanted
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return Answer{}, fault.Wrap(fault.Unavailable, err, "the answer broke off")
	case len(body) > MaxAnswer:
		return Answer{}, fault.New(fault.Unavailable, "the answer is too large")
	case resp.StatusCode == http.StatusInternalServerError: // it has stumbled over this message
		return Answer{}, fault.New(fault.Unsupported, "the answer is HTTP %d", resp.StatusCode)
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent:
		return Answer{}, fault.New(fault.Unavailable, "the answer is HTTP %d", resp.StatusCode)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return Answer{resp.StatusCode, kind, body}, nil
}

func (c *Client) request(ctx context.Context, q *Question) (*http.Request, error) {
	at := *c.base
	if q.Path != "" {
		at.Path = strings.TrimSuffix(at.Path, "/") + q.Path
	}
	method := http.MethodGet
	if q.Body != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("cannot ask: %w", err)
	}
	if q.Header != nil {
		r.Header = q.Header
	}
	if q.Body != nil {
		r.ContentLength = q.Size
		r.Body = io.NopCloser(q.Body())
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(q.Body()), nil } // for a connection that was closed meanwhile
	}
	return r, nil
}

// Text is the first line of an answer, for naming a program.
func (a Answer) Text() string {
	line, _, _ := bytes.Cut(a.Body, []byte("\n"))
	return strings.TrimSpace(string(line))
}
