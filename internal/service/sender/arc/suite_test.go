package arc

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if v, ok := z[strings.ToLower(name)]; ok {
		return []string{v}, nil
	}
	return nil, fault.New(fault.NotFound, "no such name")
}

type scenario struct {
	Description string
	Domain, Sel string
	PrivateKey  string
	TXT         map[string]string `json:"txt-records"`
	Tests       map[string]suiteTest
}

type suiteTest struct {
	Spec, Description, Message, CV string
	T                              int64
	SigHeaders                     string `json:"sig-headers"`
	SrvID                          string `json:"srv-id"`
	AS, AMS, AAR                   string
}

func suite(t *testing.T, file string) []scenario {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []scenario
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func crlfs(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func validate(r dkim.Resolver, msg string) Result {
	v := NewVerifier(Options{Resolver: r})
	v.Write([]byte(msg))
	return v.Result(context.Background())
}

// TestSuiteValidation is the validation part of the published test suite.
func TestSuiteValidation(t *testing.T) {
	count := 0
	for _, s := range suite(t, "validation-tests.json") {
		for name, c := range s.Tests {
			count++
			r := validate(zone(s.TXT), crlfs(c.Message))
			if c.CV != "" && !strings.EqualFold(string(r.Status), c.CV) {
				t.Errorf("%s (%s): %s %s, want %s", name, c.Description, r.Status, r.Reason, c.CV)
			}
		}
	}
	if count != 171 {
		t.Errorf("%d tests", count)
	}
}

// TestSuiteSealing is the sealing part.
func TestSuiteSealing(t *testing.T) {
	count := 0
	for _, s := range suite(t, "sign-tests.json") {
		block, _ := pem.Decode([]byte(s.PrivateKey))
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range s.Tests {
			count++
			sealAsSuite(t, name, s, c, key)
		}
	}
	if count != 17 {
		t.Errorf("%d tests", count)
	}
}

func sealAsSuite(t *testing.T, name string, s scenario, c suiteTest, key *rsa.PrivateKey) {
	msg := crlfs(c.Message)
	results := resultsOf(msg, c.SrvID)
	chain := validate(zone(s.TXT), msg).Status
	sealer, err := NewSealer(SealOptions{Key: dkim.SigningKey{Domain: s.Domain, Selector: s.Sel, Private: key}, Results: results, Chain: chain,
		Headers: strings.Split(c.SigHeaders, ":"), Oversigned: []string{}, Now: func() time.Time { return time.Unix(c.T, 0) }})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	sealer.Write([]byte(msg))
	fields, err := sealer.Fields()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if fields == "" || c.AS == "" {
		if fields != c.AS {
			t.Errorf("%s: sealed with %q", name, fields)
		}
		return
	}
	h := dkim.ParseHeader(fields)
	for i, want := range []string{c.AS, c.AMS, c.AAR} {
		if got := tokens(h[i].Body()); !slices.Equal(got, tokens(want)) {
			t.Errorf("%s (%s): %s is\n%q, want\n%q", name, c.Description, h[i].Name, got, tokens(want))
		}
	}
	if r := validate(zone(s.TXT), fields+msg); chain != authres.Fail && r.Status != authres.Pass {
		t.Errorf("%s: what we sealed is %s: %s", name, r.Status, r.Reason)
	}
}

// resultsOf joins what the site's Authentication-Results fields in a message say.
func resultsOf(msg, id string) string {
	all := id
	for _, f := range dkim.ParseHeader(msg) {
		if f.Name == "authentication-results" && authres.ID(f.Body()) == id {
			_, results, _ := strings.Cut(f.Body(), ";")
			all += ";" + strings.TrimRight(results, "; \t\r\n")
		}
	}
	return all
}

// tokens are a field's parts in any order, without white space and the signatures' values, for those depend on the order.
func tokens(s string) []string {
	s = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s)
	parts := strings.Split(strings.TrimSuffix(s, ";"), ";")
	for i, p := range parts {
		if strings.HasPrefix(p, "b=") {
			parts[i] = "b="
		}
	}
	slices.Sort(parts)
	return parts
}
