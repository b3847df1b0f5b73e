package dmarc

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/idna"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
)

// zone is a Resolver: records by name, several in one value on lines of their own. "?" is a name that can't be looked up now;
// names exist that have a record or one below them.
type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	switch v, ok := z[name]; {
	case v == "?":
		return nil, fault.New(fault.Unavailable, "no answer")
	case ok && v != "":
		return strings.Split(v, "\n"), nil
	}
	return nil, fault.New(fault.NotFound, "no such name")
}

func (z zone) Exists(_ context.Context, name string) (bool, error) {
	for n, v := range z {
		if n == name || strings.HasSuffix(n, "."+name) {
			if v == "?" {
				return false, fault.New(fault.Unavailable, "no answer")
			}
			return true, nil
		}
	}
	return false, nil
}

// counter notes what it is asked.
type counter struct {
	zone
	asked []string
}

func (c *counter) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.asked = append(c.asked, name)
	return c.zone.LookupTXT(ctx, name)
}

func TestParseRecord(t *testing.T) {
	base := Record{Policy: None, PSD: 'u', FailureOptions: "0"}
	with := func(change func(*Record)) Record { r := base; change(&r); return r }
	for txt, want := range map[string]Record{
		"v=DMARC1;p=none":         base,
		"v=DMARC1; p=reject; ":    with(func(r *Record) { r.Policy = Reject }),
		"v = DMARC1 ; P = Reject": with(func(r *Record) { r.Policy = Reject }),
		"v=DMARC1; p=quarantine; sp=none; np=reject; adkim=s; aspf=S; psd=y; t=y; fo=1:d": with(func(r *Record) {
			*r = Record{Policy: Quarantine, Subdomains: None, NonExistent: Reject, StrictDKIM: true, StrictSPF: true, PSD: 'y', Testing: true, FailureOptions: "1:d"}
		}),
		"v=DMARC1; sp=reject; p=none; unknown=x; ri=86400; rf=afrf; pct=50": with(func(r *Record) { r.Subdomains = Reject }),
		"v=DMARC1; p=reject; pct=0":                                         with(func(r *Record) { r.Policy, r.Testing = Reject, true }),
		"v=DMARC1; p=reject; t=n; pct=0":                                    with(func(r *Record) { r.Policy = Reject }),
		"v=DMARC1; p=reject; p=none":                                        with(func(r *Record) { r.Policy = Reject }),
		"v=DMARC1; p=reject; adkim=x; psd=x; fo=9; junk":                    with(func(r *Record) { r.Policy = Reject }),
		"v=DMARC1; p=reject; rua=mailto:a@b.example!10m , nonsense, https://r.example/x,mailto:nobody; ruf=mailto:c@d": with(func(r *Record) {
			r.Policy, r.RUA, r.RUF = Reject, []string{"mailto:a@b.example", "https://r.example/x"}, []string{"mailto:c@d"}
			r.RUALimits = []int64{10 << 20, 0}
		}),
		"v=DMARC1":                                             with(func(r *Record) { r.Unusable = true }),
		"v=DMARC1; p=foo":                                      with(func(r *Record) { r.Unusable = true }),
		"v=DMARC1; p=reject; sp=foo":                           with(func(r *Record) { r.Unusable = true }),
		"v=DMARC1; rua=mailto:a@b":                             with(func(r *Record) { r.RUA, r.RUALimits = []string{"mailto:a@b"}, []int64{0} }),
		"v=DMARC1;p=foo;rua=mailto:a@b":                        with(func(r *Record) { r.RUA, r.RUALimits = []string{"mailto:a@b"}, []int64{0} }),
		"v=DMARC1; p=reject; np=x; rua=mailto:a@b":             with(func(r *Record) { r.RUA, r.RUALimits = []string{"mailto:a@b"}, []int64{0} }),
		"v=DMARC1;p=none;" + strings.Repeat(" ", MaxRecord-16): base,
	} {
		got, ok := ParseRecord(txt)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%q: %v %s", txt, ok, diff)
		}
	}
	for _, txt := range []string{"", "v=DMARC1x; p=none", "v=dmarc1; p=none", "V=DMARC1; p=none", "p=none; v=DMARC1", "v=spf1 -all", " ;v=DMARC1", "v=DMARC1;p=none;" + strings.Repeat(" ", MaxRecord-15)} {
		if r, ok := ParseRecord(txt); ok {
			t.Errorf("%.30q: %+v", txt, r)
		}
	}
}

func TestNumberOfURIs(t *testing.T) {
	for n, want := range map[int]int{MaxURIs: MaxURIs, MaxURIs + 1: MaxURIs, 200: MaxURIs} {
		r, ok := ParseRecord("v=DMARC1; rua=" + strings.Repeat("mailto:a@b.example,", n))
		if !ok || len(r.RUA) != want {
			t.Errorf("%d: %d", n, len(r.RUA))
		}
	}
}

// TestTreeWalkQuestions: §4.10's own example.
func TestTreeWalkQuestions(t *testing.T) {
	for domain, want := range map[string][]string{
		"a.b.c.d.e.f.g.h.i.j.mail.example.com": {"_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com", "_dmarc.g.h.i.j.mail.example.com", "_dmarc.h.i.j.mail.example.com",
			"_dmarc.i.j.mail.example.com", "_dmarc.j.mail.example.com", "_dmarc.mail.example.com", "_dmarc.example.com", "_dmarc.com"},
		"8.7.6.5.4.3.2.com": {"_dmarc.8.7.6.5.4.3.2.com", "_dmarc.7.6.5.4.3.2.com", "_dmarc.6.5.4.3.2.com", "_dmarc.5.4.3.2.com", "_dmarc.4.3.2.com", "_dmarc.3.2.com", "_dmarc.2.com", "_dmarc.com"},
		"com":               {"_dmarc.com"},
	} {
		c := &counter{}
		w := &walker{resolver: c}
		for range 2 { // the second time nothing is asked
			if _, err := w.walk(t.Context(), domain); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, c.asked); diff != "" {
			t.Errorf("%s: %s", domain, diff)
		}
	}
	long := strings.TrimSuffix(strings.Repeat("a.", 126), ".")
	c := &counter{}
	Evaluate(t.Context(), c, Message{From: []string{"x@" + long}, SPF: Identifier{"b." + long[2:], authres.Pass}})
	if len(c.asked) > maxLabels {
		t.Errorf("asked %d times", len(c.asked))
	}
}

// TestOrganizationalDomain: §4.10.2, with its examples.
func TestOrganizationalDomain(t *testing.T) {
	const plain = "v=DMARC1; p=none"
	for _, c := range []struct {
		domain, want string
		z            zone
	}{
		{"a.mail.example.com", "example.com", zone{"_dmarc.mail.example.com": plain, "_dmarc.example.com": plain}},
		{"a.mail.example.com", "mail.example.com", zone{"_dmarc.mail.example.com": plain + "; psd=n", "_dmarc.example.com": plain}},
		{"a.mail.example.com", "example.com", zone{"_dmarc.com": plain + "; psd=y"}},
		{"a.mail.example.com", "mail.example.com", zone{"_dmarc.example.com": plain + ";psd=y", "_dmarc.com": plain}},
		{"example.com", "example.com", zone{"_dmarc.example.com": plain + ";psd=y", "_dmarc.com": plain}},
		{"a.mail.example.com", "a.mail.example.com", zone{}},
		{"a.mail.example.com", "a.mail.example.com", zone{"_dmarc.example.com": plain + "\n" + plain}},
		{"a.mail.example.com", "example.com", zone{"_dmarc.example.com": "v=spf1 -all\n" + plain}},
		{"a.mail.example.com", "com", zone{"_dmarc.com": plain}},
	} {
		w := &walker{resolver: c.z}
		if got, err := w.organizationOf(t.Context(), c.domain); got != c.want || err != nil {
			t.Errorf("%s with %v: %s, %v", c.domain, c.z, got, err)
		}
	}
}

func brief(r Result) string {
	return fmt.Sprintf("%s %s %s/%s at %s spf=%v dkim=%v", r.Status, r.Author, r.Policy, r.Disposition, r.PolicyDomain, r.SPFAligned, r.DKIMAligned)
}

func TestEvaluate(t *testing.T) {
	pass := func(d string) Identifier { return Identifier{d, authres.Pass} }
	fail := func(d string) Identifier { return Identifier{d, authres.Fail} }
	later := func(d string) Identifier { return Identifier{d, authres.TempError} }
	z := zone{
		"_dmarc.example.com": "v=DMARC1; p=reject; sp=quarantine; np=reject", "mail.example.com": "", "deep.mail.example.com": "",
		"_dmarc.strict.example": "v=DMARC1; p=reject; adkim=s; aspf=s",
		"_dmarc.test.example":   "v=DMARC1; p=reject; t=y", "_dmarc.testq.example": "v=DMARC1; p=quarantine; t=y",
		"_dmarc.down.example": "?", "_dmarc.psd": "v=DMARC1; p=quarantine; psd=y; np=reject", "shop.psd": "", "_dmarc.none.example": "v=DMARC1; p=none",
		"_dmarc.useless.example": "v=DMARC1;", "_dmarc.own.example.com": "v=DMARC1; p=none; sp=reject", "_dmarc.xn--exmple-cua.example": "v=DMARC1; p=reject",
	}
	for _, c := range []struct {
		name, from string
		spf        Identifier
		dkim       []Identifier
		want       string
	}{
		{"SPF, same", "a@example.com", pass("example.com"), nil, "pass example.com reject/none at example.com spf=true dkim=false"},
		{"SPF, relaxed", "a@example.com", pass("bounces.mail.EXAMPLE.com."), nil, "pass example.com reject/none at example.com spf=true dkim=false"},
		{"DKIM, relaxed", "a@mail.example.com", fail("example.com"), []Identifier{fail("example.com"), pass("example.com")}, "pass mail.example.com quarantine/none at example.com spf=false dkim=true"},
		{"siblings", "a@mail.example.com", pass("other.example.com"), nil, "pass mail.example.com quarantine/none at example.com spf=true dkim=false"},
		{"somebody else", "a@example.com", pass("example.net"), []Identifier{pass("notexample.com"), pass("com")}, "fail example.com reject/reject at example.com spf=false dkim=false"},
		{"subdomain", "a@mail.example.com", Identifier{}, nil, "fail mail.example.com quarantine/quarantine at example.com spf=false dkim=false"},
		{"subdomain that isn't", "a@nope.example.com", Identifier{}, nil, "fail nope.example.com reject/reject at example.com spf=false dkim=false"},
		{"subdomain's own record", "a@own.example.com", Identifier{}, nil, "fail own.example.com none/none at own.example.com spf=false dkim=false"},
		{"strict, same", "a@strict.example", pass("strict.example"), nil, "pass strict.example reject/none at strict.example spf=true dkim=false"},
		{"strict, subdomain", "a@strict.example", pass("m.strict.example"), []Identifier{pass("m.strict.example")}, "fail strict.example reject/reject at strict.example spf=false dkim=false"},
		{"testing", "a@test.example", Identifier{}, nil, "fail test.example reject/quarantine at test.example spf=false dkim=false"},
		{"testing, milder", "a@testq.example", Identifier{}, nil, "fail testq.example quarantine/none at testq.example spf=false dkim=false"},
		{"no record", "a@nobody.example", pass("nobody.example"), nil, "none nobody.example /none at  spf=false dkim=false"},
		{"a record without use", "a@useless.example", Identifier{}, nil, "none useless.example /none at  spf=false dkim=false"},
		{"p=none", "a@none.example", Identifier{}, nil, "fail none.example none/none at none.example spf=false dkim=false"},
		{"no answer", "a@down.example", pass("down.example"), nil, "temperror down.example /none at  spf=false dkim=false"},
		{"a public suffix's policy", "a@shop.psd", Identifier{}, nil, "fail shop.psd quarantine/quarantine at psd spf=false dkim=false"},
		{"a public suffix's, for nobody", "a@typo.psd", Identifier{}, nil, "fail typo.psd reject/reject at psd spf=false dkim=false"},
		{"neighbours below a public suffix", "a@shop.psd", pass("typo.psd"), nil, "fail shop.psd quarantine/quarantine at psd spf=false dkim=false"},
		{"SPF has no result yet", "a@example.com", later("example.com"), nil, "temperror example.com reject/none at example.com spf=false dkim=false"},
		{"somebody else has no result yet", "a@example.com", later("example.net"), nil, "fail example.com reject/reject at example.com spf=false dkim=false"},
		{"no result yet, but another", "a@example.com", later("example.com"), []Identifier{pass("example.com")}, "pass example.com reject/none at example.com spf=false dkim=true"},
		{"U-labels", "a@exämple.example", pass("xn--exmple-cua.example"), nil, "pass xn--exmple-cua.example reject/none at xn--exmple-cua.example spf=true dkim=false"},
		{"two of one domain", "Ann <a@example.com>, b@Example.com", pass("example.com"), nil, "pass example.com reject/none at example.com spf=true dkim=false"},
		{"a bad one behind a good one", "a@none.example, b@example.com", pass("none.example"), nil, "fail example.com reject/reject at example.com spf=false dkim=false"},
		{"a good one behind a bad one", "b@example.com, a@none.example", pass("none.example"), nil, "fail example.com reject/reject at example.com spf=false dkim=false"},
		{"a group", "Us: a@example.com, b@example.com;", pass("example.com"), nil, "pass example.com reject/none at example.com spf=true dkim=false"},
		{"an empty group", "Undisclosed:;", pass("example.com"), nil, "permerror  /none at  spf=false dkim=false"},
		{"no domain", "Ann", Identifier{}, nil, "permerror  /none at  spf=false dkim=false"},
		{"an address literal", "a@[192.0.2.1]", Identifier{}, nil, "permerror  /quarantine at  spf=false dkim=false"},
		{"a domain that is none", "a@b..example", Identifier{}, nil, "permerror  /quarantine at  spf=false dkim=false"},
	} {
		r := Evaluate(t.Context(), z, Message{From: []string{" " + c.from}, SPF: c.spf, DKIM: c.dkim})
		if got := brief(r); got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, r.Reason, c.want)
		}
	}
}

func TestSeveralFromFields(t *testing.T) {
	z := zone{"_dmarc.example.com": "v=DMARC1; p=reject"}
	for _, from := range [][]string{{"a@example.com", "b@evil.example"}, {"b@evil.example", "a@example.com"}, {"a@example.com", "nobody"}, {"nobody, a@example.com"}} {
		if r := Evaluate(t.Context(), z, Message{From: from, SPF: Identifier{"evil.example", authres.Pass}}); r.Disposition != Reject {
			t.Errorf("%v: %s", from, brief(r))
		}
	}
	for _, from := range [][]string{nil, {}, {""}, {"b@evil.example", "nobody"}} {
		if r := Evaluate(t.Context(), z, Message{From: from}); r.Status != authres.PermError || r.Reason == "" {
			t.Errorf("%q: %s", from, brief(r))
		}
	}
}

func TestNumberOfAuthors(t *testing.T) {
	for n, want := range map[int]authres.Result{MaxAuthors: authres.None, MaxAuthors + 1: authres.PermError, 5000: authres.PermError} {
		var from strings.Builder
		for i := range n {
			fmt.Fprintf(&from, "a@d%d.example, ", i)
		}
		c := &counter{}
		if r := Evaluate(t.Context(), c, Message{From: []string{from.String()}}); r.Status != want || len(c.asked) > MaxAuthors*2 {
			t.Errorf("%d: %s, asked %d times", n, brief(r), len(c.asked))
		}
	}
	behind := "a@d1.example, " + strings.Repeat(":", 50_000) + "boss@d2.example" // behind more than anybody reads
	if r := Evaluate(t.Context(), &counter{}, Message{From: []string{behind}}); r.Status != authres.PermError || r.Disposition != Quarantine {
		t.Error(brief(r))
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=DMARC1; p=quarantine; sp=none; np=reject; adkim=s; aspf=s; psd=y; t=y; fo=1:d; rua=mailto:a@b!5,x:y; pct=0")
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := ParseRecord(s)
		if !ok {
			return
		}
		if r.Policy != None && r.Policy != Quarantine && r.Policy != Reject || len(r.RUA) > MaxURIs || len(r.RUF) > MaxURIs || r.Unusable && len(r.RUA) > 0 {
			t.Errorf("%q: %+v", s, r)
		}
	})
}

func FuzzEvaluate(f *testing.F) {
	f.Add("Ann <ann@mail.example.com>", "v=DMARC1; p=reject; psd=n", "example.com")
	f.Fuzz(func(t *testing.T, from, record, other string) {
		z := zone{"_dmarc.example.com": record, "_dmarc.com": "v=DMARC1; psd=y"}
		r := Evaluate(t.Context(), z, Message{From: []string{from}, SPF: Identifier{other, authres.Pass}})
		if r.Disposition != None && r.Status != authres.Fail && (r.Status != authres.PermError || r.Disposition != Quarantine) || r.Status == authres.Pass && !r.SPFAligned {
			t.Errorf("%q: %+v", from, r)
		}
	})
}

// TestSizeLimits: RFC 7489 §6.4.
func TestSizeLimits(t *testing.T) {
	for in, want := range map[string]int64{"": 0, "7": 7, "10k": 10 << 10, "5M": 5 << 20, "1g": 1 << 30, "2t": 2 << 40, "k": 0, "x": 0, "-1": 0, "99999999t": 0, "9999999999999999999": 0} {
		if got := sizeLimit(in); got != want {
			t.Errorf("%s: %d", in, got)
		}
	}
}

func TestOrganization(t *testing.T) {
	z := zone{"_dmarc.example.org": "v=DMARC1; p=none", "_dmarc.gov.example": "v=DMARC1; p=none; psd=y", "_dmarc.lost.example": "?"}
	for in, want := range map[string]string{"a.b.Example.org.": "example.org", "example.org": "example.org", "other.example": "other.example", "a.b.gov.example": "b.gov.example"} {
		if got, err := Organization(t.Context(), z, in); got != want || err != nil {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	if _, err := Organization(t.Context(), z, "a b"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := Organization(t.Context(), z, "lost.example"); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// Of names in ASCII nothing but the case changes, as IDNA has it (or leaves them, where they are none).
func TestCanonicalASCII(t *testing.T) {
	for _, name := range []string{"Example.COM", "a--b.example", "-a.example", "a-.example", "a_b.example", "xn--exmple-cua.example", "XN--EXMPLE-CUA.example", "xn--a.example", "xn--.example", "ab--c.example", "a..b", ".a", "a b", "127.0.0.1", ""} {
		want := strings.TrimSuffix(name, ".")
		if ascii, err := idna.Lookup.ToASCII(want); err == nil {
			want = ascii
		}
		if got := canonical(name); got != "" && got != strings.ToLower(want) || got == "" && canonical(want) != "" {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
	if got := canonical("Exämple.com."); got != "xn--exmple-cua.com" {
		t.Error(got)
	}
}
