package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"postroad/internal/fault"
)

// issueLimit is how long getting one certificate may take.
const issueLimit = 5 * time.Minute

// issuer speaks with one authority. certmagic's own opens ports by itself and connects by itself; this one does neither.
// It is safe for concurrent use.
type issuer struct {
	o       *Options
	storage *Storage
	log     *slog.Logger
	client  *acmez.Client

	opening sync.Mutex
	known   acme.Account // guarded by opening
}

var _ certmagic.Issuer = (*issuer)(nil)

func newIssuer(o *Options, s *Storage, solvers map[string]acmez.Solver) *issuer {
	return &issuer{o: o, storage: s, log: o.Logger, client: &acmez.Client{
		Client: &acme.Client{Directory: o.Directory, HTTPClient: o.HTTP, UserAgent: "Postroad",
			PollTimeout: issueLimit, PollInterval: o.Poll, Logger: slog.New(quiet{o.Logger.Handler()})},
		ChallengeSolvers: solvers,
	}}
}

// IssuerKey implements certmagic.Issuer: the authority's folder in the storage.
func (i *issuer) IssuerKey() string {
	u, err := url.Parse(i.o.Directory)
	if err != nil {
		return "authority"
	}
	return strings.TrimRight(strings.NewReplacer("/", "-", ":", "-").Replace(u.Host+u.Path), "-")
}

// replacesKey is where a context has the certificate that is being renewed.
type replacesKey struct{}

// Issue implements certmagic.Issuer (RFC 8555 §7.4).
func (i *issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	ctx, cancel := context.WithTimeout(ctx, issueLimit)
	defer cancel()
	chains, err := i.obtain(ctx, csr)
	var problem acme.Problem
	if errors.As(err, &problem) && problem.Type == acme.ProblemTypeAccountDoesNotExist {
		if err := i.forgetAccount(ctx); err != nil {
			return nil, err
		}
		chains, err = i.obtain(ctx, csr)
	}
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, fault.New(fault.Unavailable, "the authority sent no certificate")
	}
	return &certmagic.IssuedCertificate{Certificate: chains[0].ChainPEM, Metadata: chains[0]}, nil
}

func (i *issuer) obtain(ctx context.Context, csr *x509.CertificateRequest) ([]acme.Certificate, error) {
	account, err := i.account(ctx)
	if err != nil {
		return nil, err
	}
	p, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, err
	}
	p.Profile = i.o.Profile
	p.Replaces, _ = ctx.Value(replacesKey{}).(*x509.Certificate) // RFC 9773 §5
	chains, err := i.client.ObtainCertificate(ctx, p)
	if p.Replaces != nil && stumbles(err) {
		p.Replaces = nil
		chains, err = i.client.ObtainCertificate(ctx, p)
	}
	return chains, err
}

// stumbles reports whether an authority may have refused an order for what the certificate is to replace: it says so (another node was first, or what
// has been lost), doesn't understand it, or fails. To say what is replaced is a kindness (RFC 9773 §5); without a certificate nobody gets in.
func stumbles(err error) bool {
	var problem acme.Problem
	if !errors.As(err, &problem) {
		return false
	}
	return slices.Contains([]string{acme.ProblemTypeAlreadyReplaced, acme.ProblemTypeServerInternal, acme.ProblemTypeMalformed}, problem.Type)
}

// revoke has the authority say of a certificate that its key is known to others (RFC 8555 §7.6).
func (i *issuer) revoke(ctx context.Context, cert tls.Certificate) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	account, err := i.account(ctx)
	if err != nil {
		return err
	}
	err = i.client.RevokeCertificate(ctx, account, cert.Leaf, nil, acme.ReasonKeyCompromise)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "there is a new certificate, but the old one isn't revoked: "+shorten(err.Error()))
	}
	i.log.WarnContext(ctx, "a certificate was revoked", "names", cert.Leaf.DNSNames, "serial", cert.Leaf.SerialNumber.Text(16))
	return nil
}

// renewalTime asks when a certificate should be renewed (RFC 9773): earlier than usual, if it is about to be revoked. ok
// is false if the authority doesn't tell.
func (i *issuer) renewalTime(ctx context.Context, cert *x509.Certificate) (at, askAgain time.Time, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	info, err := i.client.GetRenewalInfo(ctx, cert)
	if err != nil {
		i.log.DebugContext(ctx, "the authority doesn't say when to renew a certificate", "err", err)
		return at, askAgain, false
	}
	if info.RetryAfter != nil {
		askAgain = *info.RetryAfter
	}
	return info.SelectedTime, askAgain, info.HasWindow()
}
