package arc

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

const plain = "From: ann@example.org\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello, Bob.\r\n"

// site is somebody who seals.
func site(n int) (dkim.SigningKey, string, string) {
	seed := sha256.Sum256(fmt.Append(nil, n))
	k := ed25519.NewKeyFromSeed(seed[:])
	domain := fmt.Sprintf("site%d.example", n)
	return dkim.SigningKey{Domain: domain, Selector: "s", Private: k}, "s._domainkey." + domain,
		"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
}

func sites(n int) zone {
	z := zone{}
	for i := 1; i <= n; i++ {
		_, name, record := site(i)
		z[name] = record
	}
	return z
}

// seal has site n seal a message.
func sealBy(t testing.TB, n int, chain authres.Result, msg string) string {
	t.Helper()
	k, _, _ := site(n)
	s, err := NewSealer(SealOptions{Key: k, Results: fmt.Sprintf("mx%d.example;\r\n\tspf=pass smtp.mailfrom=a@example.org;\r\n\tarc=%s", n, chain), Chain: chain,
		Now: func() time.Time { return time.Unix(1795262400, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte(msg))
	fields, err := s.Fields()
	if err != nil {
		t.Fatal(err)
	}
	return fields + msg
}

func chainOf(t testing.TB, n int, msg string) string {
	t.Helper()
	for i := 1; i <= n; i++ {
		chain := authres.Pass
		if i == 1 {
			chain = authres.None
		}
		msg = sealBy(t, i, chain, msg)
	}
	return msg
}

func TestChain(t *testing.T) {
	msg := chainOf(t, 3, plain)
	want := Result{Status: authres.Pass, Sets: []Set{
		{"site1.example", "s", "mx1.example;\r\n\tspf=pass smtp.mailfrom=a@example.org;\r\n\tarc=none"},
		{"site2.example", "s", "mx2.example;\r\n\tspf=pass smtp.mailfrom=a@example.org;\r\n\tarc=pass"},
		{"site3.example", "s", "mx3.example;\r\n\tspf=pass smtp.mailfrom=a@example.org;\r\n\tarc=pass"}}}
	if diff := cmp.Diff(want, validate(sites(3), msg)); diff != "" {
		t.Error(diff)
	}
	for line := range strings.SplitSeq(msg, "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d: %q", len(line), line)
		}
	}
	if _, err := authres.Parse(want.Sets[0].Results); err != nil {
		t.Error(err)
	}
}

// TestOldestPass: a list at site 2 put its name in the subject; what site 1 signed is no more, what site 2 and 3 did is.
func TestOldestPass(t *testing.T) {
	msg := chainOf(t, 1, plain)
	msg = strings.Replace(msg, "hello", "[list] hello", 1)
	msg = sealBy(t, 2, authres.Pass, msg)
	if r := validate(sites(4), msg); r.Status != authres.Pass || r.OldestPass != 2 {
		t.Errorf("%+v", r)
	}
	msg = sealBy(t, 4, authres.Pass, sealBy(t, 3, authres.Pass, msg))
	if r := validate(sites(4), msg); r.Status != authres.Pass || r.OldestPass != 2 {
		t.Errorf("%+v", r)
	}
}

func TestBrokenChains(t *testing.T) {
	msg := chainOf(t, 3, plain)
	field := func(name, i string) string {
		for _, f := range dkim.ParseHeader(msg) {
			if f.Name == name && strings.Contains(f.Raw, "i="+i+";") {
				return f.Raw + "\r\n"
			}
		}
		t.Fatalf("no %s", name)
		return ""
	}
	for name, c := range map[string]struct{ old, new, reason string }{
		"changed body":        {"Hello, Bob", "Hello, Eve", "latest message signature: body hash did not verify"},
		"changed header":      {"Subject: hello", "Subject: bye", "latest message signature: signature does not verify"},
		"changed results":     {"mx1.example;\r\n\tspf=pass", "mx1.example;\r\n\tspf=fail", "seal: signature does not verify"},
		"set missing":         {field("arc-seal", "2") + field("arc-message-signature", "2") + field("arc-authentication-results", "2"), "", "set 2 is not complete"},
		"first set missing":   {field("arc-seal", "1") + field("arc-message-signature", "1") + field("arc-authentication-results", "1"), "", "set 1 is not complete"},
		"seal missing":        {field("arc-seal", "2"), "", "set 2 is not complete"},
		"seal twice":          {field("arc-seal", "2"), strings.Repeat(field("arc-seal", "2"), 2), "two fields of a kind in set 2"},
		"cv of the first":     {"cv=none", "cv=pass", "seal 1 says cv=pass"},
		"cv of a later one":   {"cv=pass", "cv=none", "seal 3 says cv=none"},
		"failed before":       {"cv=pass", "cv=fail", "the chain has failed before"},
		"seal with h":         {"ARC-Seal: i=3;", "ARC-Seal: i=3; h=from;", "seal 3 has a tag h"},
		"seal by no algo":     {"ARC-Seal: i=3; a=ed25519-sha256", "ARC-Seal: i=3; a=rsa-sha1", "seal 3: unsupported algorithm"},
		"AMS covers seals":    {"\th=from:", "\th=arc-seal:from:", "message signature 3 covers seals"},
		"AMS without a body":  {"\r\n\tbh=", "\r\n\tno=", "message signature 3: signature missing required tag bh"},
		"instance 0":          {"ARC-Seal: i=3", "ARC-Seal: i=0", "a field without an instance from 1 to 50"},
		"instance 51":         {"ARC-Seal: i=3", "ARC-Seal: i=51", "a field without an instance from 1 to 50"},
		"instance enormous":   {"ARC-Seal: i=3", "ARC-Seal: i=99999999999999999999", "a field without an instance from 1 to 50"},
		"no instance":         {"ARC-Seal: i=3;", "ARC-Seal:", "a field without an instance from 1 to 50"},
		"tag twice":           {"ARC-Seal: i=3;", "ARC-Seal: i=3; i=3;", "a field can't be read: the tag i comes twice"},
		"no key":              {"site2.example; s=s;\r\n\tb=", "site9.example; s=s;\r\n\tb=", "seal: no key for signature"},
		"latest has no key":   {"d=site3.example; s=s; t=", "d=site9.example; s=s; t=", "latest message signature: no key for signature"},
		"field can't be read": {"ARC-Seal: i=3;", "ARC-Seal: x", "a field can't be read: not a list of tags"},
	} {
		if !strings.Contains(msg, c.old) {
			t.Errorf("%s: nothing to change", name)
		}
		if r := validate(sites(3), strings.Replace(msg, c.old, c.new, 1)); r.Status != authres.Fail || r.Reason != c.reason || r.Sets != nil {
			t.Errorf("%s: %+v, want %q", name, r, c.reason)
		}
	}
}

// down is a resolver without an answer.
type down struct{}

func (down) LookupTXT(context.Context, string) ([]string, error) {
	return nil, fault.New(fault.Unavailable, "no answer")
}

// TestAllFailuresArePermanent: RFC 8617 §5.2.1.
func TestAllFailuresArePermanent(t *testing.T) {
	if r := validate(down{}, chainOf(t, 1, plain)); r.Status != authres.Fail || r.Reason != "latest message signature: key unavailable" {
		t.Errorf("%+v", r)
	}
}

func TestNoChain(t *testing.T) {
	for _, msg := range []string{"", plain, "\r\n", "x"} {
		if r := validate(down{}, msg); r.Status != authres.None {
			t.Errorf("%q: %+v", msg, r)
		}
	}
	if r := validate(down{}, "X: "+strings.Repeat("x", dkim.MaxHeader)+"\r\n\r\n"); r.Status != authres.None || r.Reason == "" {
		t.Errorf("header over the limit: %+v", r)
	}
}

func TestFiftySets(t *testing.T) {
	msg := chainOf(t, MaxSets, plain)
	z := sites(MaxSets)
	if r := validate(z, msg); r.Status != authres.Pass || len(r.Sets) != MaxSets {
		t.Errorf("fifty sets: %+v", r)
	}
	if again := sealBy(t, 1, authres.Pass, msg); again != msg {
		t.Error("a chain of fifty was continued")
	}
	more := strings.NewReplacer("i=50;", "i=51;").Replace(msg[:strings.Index(msg, "ARC-Seal: i=49;")]) + msg
	if r := validate(z, more); r.Status != authres.Fail {
		t.Errorf("fifty-one sets: %+v", r)
	}
}

// TestFailedChains: a broken chain is sealed once more, over the new set alone, and then no more (RFC 8617 §5.1.2, §5.1).
func TestFailedChains(t *testing.T) {
	broken := strings.Replace(chainOf(t, 2, plain), "Hello", "Bye", 1)
	chain := validate(sites(3), broken).Status
	sealed := sealBy(t, 3, chain, broken)
	if !strings.Contains(sealed, "ARC-Seal: i=3; a=ed25519-sha256; t=1795262400; cv=fail;") {
		t.Errorf("%q", sealed)
	}
	if r := validate(sites(3), sealed); r.Reason != "the chain has failed before" {
		t.Errorf("%+v", r)
	}
	h := dkim.ParseHeader(sealed)
	covered := sealHash{Hash: sha256.New()}
	covered.field(h[2].Raw)
	covered.field(h[1].Raw)
	var s dkim.Signature
	tags, _ := dkim.ParseTags(h[0].Body())
	if err := s.ParseSealTags(tags); err != nil {
		t.Fatal(err)
	}
	k, err := dkim.LookupKey(context.Background(), sites(3), s.Selector, s.Domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(s.Algorithm, covered.sealed(h[0].Raw), s.Value); err != nil {
		t.Error(err)
	}
	if again := sealBy(t, 4, authres.Fail, sealed); again != sealed {
		t.Error("a chain marked as failed was continued")
	}
	torn := strings.Replace(chainOf(t, 2, plain), "ARC-Seal: i=2;", "ARC-Seal: i=1;", 1)
	if sealed := sealBy(t, 3, authres.Fail, torn); !strings.HasPrefix(sealed, "ARC-Seal: i=3;") {
		t.Errorf("a chain that is none: %.40q", sealed)
	}
}

func TestWhatCannotBeSealed(t *testing.T) {
	k, _, _ := site(1)
	good := SealOptions{Key: k, Results: "mx; none", Chain: authres.None}
	for name, change := range map[string]func(*SealOptions){
		"no key":              func(o *SealOptions) { o.Key = dkim.SigningKey{} },
		"no domain":           func(o *SealOptions) { o.Key.Domain = "" },
		"covers AAR":          func(o *SealOptions) { o.Headers = []string{"from", "arc-authentication-results"} },
		"covers results":      func(o *SealOptions) { o.Headers = []string{"authentication-results"} },
		"no status":           func(o *SealOptions) { o.Chain = "" },
		"no results":          func(o *SealOptions) { o.Results = "" },
		"results that escape": func(o *SealOptions) { o.Results = "mx; none\r\nSubject: x" },
	} {
		o := good
		change(&o)
		if _, err := NewSealer(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for msg, c := range map[string]struct {
		chain authres.Result
		kind  fault.Kind
	}{plain: {authres.Pass, fault.Invalid}, chainOf(t, 1, plain): {authres.None, fault.Invalid}, "X: " + strings.Repeat("x", dkim.MaxHeader): {authres.None, fault.TooLarge}} {
		o := good
		o.Chain = c.chain
		s, err := NewSealer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte(msg))
		if fields, err := s.Fields(); !fault.Is(err, c.kind) || fields != "" {
			t.Errorf("%.30q: %q, %v", msg, fields, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(chainOf(f, 2, plain))
	f.Add("ARC-Seal: i=1; cv=none\r\nARC-Message-Signature: i=1;\r\nARC-Authentication-Results: i=1; x\r\n\r\n")
	z := sites(2)
	f.Fuzz(func(t *testing.T, msg string) {
		if strings.HasPrefix(msg, " ") || strings.HasPrefix(msg, "\t") {
			return // would continue whatever is put before it
		}
		r := validate(z, msg)
		k, _, _ := site(1)
		s, err := NewSealer(SealOptions{Key: k, Results: "mx; none", Chain: r.Status})
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte(msg))
		fields, err := s.Fields()
		if err != nil {
			t.Fatal(err)
		}
		if r2 := validate(z, fields+msg); r.Status != authres.Fail && fields != "" && r2.Status != authres.Pass {
			t.Errorf("%q: %+v, then %+v", msg, r, r2)
		}
	})
}
