package config

import (
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestReports(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		r          Reports
		tls, dmarc bool
	}{{Reports{}, true, true}, {Reports{SendTLS: &no, SendDMARC: &yes}, false, true}, {Reports{SendDMARC: &no}, true, false}} {
		if c.r.TLS() != c.tls || c.r.DMARC() != c.dmarc {
			t.Errorf("%+v", c.r)
		}
	}
	for contact, ok := range map[string]bool{"": true, "reports@example.org": true, "x": false, "@example.org": false, "a@": false, "a@b c": false,
		"a@[192.0.2.1]": false, "a b@example.org": false, "a@Example.org": false, "a@b@example.org": false} {
		if err := (Reports{Contact: contact}).validate(); (err == nil) != ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", contact, err)
		}
	}
	for _, name := range []string{"a\nb", strings.Repeat("x", 201)} {
		if (Reports{Organization: name}).validate() == nil {
			t.Errorf("%q is taken", name)
		}
	}
	if !(Reports{}).Redact() || (Reports{FailureRedact: &no}).Redact() || (Reports{}).SendFailure {
		t.Error("failure reports are off, and redacted, unless somebody says otherwise")
	}
	for n, ok := range map[int]bool{-1: false, 0: true, 10_000: true, 10_001: false} {
		if err := (Reports{FailuresPerDay: n}).validate(); (err == nil) != ok {
			t.Errorf("%d a day: %v", n, err)
		}
	}
}
