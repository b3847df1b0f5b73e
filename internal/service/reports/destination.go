package reports

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/reportmail"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/service/dns"
	"postroad/internal/service/sender/dmarc"
)

// destination is who gets a report: an address, or a URL.
type destination struct {
	address, url string
	limit        int64 // how large the report may be; 0: any size
}

// destinations are those whom a domain names. It fails with fault.NotFound if there are none; other
// failures may pass.
func (s *Service) destinations(ctx context.Context, x *toSend) ([]destination, error) {
	if x.kind == TLS {
		return s.tlsDestinations(ctx, x.domain)
	}
	return s.dmarcDestinations(ctx, x)
}

// tlsDestinations are those of the record (RFC 8460 §3), and nobody else.
func (s *Service) tlsDestinations(ctx context.Context, domain string) (to []destination, err error) {
	a, err := s.o.DNS.LookupTXT(ctx, tlsrpt.RecordName+domain)
	if err != nil {
		return nil, err
	}
	r, _ := tlsrpt.ParseRecord(a.Records)
	posts := 0
	for _, uri := range r.RUA {
		if address, err := reportmail.Mailto(uri); err == nil {
			to = append(to, destination{address: address})
		} else if strings.HasPrefix(strings.ToLower(uri), "https:") && s.o.HTTP != nil && posts < maxPosts {
			posts++
			to = append(to, destination{url: uri})
		}
	}
	return some(to)
}

var errNobody = fault.New(fault.NotFound, "nobody wants the report")

func some(to []destination) ([]destination, error) {
	if len(to) == 0 {
		return nil, errNobody
	}
	return to, nil
}

// dmarcDestinations are those of the policy record that agree.
func (s *Service) dmarcDestinations(ctx context.Context, x *toSend) (to []destination, err error) {
	published, ok := decodePublished(x.domain, x.policy)
	if !ok {
		return nil, errNobody
	}
	for i, uri := range published.RUA {
		address, err := reportmail.Mailto(uri)
		if err != nil {
			continue // RFC 9990: other schemes may come
		}
		agreed, err := s.agrees(ctx, x.domain, address, rua)
		if err != nil {
			return nil, err
		}
		for _, a := range agreed {
			to = append(to, destination{address: a, limit: published.Limits[i]})
		}
	}
	return some(to)
}

// tag is one of those in a record that name addresses.
type tag func(*dmarc.Record) []string

// rua are for aggregate reports, ruf for failure reports.
func rua(r *dmarc.Record) []string { return r.RUA }
func ruf(r *dmarc.Record) []string { return r.RUF }

// agrees verifies that reports about a domain may go to an address (RFC 9990 "Verifying External Destinations", RFC 7489 §7.1), and tells
// where they shall go instead.
func (s *Service) agrees(ctx context.Context, domain, address string, tag tag) ([]string, error) {
	host, err := dns.ASCII(address[strings.LastIndexByte(address, '@')+1:])
	if err != nil {
		return nil, nil
	}
	same, err := s.sameOrganization(ctx, domain, host)
	if err != nil {
		return nil, err
	}
	name := domain + "._report._dmarc." + host
	switch {
	case same:
		return []string{address}, nil
	case len(name) > 253:
		return nil, nil
	}
	a, err := s.o.DNS.LookupTXT(ctx, name)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return nil, nil
	}
	return agreement(a.Records, address, host, tag), err
}

func (s *Service) sameOrganization(ctx context.Context, a, b string) (bool, error) {
	if a == b {
		return true, nil
	}
	of, err := s.o.Organization(ctx, a)
	if err != nil {
		return false, err
	}
	other, err := s.o.Organization(ctx, b)
	return err == nil && of == other, err
}

// agreement reads the records of whoever is to get the reports. An address that they name instead must be at the same host.
func agreement(texts []string, address, host string, tag tag) (to []string) {
	for _, t := range texts {
		r, ok := dmarc.ParseRecord(t)
		if !ok {
			continue
		}
		named := tag(&r)
		if len(named) == 0 {
			to = append(to, address)
			break
		}
		for _, uri := range named {
			instead, err := reportmail.Mailto(uri)
			if err != nil || !strings.EqualFold(instead[strings.LastIndexByte(instead, '@')+1:], host) {
				return nil // "MUST NOT generate a report to either"
			}
			to = append(to, instead)
		}
	}
	return to[:min(len(to), maxOverrides)]
}

// maxOverrides is how many addresses may take the place of one.
const maxOverrides = 3

// postAll posts the report to those who want it so and don't have it yet (RFC 8460 §5.4).
func (s *Service) postAll(ctx context.Context, x *toSend, to []destination, packed []byte) (err error) {
	for i, d := range to {
		bit := uint64(1) << min(i, 63)
		if d.url == "" || x.done&bit != 0 {
			continue
		}
		if e := s.post(ctx, d.url, packed); e != nil {
			err = e
			continue
		}
		x.done |= bit
	}
	return err
}

// A report costs those who want it by HTTPS no more than this.
const (
	maxPosts    = 3
	postTimeout = 30 * time.Second
	maxAnswer   = 64 << 10
)

func (s *Service) post(ctx context.Context, url string, packed []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(packed))
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the address for reports can't be right")
	}
	q.Header.Set("Content-Type", tlsrpt.MediaType)
	q.Header.Set("User-Agent", "Postroad")
	a, err := s.o.HTTP.RoundTrip(q)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the report can't be posted")
	}
	defer a.Body.Close()
	io.Copy(io.Discard, io.LimitReader(a.Body, maxAnswer)) //nolint:errcheck // nobody reads it
	if a.StatusCode/100 != 2 {
		return fault.New(fault.Unavailable, "the report can't be posted: HTTP status %d", a.StatusCode)
	}
	return nil
}

// NewTransport makes what reports are posted with. It connects to public addresses only, since strangers choose where
// to; and certificates don't matter, since it may be they that a report is about (RFC 8460 §3, §7).
func NewTransport(resolver Resolver, dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialPublic(ctx, resolver, dial, network, address)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, //nolint:gosec // see above
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 32 << 10,
	}
}

func dialPublic(ctx context.Context, r Resolver, dial func(ctx context.Context, network, address string) (net.Conn, error), network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	a, err := r.LookupIP(ctx, host)
	if err != nil {
		return nil, err
	}
	err = errors.New("no public address")
	for _, ip := range a.Records[:min(len(a.Records), 3)] {
		if !public(ip.Unmap()) {
			continue
		}
		c, e := dial(ctx, network, net.JoinHostPort(ip.Unmap().String(), port))
		if e == nil {
			return c, nil
		}
		err = e
	}
	return nil, fmt.Errorf("%s: %w", host, err)
}

// notPublic are the networks that global unicast addresses don't tell of (RFC 6890).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// public reports whether an address is one of the Internet's.
func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
