package relay

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"postroad/internal/service/certtest"
)

// host speaks SMTP as far as a message; its reply to STARTTLS is as given, "" if it isn't offered.
func host(startTLS string, certificate *tls.Certificate) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		offer := startTLS
		io.WriteString(c, "220 hello\r\n")
		for {
			line, err := in.ReadString('\n')
			switch verb := strings.ToUpper(strings.TrimSpace(line)); {
			case err != nil || verb == "QUIT":
				return
			case strings.HasPrefix(verb, "EHLO") && offer != "":
				io.WriteString(c, "250-mx.there at your service\r\n250 STARTTLS\r\n")
			case verb == "STARTTLS":
				io.WriteString(c, startTLS+"\r\n")
				if certificate != nil {
					s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*certificate}})
					if s.Handshake() != nil {
						return
					}
					c, in, offer = s, bufio.NewReader(s), ""
				}
			case verb == "DATA":
				io.WriteString(c, "354 go\r\n")
				for l := ""; err == nil && l != ".\r\n"; {
					l, err = in.ReadString('\n')
				}
				io.WriteString(c, "250 ok\r\n")
			default:
				io.WriteString(c, "250 mx.there\r\n")
			}
		}
	}
}

// TestHandshakesAreTold: one for each new connection that gets as far as TLS, none for a connection that is used again.
func TestHandshakesAreTold(t *testing.T) {
	cert := certificate(t)
	verified := Policy{Mode: Verified, Config: &tls.Config{RootCAs: certtest.Roots(cert)}}
	for _, c := range []struct {
		name  string
		tls   Policy
		serve []func(net.Conn)
		want  string
	}{
		{"in the clear", Policy{Mode: Opportunistic}, []func(net.Conn){host("", nil)}, "mx.there: the host does not offer TLS"},
		{"refused", Policy{Mode: Opportunistic}, []func(net.Conn){host("454 not now", nil)}, "mx.there: the host does not offer TLS"},
		{"required", Policy{Mode: Required}, []func(net.Conn){host("", nil)}, "mx.there: the host does not offer TLS"},
		{"any certificate", Policy{Mode: Opportunistic}, []func(net.Conn){host("220 go", &cert)}, "mx.there: TLS 1.3"},
		{"verified", verified, []func(net.Conn){host("220 go", &cert)}, "mx.there: TLS 1.3"},
		{"unknown authority", Policy{Mode: Verified}, []func(net.Conn){host("220 go", &cert)}, "mx.there: unverified"},
		{"second try in the clear", Policy{Mode: Opportunistic}, []func(net.Conn){host("220 go", nil), host("220 go", nil)}, "mx.there: tls: first record does not look like a TLS handshake"},
		{"no TLS wanted", Policy{Mode: None}, []func(net.Conn){host("220 go", &cert)}, ""},
		{"nobody there", Policy{Mode: Opportunistic}, nil, ""},
	} {
		p := newPeers(t)
		for _, f := range c.serve {
			p.at(1, f)
		}
		r := p.relay(Limits{})
		told := []string{}
		h := hop(1)
		h.TLS = c.tls
		h.Observe = func(got Handshake) {
			what := fmt.Sprint(got.Err)
			if _, ok := errors.AsType[*tls.CertificateVerificationError](got.Err); ok {
				what = "unverified"
			}
			if got.State != nil {
				what = tls.VersionName(got.State.Version)
			}
			told = append(told, got.Helo+": "+what)
		}
		for range 2 { // the second message goes over the same connection, if there is one
			r.Send(t.Context(), []Hop{h}, letter("Subject: x\r\n\r\nx\r\n", "ben@there.example"))
		}
		r.Close()
		p.all.Wait()
		if got := strings.Join(told, "; "); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
