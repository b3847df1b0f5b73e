package setup

import (
	"bytes"
	"context"
	"crypto/x509"
	"time"
)

// soon is when a certificate should have been renewed: those of 90 days are, with 30 left.
const soon = 14 * 24 * time.Hour

// checkCertificate looks at the certificate that this server shows.
func (k *checker) checkCertificate(_ context.Context, n *notes) {
	if len(k.Chain) == 0 {
		n.warn("see that [tls] names the certificate's files and that this user may read them", "there is no certificate to look at")
		return
	}
	leaf := k.Chain[0]
	k.dates(n, leaf)
	if leaf.VerifyHostname(k.Hostname) != nil {
		n.wrong("get a certificate for "+k.Hostname+": by [acme], or [tls] cert", "the certificate isn't for %s, but for %s", k.Hostname, clean(many(leaf.DNSNames), maxShown))
		return
	}
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		n.warn("get one of a public authority, such as Let's Encrypt: [acme] accept_terms = true does it; see postroad cert list", "the certificate is self-signed: mail programs warn of it, and MTA-STS doesn't work with it")
		return
	}
	k.chain(n, leaf)
}

func (k *checker) dates(n *notes, leaf *x509.Certificate) {
	day := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch now := k.Now(); {
	case now.After(leaf.NotAfter):
		n.wrong("renew it (postroad cert renew); new files are read within a minute", "the certificate expired on %s", day)
	case now.Before(leaf.NotBefore):
		n.wrong("set this machine's clock", "the certificate isn't valid yet")
	case leaf.NotAfter.Sub(now) < soon:
		n.warn("renew it, and see why that isn't done by itself (postroad cert list)", "the certificate expires soon, on %s", day)
	default:
		n.ok("the certificate is valid until %s", day)
	}
}

// chain checks that others can find a way from the certificate to an authority that they know.
func (k *checker) chain(n *notes, leaf *x509.Certificate) {
	between := x509.NewCertPool()
	for _, c := range k.Chain[1:] {
		between.AddCert(c)
	}
	// The dates have been told of; a certificate that has expired can be of a good authority.
	at := k.Now()
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: k.Roots, Intermediates: between, CurrentTime: at})
	if err != nil {
		n.warn("see that the file named in [tls] cert has the authority's certificates after your own (certbot: fullchain.pem)", "others may not know the certificate's authority: %s", clean(err.Error(), 300))
		return
	}
	n.ok("the certificate is for %s, by an authority that is known here", k.Hostname)
}
