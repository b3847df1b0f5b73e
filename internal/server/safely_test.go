package server_test

import (
	"crypto/sha256"
	"fmt"
	"net/textproto"
	"testing"

	"postroad/internal/server/servertest"
)

// says submits a message with parameters of MAIL and header fields, over TLS.
func (s *sites) says(params, fields string) {
	s.t.Helper()
	c := textproto.NewConn(s.here.DialTLS(servertest.Submissions))
	defer c.Close()
	for i, step := range []string{
		"", "EHLO client", "AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0", "MAIL FROM:<ann@example.test>" + params, "RCPT TO:<ben@there.example>", "DATA",
		"From: <ann@example.test>\r\n" + fields + "Subject: safely\r\n\r\nA line.\r\n.",
	} {
		if i > 0 {
			c.PrintfLine("%s", step)
		}
		if code, text, err := c.ReadResponse(0); err != nil || code >= 400 {
			s.t.Fatalf("%s: %d %s, %v", step, code, text, err)
		}
	}
}

// TestHowSafely: REQUIRETLS goes only to hosts that are certain, and TLS-Required: No goes even where the recipient's DANE record is
// wrong, which keeps other mail back (RFC 8689 §4.2).
func TestHowSafely(t *testing.T) {
	s := newSites(t, thereZone, nil)
	s.says(" REQUIRETLS", "")
	s.comes("failed 5.7.10 ben@there.example")
	s.zone.Secure("there.example")
	s.zone.Add(t, fmt.Sprintf("_25._tcp.mx.there.example. 60 IN TLSA 3 1 1 %x\n", sha256.Sum256(s.there.Certificate().Leaf().RawSubjectPublicKeyInfo)))
	s.says(" REQUIRETLS", "")
	s.comes("delivered 2.0.0 ben@there.example TLS1.3 DANE")
	s.zone.Remove("_25._tcp.mx.there.example")
	s.zone.Add(t, fmt.Sprintf("_25._tcp.mx.there.example. 60 IN TLSA 3 1 1 %x\n", sha256.Sum256(nil)))
	s.says("", "TLS-Required: No\r\n")
	s.comes("delivered 2.0.0 ben@there.example TLS1.3 unverified")
	s.says(" REQUIRETLS", "TLS-Required: No\r\n") // the parameter goes before the field (§4.1)
	s.comes("failed 5.7.10 ben@there.example")
}
