package features

import (
	"slices"
	"testing"
)

// TestVouched: what came with a message vouches for nobody.
func TestVouched(t *testing.T) {
	const theirs = "Authentication-Results: evil.example; dkim=pass header.d=bank.example\r\nFrom: x@evil.example\r\n\r\n"
	const received = "Return-Path: <x@evil.example>\r\nReceived: from evil.example ([203.0.113.9])\r\n\tby mx.example.test\r\n"
	if got := FactsOf([]byte(received+theirs), "").Vouched; len(got) > 0 {
		t.Errorf("%q", got)
	}
	const ours = "Return-Path: <x@evil.example>\r\nAuthentication-Results: mx.example.test;\r\n\tdkim=pass header.d=Service.example; spf=pass smtp.mailfrom=x@evil.example\r\n"
	if got := FactsOf([]byte(ours+received+theirs), "").Vouched; !slices.Equal(got, []string{"service.example", "evil.example"}) {
		t.Errorf("%q", got)
	}
}
