package inbound

import (
	"strings"
	"testing"

	"postroad/internal/service/dns"
	"postroad/internal/service/sender/dmarc"
)

// TestFailed: whose domain wants to hear of which messages (RFC 9989 §4.7, fo).
func TestFailed(t *testing.T) {
	const wants = `_dmarc.x.example. TXT "v=DMARC1; p=reject; ruf=mailto:r@x.example; `
	forged, spoiled := letter("ann@x.example"), ""
	for _, c := range []struct {
		name, record, ip, from, message string
		dmarc, signature, spf           bool
	}{
		{"forged", wants + `"`, badIP, "ann@x.example", "", true, false, false},
		{"forged, any failure", wants + `fo=1"`, badIP, "ann@x.example", "", true, false, false},
		{"unsigned", wants + `"`, goodIP, "ann@x.example", "", false, false, false},
		{"unsigned, any failure", wants + `fo=1"`, goodIP, "ann@x.example", "", true, false, false},
		{"SPF fails", wants + `fo=s"`, badIP, "ann@x.example", "", false, false, true},
		{"SPF passes", wants + `fo=s"`, goodIP, "ann@x.example", "", false, false, false},
		{"no signature", wants + `fo=d"`, badIP, "ann@x.example", "", false, false, false},
		{"a signature is broken", wants + `fo=d"`, goodIP, "ann@x.example", "spoiled", false, true, false},
		{"all", wants + `fo=0:d:s"`, badIP, "ann@x.example", "spoiled", true, true, true},
		{"no address", `_dmarc.x.example. TXT "v=DMARC1; p=reject; fo=1"`, badIP, "ann@x.example", "", false, false, false},
		{"a public suffix", wants + `psd=y"`, badIP, "ann@x.example", "", false, false, false}, // RFC 9991
	} {
		var got []Failed
		w := newWorld(t, Options{Failed: func(f Failed) { got = append(got, f) }, DMARC: MarkOnly, Greylist: GreyOff})
		w.dns.Add(t, c.record+"\n"+`x.example. TXT "v=spf1 ip4:192.0.2.0/24 -all"`+"\n"+keyText("x.example"))
		spoiled = strings.Replace(w.signed(forged, "good.example", "x.example"), "Hello.", "Bye.", 1)
		msg := forged
		if c.message != "" {
			msg = spoiled
		}
		if _, err := w.deliver(client{IP: c.ip, From: c.from, Message: msg}); err != nil {
			t.Fatal(c.name, err)
		}
		if want := c.dmarc || c.signature || c.spf; !want && len(got) != 0 || want && len(got) != 1 {
			t.Errorf("%s: %+v", c.name, got)
			continue
		}
		if len(got) == 0 {
			continue
		}
		f := got[0]
		if f.WantsDMARC != c.dmarc || f.WantsSignature != c.signature || f.WantsSPF != c.spf || f.MailFrom != c.from || strings.Join(f.To, "") != "bob@example.org" {
			t.Errorf("%s: %+v", c.name, f)
		}
		if header, _, _ := strings.Cut(msg, "\r\n\r\n"); f.Header != header+"\r\n" || !strings.Contains(f.Results, "dmarc=") || f.Disposition != dmarc.None {
			t.Errorf("%s: %q %s", c.name, f.Header, f.Results)
		}
		if c.message != "" && f.Signature.Domain != "x.example" {
			t.Errorf("%s: %+v isn't the author's", c.name, f.Signature)
		}
	}
}

// TestNothingFailedWithoutAnAnswer: what the DNS doesn't know now may still be right.
func TestNothingFailedWithoutAnAnswer(t *testing.T) {
	w := newWorld(t, Options{Failed: func(f Failed) { t.Errorf("%+v", f) }, Greylist: GreyOff})
	w.dns.Add(t, `_dmarc.x.example. TXT "v=DMARC1; p=reject; ruf=mailto:r@x.example"`+"\n")
	w.dns.Fail("x.example", "TXT", dns.Temporary)
	if _, err := w.deliver(client{IP: badIP, From: "ann@x.example", Message: letter("ann@x.example")}); err != nil {
		t.Fatal(err)
	}
}
