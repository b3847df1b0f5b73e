package mtasts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"postroad/internal/fault"
)

// Path is where a policy host has its policy.
const Path = "/.well-known/mta-sts.txt"

// hostPrefix and recordPrefix make a domain's policy host and the name of its record.
const (
	hostPrefix   = "mta-sts."
	recordPrefix = "_mta-sts."
)

// fetchTimeout is what RFC 8461 §3.3 suggests.
const fetchTimeout = time.Minute

// NewTransport makes the transport that policies are fetched with: it checks certificates, uses no
// proxy and keeps no connections. Nil for dial means the net package's, nil for roots the system's.
func NewTransport(dial func(ctx context.Context, network, address string) (net.Conn, error), roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 32 << 10,
	}
}

// fetch reads the domain's policy from its policy host (RFC 8461 §3.3). A RoundTripper
// follows no redirects, and neither must we.
func (c *Client) fetch(ctx context.Context, domain string) (text []byte, p Policy, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+hostPrefix+domain+Path, nil)
	if err != nil {
		return nil, Policy{}, fault.Wrap(fault.Invalid, err, "MTA-STS: no policy host")
	}
	r.Header.Set("Accept", "text/plain")
	r.Header.Set("User-Agent", "Postroad")
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, Policy{}, fault.Wrap(fault.Unavailable, err, "MTA-STS: the policy can't be fetched")
	}
	defer resp.Body.Close()
	if err := checkResponse(resp); err != nil {
		return nil, Policy{}, fault.Wrap(fault.Unavailable, err, "MTA-STS: the policy can't be fetched")
	}
	text, err = io.ReadAll(io.LimitReader(resp.Body, MaxBytes+1))
	if err != nil {
		return nil, Policy{}, fault.Wrap(fault.Unavailable, err, "MTA-STS: the policy can't be fetched")
	}
	p, err = ParsePolicy(text)
	return text, p, err
}

// checkResponse demands status 200 and a text.
func checkResponse(r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %d", r.StatusCode)
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "text/plain" {
		return fmt.Errorf("HTTP content type %.100q", r.Header.Get("Content-Type"))
	}
	return nil
}
