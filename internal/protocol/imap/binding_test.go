package imap

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// Signing in can be bound to our certificate, for clients that know nothing better (RFC 5929 §4).
func TestScramBoundToCertificate(t *testing.T) {
	w := newWorld(t, func(c *Config, o *ListenerOptions) {
		c.TLS, o.ImplicitTLS = selfSigned(t), true
		leaf, err := x509.ParseCertificate(c.TLS.Certificates[0].Certificate[0])
		must(t, err)
		c.Certificate = func(string) *x509.Certificate { return leaf }
	})
	raw := w.connect()
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	must(t, conn.Handshake())
	state := conn.ConnectionState()
	binding, err := scram.NewTLSServerEndpointBinding(&state)
	must(t, err)
	user, err := scram.SHA256.NewClient("ann@demo.test", "secret", "")
	must(t, err)
	talk := user.NewConversationWithChannelBinding(binding)

	c := newClient(t, conn)
	c.line()
	c.send("a AUTHENTICATE SCRAM-SHA-256-PLUS\r\n")
	for challenge := ""; ; {
		l := c.line()
		coded, more := strings.CutPrefix(l, "+ ")
		if !more {
			if !strings.HasPrefix(l, "a OK ") || !talk.Valid() {
				t.Error(l)
			}
			return
		}
		text, err := base64.StdEncoding.DecodeString(coded)
		must(t, err)
		challenge = string(text)
		answer, err := talk.Step(challenge)
		must(t, err)
		c.send(base64.StdEncoding.EncodeToString([]byte(answer)) + "\r\n")
	}
}
