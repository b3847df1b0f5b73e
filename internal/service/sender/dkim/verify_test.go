package dkim

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/service/sender/authres"
)

func statuses(rs []Result) string {
	var all []string
	for _, r := range rs {
		s := string(r.Status)
		if r.Reason != "" {
			s += " (" + r.Reason + ")"
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestVectorsOfRFC6376(t *testing.T) {
	got := verify(rfcZone, crlfs(rfc6376))
	want := []Result{{Status: authres.Pass, Domain: "example.com", Selector: "brisbane", Identity: "joe@football.example.com",
		Algorithm: RSA, KeyBits: 1024, Signature: "AuUoFEfD"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVectorsOfRFC8463(t *testing.T) {
	got := verify(rfcZone, crlfs(rfc8463))
	if statuses(got) != "pass, pass" {
		t.Errorf("%+v", got)
	}
	if got[0].Algorithm != Ed25519 || got[1].Algorithm != RSA || got[0].KeyBits != 256 {
		t.Errorf("%+v", got)
	}
}

// TestAnyPortions: results don't depend on how the message comes in.
func TestAnyPortions(t *testing.T) {
	msg := crlfs(rfc8463)
	for _, size := range []int{1, 2, 3, 7, 64, 511} {
		v := NewVerifier(Options{Resolver: rfcZone, Now: testNow})
		for rest := msg; rest != ""; rest = rest[min(size, len(rest)):] {
			v.Write([]byte(rest[:min(size, len(rest))]))
		}
		if got := statuses(v.Results(context.Background())); got != "pass, pass" {
			t.Errorf("in portions of %d: %s", size, got)
		}
	}
}

func TestWhatChangesAreSeen(t *testing.T) {
	msg := sign(t, SignOptions{}, crlfs(plainMessage))
	for name, c := range map[string]struct{ old, new, want string }{
		"nothing":            {"", "", "pass, pass"},
		"white space":        {"Is dinner ready?", "Is \t dinner\r\n\t ready? ", "pass, pass"},
		"case of a name":     {"\r\nSubject:", "\r\nSUBJECT :", "pass, pass"},
		"lines at the end":   {"Joe.\r\n", "Joe.  \r\n\r\n \r\n", "pass, pass"},
		"a field not signed": {"\r\nFrom:", "\r\nX-New: 1\r\nFrom:", "pass, pass"},
		"subject":            {"dinner ready", "lunch ready", "fail (signature does not verify), fail (signature does not verify)"},
		"body":               {"hungry", "angry", "fail (body hash did not verify), fail (body hash did not verify)"},
		"a second From":      {"\r\nFrom:", "\r\nFrom: evil@example.com\r\nFrom:", "fail (signature does not verify), fail (signature does not verify)"},
		"an added Cc":        {"\r\nFrom:", "\r\nCc: evil@example.com\r\nFrom:", "fail (signature does not verify), fail (signature does not verify)"},
		"a field gone":       {"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n", "", "fail (signature does not verify), fail (signature does not verify)"},
		"another key":        {"s=r;", "s=o;", "fail (signature does not verify), pass"},
		"no such key":        {"s=r;", "s=q;", "permerror (no key for signature), pass"},
		"another type":       {"s=r;", "s=e;", "fail (key is not of the signature's type), pass"},
	} {
		if got := statuses(verify(testZone(), strings.Replace(msg, c.old, c.new, 1))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestDuplicateFieldsFromTheBottom: RFC 6376 §5.4.2.
func TestDuplicateFieldsFromTheBottom(t *testing.T) {
	o := SignOptions{Headers: []string{"from", "comments"}, Oversigned: []string{}}
	msg := sign(t, o, "Comments: one\r\nComments: two\r\n"+crlfs(plainMessage))
	for name, c := range map[string]struct{ old, new, want string }{
		"one above is not signed": {"Comments: one", "Comments: zero\r\nComments: one", "pass, pass"},
		"one below is":            {"Comments: two", "Comments: two\r\nComments: three", "fail (signature does not verify), fail (signature does not verify)"},
		"order":                   {"Comments: one\r\nComments: two", "Comments: two\r\nComments: one", "fail (signature does not verify), fail (signature does not verify)"},
	} {
		if got := statuses(verify(testZone(), strings.Replace(msg, c.old, c.new, 1))); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// signed makes a message with a signature of any tags, right or wrong. "BH" in them is the body's digest.
func signed(t *testing.T, tags, body string, covered ...string) string {
	t.Helper()
	header := "From: a@example.org\r\nSubject: x\r\n\r\n"
	sum := sha256.Sum256([]byte(body))
	field := "DKIM-Signature: " + strings.Replace(tags, "BH", base64.StdEncoding.EncodeToString(sum[:]), 1) + "; b="
	relaxed := strings.Contains(tags, "c=relaxed")
	digest := NewDigester(ParseHeader(header)).Digest(&Signature{Names: strings.Join(covered, ":"), RelaxedHeader: relaxed}, field)
	value, err := bothKeys()[0].Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	return field + base64.StdEncoding.EncodeToString(value) + "\r\n" + header + body
}

// TestTags: one tag after the other, as RFC 6376 §3.5 and §6.1.1 want it.
func TestTags(t *testing.T) {
	const good = "v=1; a=rsa-sha256; d=example.org; s=r; h=from:subject; bh=BH"
	for name, c := range map[string]struct{ old, new, want string }{
		"good":                       {"", "", "pass"},
		"unknown tag":                {"v=1;", "v=1; new=x;", "pass"},
		"no version":                 {"v=1;", "", "permerror (incompatible version)"},
		"version 2":                  {"v=1;", "v=2;", "permerror (incompatible version)"},
		"rsa-sha1":                   {"rsa-sha256", "rsa-sha1", "permerror (unsupported algorithm)"},
		"unknown algorithm":          {"rsa-sha256", "xyz", "permerror (unsupported algorithm)"},
		"tag twice":                  {"v=1;", "v=1; v=1;", "permerror (signature syntax error)"},
		"no tag":                     {"v=1;", "v=1; x;", "permerror (signature syntax error)"},
		"empty tag":                  {"v=1;", "v=1;;", "permerror (signature syntax error)"},
		"no domain":                  {"d=example.org;", "", "permerror (signature missing required tag d)"},
		"no selector":                {"s=r;", "", "permerror (signature missing required tag s)"},
		"no fields":                  {"h=from:subject;", "", "permerror (signature missing required tag h)"},
		"no body hash":               {"; bh=BH", "", "permerror (signature missing required tag bh)"},
		"short body hash":            {"BH", "AAAA", "permerror (body hash is none)"},
		"From not signed":            {"h=from:subject", "h=subject", "permerror (From field not signed)"},
		"hole in the list":           {"from:subject", "from::subject", "pass"},
		"domain like none":           {"example.org", "example..org", "permerror (domain or selector is none)"},
		"domain with a slash":        {"example.org", "example.org/x", "permerror (domain or selector is none)"},
		"relaxed header":             {"v=1;", "v=1; c=relaxed;", "pass"},
		"unknown form":               {"v=1;", "v=1; c=nofws;", "permerror (unsupported canonicalization)"},
		"l of the body":              {"v=1;", "v=1; l=7;", "pass"},
		"l beyond the body":          {"v=1;", "v=1; l=8;", "fail (body is shorter than what was signed)"},
		"l not a number":             {"v=1;", "v=1; l=-1;", "permerror (body length is none)"},
		"l enormous":                 {"v=1;", "v=1; l=99999999999999999999999999;", "permerror (body length is none)"},
		"expired":                    {"v=1;", "v=1; x=1;", "permerror (signature expired)"},
		"expires now":                {"v=1;", fmt.Sprintf("v=1; x=%d;", testTime.Unix()), "pass"},
		"expired a second ago":       {"v=1;", fmt.Sprintf("v=1; x=%d;", testTime.Unix()-1), "permerror (signature expired)"},
		"from the future":            {"v=1;", "v=1; t=99999999999;", "pass"},
		"expires before it is made":  {"v=1;", "v=1; t=9000000000; x=8999999999;", "permerror (signature expires before it is made)"},
		"time is none":               {"v=1;", "v=1; t=now;", "permerror (time is none)"},
		"identity":                   {"v=1;", "v=1; i=a@b.example.org;", "pass"},
		"identity elsewhere":         {"v=1;", "v=1; i=a@badexample.org;", "permerror (domain mismatch)"},
		"identity above":             {"v=1;", "v=1; i=a@org;", "permerror (domain mismatch)"},
		"identity is none":           {"v=1;", "v=1; i=example.org;", "permerror (domain mismatch)"},
		"query":                      {"v=1;", "v=1; q=dns/txt;", "pass"},
		"one of several queries":     {"v=1;", "v=1; q=foo : dns/txt;", "pass"},
		"unknown query":              {"v=1;", "v=1; q=foo;", "permerror (unknown query method)"},
		"control character in a tag": {"v=1;", "v=1; n=\x01;", "permerror (signature syntax error)"},
	} {
		tags := strings.Replace(good, c.old, c.new, 1)
		covered := []string{"from", "subject"}
		if got := statuses(verify(testZone(), signed(t, tags, "Hello\r\n", covered...))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestBodyLength: what is behind l= may be anything, and the result says how much it is.
func TestBodyLength(t *testing.T) {
	msg := signed(t, "v=1; a=rsa-sha256; d=example.org; s=r; h=from; bh=BH; l=7", "Hello\r\n", "from")
	rs := verify(testZone(), msg+"more\r\n\r\n")
	if statuses(rs) != "pass" || rs[0].Unsigned != 6 {
		t.Errorf("%+v", rs)
	}
	if rs := verify(testZone(), msg); rs[0].Unsigned != 0 {
		t.Errorf("%+v", rs)
	}
}

func TestKeys(t *testing.T) {
	k := testKeys()
	good := rsaRecord(k.rsa)
	msg := sign(t, SignOptions{Keys: bothKeys()[:1]}, crlfs(plainMessage))
	deep := sign(t, SignOptions{Keys: bothKeys()[:1], Identity: "x@sub.example.org"}, crlfs(plainMessage))
	for name, c := range map[string]struct{ msg, record, want string }{
		"as published":        {msg, good, "pass"},
		"without a version":   {msg, strings.TrimPrefix(good, "v=DKIM1; "), "pass"},
		"with a g tag":        {msg, "v=DKIM1; g=nobody;" + good[9:], "pass"},
		"second of two":       {msg, "v=spf1 -all\n" + good, "pass"},
		"folded":              {msg, good[:60] + " " + good[60:], "pass"},
		"revoked":             {msg, "v=DKIM1; p=", "permerror (key revoked)"},
		"no key in it":        {msg, "v=DKIM1; k=rsa", "permerror (key record without a key)"},
		"of another version":  {msg, "v=DKIM2; p=AAAA", "permerror (key of an unknown version)"},
		"version not first":   {msg, good[9:] + "; v=DKIM1", "permerror (key of an unknown version)"},
		"not base64":          {msg, "p=*", "permerror (key is not base64)"},
		"no key at all":       {msg, "p=AAAA", "permerror (key can't be read)"},
		"of unknown type":     {msg, "k=dsa; p=AAAA", "permerror (key of an unknown type)"},
		"ed25519, too short":  {msg, "k=ed25519; p=AAAA", "permerror (ed25519 key of 3 bytes)"},
		"for sha1 only":       {msg, good + "; h=sha1", "permerror (key is not for sha256)"},
		"for sha1 and sha256": {msg, good + "; h=sha1:sha256", "pass"},
		"for other services":  {msg, good + "; s=tlsrpt", "permerror (key is not for mail)"},
		"for mail":            {msg, good + "; s=x : email", "pass"},
		"for all services":    {msg, good + "; s=*", "pass"},
		"unavailable":         {msg, "unavailable", "temperror (key unavailable)"},
		"in testing":          {msg, good + "; t=y", "pass"},
		"wrong and testing":   {msg, rsaRecord(k.other) + "; t=y:s", "neutral (signature does not verify)"},
		"strict, same domain": {msg, good + "; t=s", "pass"},
		"strict, subdomain":   {deep, good + "; t=s", "permerror (key is not for subdomains)"},
		"lax, subdomain":      {deep, good, "pass"},
		"as long as may be":   {msg, good + "; n=" + strings.Repeat("x", MaxKeyRecord-len(good)-4), "pass"},
		"longer than may be":  {msg, good + "; n=" + strings.Repeat("x", MaxKeyRecord-len(good)-3), "permerror (key record too long)"},
	} {
		rs := verify(zone{"r._domainkey.example.org": c.record}, c.msg)
		if got := statuses(rs); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if rs[0].Testing != strings.Contains(c.record, "t=y") {
			t.Errorf("%s: testing is %v", name, rs[0].Testing)
		}
	}
}

// TestKeySizes: RFC 8301 §3.2, and what is more than anybody needs.
func TestKeySizes(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	for bits, want := range map[int]string{
		1023: "RSA key of 1023 bits", 1024: "", 2048: "",
	} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParseKey(rsaRecord(k))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || err != nil && got != want {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	for bits, want := range map[int]string{4096: "", 4097: "RSA key of 4097 bits"} { // generating those would take seconds
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{E: 65537, N: oddNumber(bits)}}
		_, err := ParseKey(rsaRecord(k))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || err != nil && got != want {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

func TestNumberOfSignatures(t *testing.T) {
	msg := sign(t, SignOptions{Keys: bothKeys()[1:]}, crlfs(plainMessage))
	one := msg[:strings.Index(msg, "From:")]
	for n, want := range map[int]int{0: 1, MaxSignatures - 1: MaxSignatures, MaxSignatures: MaxSignatures, 1000: MaxSignatures} {
		rs := verify(testZone(), strings.Repeat(one, n)+msg)
		if len(rs) != want || rs[0].Status != authres.Pass {
			t.Errorf("%d more signatures: %d results, %s", n, len(rs), statuses(rs))
		}
	}
}

func TestHeaderLimit(t *testing.T) {
	msg := sign(t, SignOptions{Keys: bothKeys()[1:]}, crlfs(plainMessage))
	header := strings.Index(msg, "\r\n\r\n") + 4
	for more, want := range map[int]string{MaxHeader - header: "pass", MaxHeader - header + 1: "", 10 * MaxHeader: ""} {
		x := "X: " + strings.Repeat("x", more-5) + "\r\n"
		if got := statuses(verify(testZone(), x+msg)); got != want {
			t.Errorf("header of %d: %q", header+more, got)
		}
	}
}

// TestHostileHeader: time grows with the header, not with its square.
func TestHostileHeader(t *testing.T) {
	names := strings.Repeat("x:", 400_000) + "from"
	fields := strings.Repeat("x:\r\n", 20_000)
	tags := "v=1; a=ed25519-sha256; d=example.org; s=e; bh=" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "; b=AAAA; h=" + names
	msg := "DKIM-Signature: " + tags + "\r\n" + fields + "From: a@b\r\n\r\n"
	if got := statuses(verify(testZone(), msg)); got != "fail (body hash did not verify)" {
		t.Error(got)
	}
}

func TestMessagesWithoutMuch(t *testing.T) {
	for _, msg := range []string{"", "\r\n", "\r", "x", "From: a@b", "From: a@b\r\n", "From: a@b\r\n\r\n", "DKIM-Signature:\r\n\r\n", "DKIM-Signature"} {
		for _, r := range verify(testZone(), msg) {
			if r.Status != authres.PermError {
				t.Errorf("%q: %+v", msg, r)
			}
		}
	}
	for _, body := range []string{"", "\r\n", "\r\n\r\n", " \r\n", "x", "x\r", "\n"} {
		msg := sign(t, SignOptions{}, "From: a@example.org\r\n\r\n"+body)
		if got := statuses(verify(testZone(), msg)); got != "pass, pass" {
			t.Errorf("body %q: %s", body, got)
		}
	}
	if got := statuses(verify(testZone(), sign(t, SignOptions{}, "From: a@example.org\r\n"))); got != "pass, pass" {
		t.Errorf("no body: %s", got)
	}
}

// slow answers after a second.
type slow struct{ zone }

func (s slow) LookupTXT(ctx context.Context, name string) ([]string, error) {
	select {
	case <-time.After(time.Second):
		return s.zone.LookupTXT(ctx, name)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestLookupsInParallel: eight slow keys take no longer than one, and time may run out.
func TestLookupsInParallel(t *testing.T) {
	msg := sign(t, SignOptions{Keys: append(append(bothKeys(), bothKeys()...), append(bothKeys(), bothKeys()...)...)}, crlfs(plainMessage))
	for limit, want := range map[time.Duration]authres.Result{1001 * time.Millisecond: authres.Pass, 999 * time.Millisecond: authres.TempError} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			v := NewVerifier(Options{Resolver: slow{testZone()}, Now: testNow})
			v.Write([]byte(msg))
			for _, r := range v.Results(ctx) {
				if r.Status != want {
					t.Errorf("within %v: %+v", limit, r)
				}
			}
		})
	}
}

func TestInternationalNames(t *testing.T) {
	k := testKeys()
	z := zone{"prüfung._domainkey.exämple.org": edRecord(k.ed)}
	msg := sign(t, SignOptions{Keys: []SigningKey{{"exämple.org", "prüfung", k.ed}}}, crlfs(plainMessage))
	if got := statuses(verify(z, msg)); got != "pass" {
		t.Error(got)
	}
}
