package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"postroad/internal/service/setup"
)

// soon is when a certificate that is not renewed yet is worth a word.
const soon = 14 * 24 * time.Hour

// doors knocks at every listener, from here.
func (e *examination) doors(ctx context.Context) {
	var good []string
	told := map[string]bool{} // what is wrong with a certificate is said once
	for _, d := range e.Doors {
		leaf, trust, err := e.knock(ctx, d)
		if err != nil {
			e.tell(setup.Wrong, "listeners", "see the log for why", "%s doesn't answer: %v", d, err)
			continue
		}
		good = append(good, d.String())
		if leaf != nil {
			e.certificate(leaf, trust, told)
		}
	}
	if len(good) > 0 {
		e.ok("listeners", "answering: %s", strings.Join(good, ", "))
	}
	if len(e.Shut) > 0 {
		var shut []string
		for _, d := range e.Shut {
			shut = append(shut, d.String())
		}
		e.ok("listeners", "not tried, as they want a PROXY header: %s", strings.Join(shut, ", "))
	}
}

// knock connects, and returns the certificate it was shown, with why it isn't trusted.
func (e *examination) knock(ctx context.Context, d Door) (leaf *x509.Certificate, trust, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := e.Dial(ctx, d.Network, d.Address)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if d.TLS {
		// What is wrong with the certificate is found below: here the connection matters.
		t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: e.Hostname, MinVersion: tls.VersionTLS12})
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, nil, err
		}
		chain := t.ConnectionState().PeerCertificates
		leaf, trust, c = chain[0], e.verify(chain), t
	}
	if d.Greets {
		err = greeted(c)
	}
	return leaf, trust, err
}

func greeted(c net.Conn) error {
	line, err := bufio.NewReader(io.LimitReader(c, 1024)).ReadString('\n')
	if line == "" && err != nil {
		return errors.New("it says nothing")
	}
	return nil
}

func (e *examination) verify(chain []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: e.Hostname, Roots: e.Roots, Intermediates: between, CurrentTime: e.Now()})
	return err
}

func (e *examination) certificate(leaf *x509.Certificate, trust error, told map[string]bool) {
	if told[string(leaf.Raw)] {
		return
	}
	told[string(leaf.Raw)] = true
	left := leaf.NotAfter.Sub(e.Now())
	switch {
	case trust != nil && leaf.Issuer.String() == leaf.Subject.String():
		e.tell(setup.Warn, "certificate", "have one from an authority: [acme] in the settings, or [tls]", "it is self-signed: programs warn of it, and other servers don't trust it")
	case trust != nil:
		e.tell(setup.Wrong, "certificate", "renew it, or bring one that names the host", "programs don't trust it: %v", trust)
	case left < soon:
		e.tell(setup.Warn, "certificate", "see why it isn't renewed", "it expires on %s", leaf.NotAfter.Format(time.DateOnly))
	default:
		e.ok("certificate", "%s is trusted until %s", e.Hostname, leaf.NotAfter.Format(time.DateOnly))
	}
}

// certificates looks for names that get none from the authority. Some may be meant to lead elsewhere: that is no fault.
func (e *examination) certificates(context.Context) {
	if e.Certificates == nil {
		return
	}
	if without := e.Certificates(); len(without) > 0 {
		e.tell(setup.Warn, "certificates", "postroad cert list says more; names that are not to lead here can be left out: acme.names, acme.domain_names", "the authority gives none for %s", some(without))
		return
	}
	e.ok("certificates", "all names have theirs")
}
