package smtp

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWithProtocol goes through the registered names (RFC 3848 §1, RFC 6531 §4.3).
func TestWithProtocol(t *testing.T) {
	for _, tc := range []struct {
		mode                            Mode
		extended, utf8, private, signed bool
		want                            string
	}{
		{want: "SMTP"},
		{private: true, want: "SMTP"},
		{extended: true, want: "ESMTP"},
		{extended: true, signed: true, want: "ESMTPA"},
		{extended: true, private: true, want: "ESMTPS"},
		{extended: true, private: true, signed: true, want: "ESMTPSA"},
		{extended: true, utf8: true, want: "UTF8SMTP"},
		{extended: true, utf8: true, private: true, signed: true, want: "UTF8SMTPSA"},
		{mode: LMTP, extended: true, want: "LMTP"},
		{mode: LMTP, extended: true, private: true, want: "LMTPS"},
		{mode: LMTP, extended: true, utf8: true, signed: true, want: "UTF8LMTPA"},
	} {
		if got := withProtocol(tc.mode, tc.extended, tc.utf8, tc.private, tc.signed); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

// TestTrace shows the fields whole (RFC 5321 §4.4).
func TestTrace(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 5, 7, 0, time.FixedZone("", 3600))
	for _, tc := range []struct {
		trace trace
		want  string
	}{
		{
			trace{hostname: "mx.example.org", helo: "client.example", peer: netip.MustParseAddr("2001:db8::7"), protocol: "ESMTPS", now: at,
				tls: &tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
			"Received: from client.example ([IPv6:2001:db8::7])\r\n" +
				"\t(using TLS 1.2 with cipher TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)\r\n" +
				"\tby mx.example.org with ESMTPS id x1\r\n\tfor <c@d>;\r\n\tSun, 01 Mar 2026 09:05:07 +0100\r\n",
		},
		{
			trace{hostname: "mx.example.org", helo: "not_a_domain", protocol: "LMTP", now: at},
			"Received: from unknown\r\n\tby mx.example.org with LMTP id x1\r\n" +
				"\tfor <c@d>;\r\n\tSun, 01 Mar 2026 09:05:07 +0100\r\n",
		},
	} {
		e := &Envelope{ID: "x1", From: "a@b", Recipients: []Recipient{{Address: "c@d"}}}
		if got := string(tc.trace.append(nil, e)); got != tc.want {
			t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
		}
	}
}

// TestAppendDate: dates are those of the standard library, wherever we are.
func TestAppendDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-15*3600, 15*3600).Draw(t, "zone"))
		at := time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, "seconds"), 999).In(zone)
		if got, want := string(appendDate(nil, at)), at.Format(time.RFC1123Z); got != want {
			t.Fatalf("%s, not %s", got, want)
		}
	})
}

func BenchmarkAppendDate(b *testing.B) {
	room, now := make([]byte, 0, 64), time.Now()
	for b.Loop() {
		room = appendDate(room[:0], now)
	}
}
