package mtasts_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/mtasts"
)

func TestParseRecord(t *testing.T) {
	id32 := strings.Repeat("a1", 16)
	for _, c := range []struct {
		texts string // separated by |
		want  string
	}{
		{"v=STSv1; id=20160831085700Z;", "20160831085700Z"}, // RFC 8461 §3.1
		{"v=STSv1; id=1", "1"},
		{"v=STSv1;id=1;", "1"},
		{"v=STSv1 \t; \tid=1 ; ", "1"},
		{"v=STSv1; new=x/y:z; id=1; other=2", "1"},
		{"v=STSv1; id=" + id32, id32},
		{"v=spf1 -all|v=STSv1; id=1|", "1"},
		{"v=STSv11; id=2|v=STSv1; id=1", "1"},
		{"v=STSv1; id=1|v=STSv1; id=1", "invalid"},
		{"v=STSv1; id=1|v=STSv1; nonsense", "invalid"},
		{"v=STSv1; id=" + id32 + "a", "invalid"},
		{"v=STSv1; id=" + strings.Repeat("a", 1_000_000), "invalid"},
		{"v=STSv1; id=", "invalid"},
		{"v=STSv1; id=a-b", "invalid"},
		{"v=STSv1; id=1; id=2", "invalid"},
		{"v=STSv1; id=1;;", "invalid"},
		{"v=STSv1;; id=1", "invalid"},
		{"v=STSv1; ID=1", "invalid"},
		{"v=STSv1;", "invalid"},
		{"v=STSv1; x=1", "invalid"},
		{"v=STSv1; -x=1; id=1", "invalid"},
		{"v=STSv1; id=1; x=a=b", "invalid"},
		{"v=STSv1; id=1; " + strings.Repeat("n", 33) + "=1", "invalid"},
		{"v=stsv1; id=1", "not found"},
		{" v=STSv1; id=1", "not found"},
		{"v=STSv1 id=1", "not found"},
		{"v=STSv1", "not found"},
		{"", "not found"},
	} {
		id, err := mtasts.ParseRecord(strings.Split(c.texts, "|"))
		if err != nil {
			id = fault.KindOf(err).String()
		}
		if id != c.want {
			t.Errorf("%.60q: %q, want %q", c.texts, id, c.want)
		}
	}
}

const example = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n" // RFC 8461 §3.2

func TestParsePolicy(t *testing.T) {
	want := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mail.example.com", "*.example.net", "backupmx.example.com"}, MaxAge: 7 * 24 * time.Hour}
	for _, text := range []string{
		example,
		strings.ReplaceAll(example, "\r\n", "\n"),
		strings.TrimSuffix(example, "\r\n"),
		strings.ReplaceAll(example, ": ", ":"),
		strings.ReplaceAll(example, "\r\n", " \t\r\n"),
		strings.ReplaceAll(example, "mail.example.com", "MAIL.Example.COM"),
		"future-field: what:ever, grüße\n" + example + "\n\n",
		example + "mode: none\nversion: STSv2\nmax_age: never\n", // the first counts
	} {
		p, err := mtasts.ParsePolicy([]byte(text))
		if d := cmp.Diff(want, p); d != "" || err != nil {
			t.Errorf("%q: %v %s", text, err, d)
		}
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	for what, text := range map[string]string{
		"nothing":              "",
		"no version":           "mode: enforce\nmx: a.example\nmax_age: 1\n",
		"no mode":              "version: STSv1\nmx: a.example\nmax_age: 1\n",
		"no max_age":           "version: STSv1\nmode: enforce\nmx: a.example\n",
		"no mx":                "version: STSv1\nmode: testing\nmax_age: 1\n",
		"another version":      strings.Replace(example, "STSv1", "STSv2", 1),
		"another mode":         strings.Replace(example, "enforce", "Enforce", 1),
		"negative max_age":     strings.Replace(example, "604800", "-1", 1),
		"max_age of 11 digits": strings.Replace(example, "604800", "00000604800", 1),
		"no number":            strings.Replace(example, "604800", "1d", 1),
		"wildcard inside":      strings.Replace(example, "*.example.net", "mx.*.example.net", 1),
		"wildcard alone":       strings.Replace(example, "*.example.net", "*", 1),
		"two wildcards":        strings.Replace(example, "*.example.net", "*.*.example.net", 1),
		"no host":              strings.Replace(example, "*.example.net", "a b", 1),
		"U-label":              strings.Replace(example, "*.example.net", "bücher.example", 1),
		"final dot":            strings.Replace(example, "*.example.net", "example.net.", 1),
		"no colon":             example + "nonsense\n",
		"no value":             example + "x:\n",
		"no name":              example + ": x\n",
		"space before colon":   strings.Replace(example, "mode:", "mode :", 1),
		"bare CR":              strings.ReplaceAll(example, "\r\n", "\r"),
		"control character":    example + "x: a\x00b\n",
		"no UTF-8":             example + "x: a\xffb\n",
		"HTML":                 "<!DOCTYPE html>\n<html></html>\n",
	} {
		if p, err := mtasts.ParsePolicy([]byte(text)); !fault.Is(err, fault.Invalid) || p.Mode != mtasts.None || p.MX != nil {
			t.Errorf("%s: %v, %v", what, p, err)
		}
	}
}

func TestPolicyLimits(t *testing.T) {
	for what, c := range map[string]struct {
		text string
		good bool
	}{
		"as many hosts as may be":      {example + strings.Repeat("mx: a.example\n", mtasts.MaxHosts-3), true},
		"one more":                     {example + strings.Repeat("mx: a.example\n", mtasts.MaxHosts-2), false},
		"as long as may be":            {example + strings.Repeat("\n", mtasts.MaxBytes-len(example)), true},
		"one byte more":                {example + strings.Repeat("\n", mtasts.MaxBytes-len(example)+1), false},
		"far beyond":                   {strings.Repeat(example, 10_000), false},
		"mode none needs no host":      {"version: STSv1\nmode: none\nmax_age: 0\n", true},
		"a year and more holds a year": {strings.Replace(example, "604800", "9999999999", 1), true},
	} {
		p, err := mtasts.ParsePolicy([]byte(c.text))
		if c.good != (err == nil) || p.MaxAge > mtasts.MaxAge {
			t.Errorf("%s: %v, %v", what, p.MaxAge, err)
		}
	}
}

// TestMatch: RFC 8461 §4.1.
func TestMatch(t *testing.T) {
	p := mtasts.Policy{MX: []string{"mail.example.com", "*.example.net"}}
	for host, want := range map[string]bool{
		"mail.example.com": true, "MAIL.example.com.": true, "a.mail.example.com": false, "example.com": false,
		"a.example.net": true, "a.b.example.net": false, "example.net": false, ".example.net": false, "*.example.net": true,
		"aexample.net": false, "": false, ".": false, "net": false,
	} {
		if p.Match(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	if (mtasts.Policy{}).Match("a.example") || (mtasts.Policy{MX: []string{"*."}}).Match("a") {
		t.Error("matches what no policy names")
	}
}

func TestTextIsWhatIsParsed(t *testing.T) {
	p := mtasts.Policy{Mode: mtasts.Testing, MX: []string{"mx.example.org", "*.example.net"}, MaxAge: 86400 * time.Second}
	got, err := mtasts.ParsePolicy([]byte(p.Text()))
	if d := cmp.Diff(p, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	id, err := mtasts.ParseRecord([]string{p.Record()})
	if err != nil || id != p.ID() {
		t.Errorf("%q, %v", id, err)
	}
	if p.Mode = mtasts.Enforce; p.ID() == id {
		t.Error("another policy has the same id")
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("version:STSv1\nmode:none\nmax_age:0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := mtasts.ParsePolicy(b)
		if err != nil {
			return
		}
		again, err := mtasts.ParsePolicy([]byte(p.Text()))
		if d := cmp.Diff(p, again); d != "" || err != nil {
			t.Errorf("%v %s", err, d)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=STSv1; id=1; x=y")
	f.Add("v=STSv1 ;id=1")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := mtasts.ParseRecord([]string{s})
		if (err == nil) != (id != "") || len(id) > 32 {
			t.Errorf("%q: %q, %v", s, id, err)
		}
	})
}
