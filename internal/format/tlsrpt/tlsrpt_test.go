package tlsrpt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postroad/internal/fault"
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// example is the report of RFC 8460 appendix B.
func example() *Report {
	return &Report{
		Organization: "Company-X", Contact: "sts-reporting@company-x.example", ID: "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
		Begin: time.Date(2016, 4, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2016, 4, 1, 23, 59, 59, 0, time.UTC),
		Policies: []Policy{{
			Type: STS, Strings: []string{"version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"},
			Domain: "company-y.example", MX: []string{"*.mail.company-y.example"}, Successes: 5326, Failures: 303,
			Details: []Failure{
				{Type: Expired, Sending: netip.MustParseAddr("2001:db8:abcd:12::1"), Host: "mx1.mail.company-y.example", Count: 100},
				{Type: NoSTARTTLS, Sending: netip.MustParseAddr("2001:db8:abcd:13::1"), Host: "mx2.mail.company-y.example",
					Receiving: netip.MustParseAddr("203.0.113.56"), Count: 200,
					Info: "https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported"},
				{Type: ValidationFailure, Sending: netip.MustParseAddr("198.51.100.62"), Receiving: netip.MustParseAddr("203.0.113.58"),
					Host: "mx-backup.mail.company-y.example", Count: 3, Reason: "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"},
			},
		}},
	}
}

// TestExampleOfTheRFC: appendix B is read, and what is written says the same, member by member. (The RFC's mx-host is a
// string there, an array in its §4.4; its additional-information is spread over lines by the typesetting.)
func TestExampleOfTheRFC(t *testing.T) {
	file, err := os.ReadFile("testdata/rfc8460-b.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(example(), got, sameAddr); d != "" {
		t.Error(d)
	}
	file = bytes.Replace(file, []byte(`"mx-host": "*.mail.company-y.example"`), []byte(`"mx-host": ["*.mail.company-y.example"]`), 1)
	file = bytes.ReplaceAll(file, []byte(":0012:"), []byte(":12:")) // RFC 5952
	file = bytes.ReplaceAll(file, []byte(":0013:"), []byte(":13:"))
	var want, have any
	if err := json.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(example().JSON(), &have); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9.:*/ äß-]{0,20}`).Filter(func(s string) bool { return s == strings.TrimSpace(s) })
		addr := rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")})
		failure := rapid.Custom(func(t *rapid.T) Failure {
			return Failure{text.Draw(t, "type"), addr.Draw(t, "from"), addr.Draw(t, "to"), text.Draw(t, "host"), text.Draw(t, "helo"),
				rapid.Uint64().Draw(t, "n"), text.Draw(t, "info"), text.Draw(t, "reason")}
		})
		some := func(name string) []string {
			all := rapid.SliceOfN(text, 0, 3).Draw(t, name)
			if len(all) == 0 {
				return nil
			}
			return all
		}
		r := &Report{Organization: text.Draw(t, "org"), Contact: text.Draw(t, "contact"), ID: "1" + text.Draw(t, "id"),
			Begin: time.Unix(rapid.Int64Range(1, 1<<35).Draw(t, "begin"), 0).UTC()}
		r.End = r.Begin.Add(24*time.Hour - time.Second)
		for range rapid.IntRange(1, 3).Draw(t, "policies") {
			p := Policy{Type: text.Draw(t, "type"), Strings: some("strings"), Domain: text.Draw(t, "domain"), MX: some("mx"),
				Successes: rapid.Uint64().Draw(t, "ok"), Failures: rapid.Uint64().Draw(t, "bad"), Details: rapid.SliceOfN(failure, 0, 3).Draw(t, "details")}
			if len(p.Details) == 0 {
				p.Details = nil
			}
			r.Policies = append(r.Policies, p)
		}
		got, err := Parse(r.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got, sameAddr); d != "" {
			t.Fatal(d)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	with := func(n, details int) []byte {
		r := example()
		r.Policies[0].Details = make([]Failure, details)
		for len(r.Policies) < n {
			r.Policies = append(r.Policies, Policy{Type: STS})
		}
		return r.JSON()
	}
	for _, c := range []struct {
		name string
		file []byte
		kind fault.Kind
		ok   bool
	}{
		{"at the limits", with(MaxPolicies, MaxDetails), 0, true},
		{"policies", with(MaxPolicies+1, 0), fault.TooLarge, false},
		{"details", with(1, MaxDetails+1), fault.TooLarge, false},
		{"bytes", bytes.Repeat([]byte(" "), MaxBytes+1), fault.TooLarge, false},
		{"empty", nil, fault.Invalid, false},
		{"array", []byte("[]"), fault.Invalid, false},
		{"nothing in it", []byte("{}"), fault.Invalid, false},
		{"negative count", bytes.Replace(example().JSON(), []byte("5326"), []byte("-1"), 1), fault.Invalid, false},
		{"no policies", bytes.Replace(with(1, 0), []byte(`"policies"`), []byte(`"others"`), 1), fault.Invalid, false},
		{"cut off", example().JSON()[:500], fault.Invalid, false},
		{"deep", []byte(strings.Repeat(`{"policies":[`, 20_000)), fault.Invalid, false},
	} {
		_, err := Parse(c.file)
		if c.ok != (err == nil) || err != nil && !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTextsOfStrangers(t *testing.T) {
	r := example()
	r.Policies[0].Details[0].Reason = "a\x1b[2Jb\x00" + strings.Repeat("x", 2*MaxText)
	got, err := Parse(r.JSON())
	if err != nil {
		t.Fatal(err)
	}
	reason := got.Policies[0].Details[0].Reason
	if !strings.HasPrefix(reason, "a [2Jb x") || len(reason) != MaxText {
		t.Errorf("%q", reason)
	}
}

func TestParseRecord(t *testing.T) {
	for _, c := range []struct {
		texts string
		want  string
	}{
		{"v=TLSRPTv1;rua=mailto:reports@example.com", "[mailto:reports@example.com]"},                                  // §3.1.1
		{"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", "[https://reporting.example.com/v1/tlsrpt]"},       // §3.1.2
		{"v=TLSRPTv1 ;rua=mailto:a@x.example , https://y.example/z ;x=1;", "[mailto:a@x.example https://y.example/z]"}, // spaces, extensions
		{"v=TLSRPTv1; x=1; rua=mailto:a@x.example; rua=mailto:b@x.example", "[mailto:a@x.example]"},                    // twice
		{"v=spf1 -all|v=TLSRPTv1;rua=mailto:a@x.example", "[mailto:a@x.example]"},                                      // others don't count
		{"v=TLSRPTv1;rua=mailto:a@x.example|v=TLSRPTv1;rua=mailto:b@x.example", "[]"},                                  // §3: not one
		{"v=TLSRPTv1", "[]"}, {"v=TLSRPTv1;", "[]"}, {"v=TLSRPTv10;rua=mailto:a@x.example", "[]"}, {"V=TLSRPTv1;rua=mailto:a@x.example", "[]"},
		{"v=TLSRPTv1;rua=http://x.example/,ftp://y,mailto:nobody,https:///", "[]"},
		{"", "[]"},
	} {
		r, ok := ParseRecord(strings.Split(c.texts, "|"))
		if got := fmt.Sprint(r.RUA); got != c.want || ok != (c.want != "[]") {
			t.Errorf("%s: %s %v", c.texts, got, ok)
		}
	}
	if r, _ := ParseRecord([]string{version + ";rua=" + strings.Repeat("mailto:a@x.example,", MaxURIs+1)}); len(r.RUA) != MaxURIs {
		t.Errorf("%d URIs", len(r.RUA))
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example().JSON())
	f.Add([]byte(`{"policies":[{"policy":{"policy-string":"x"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(r.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again, sameAddr); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=TLSRPTv1;rua=mailto:a@x.example,https://y")
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := ParseRecord([]string{s}); ok && (len(r.RUA) == 0 || len(r.RUA) > MaxURIs) {
			t.Fatal(r)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	file := example().JSON()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := Parse(file); err != nil {
			b.Fatal(err)
		}
	}
}
