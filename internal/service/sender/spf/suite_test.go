package spf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"postroad/internal/fault"
)

// zone is a Resolver made of the test suite's records.
type zone map[string][]map[string]any

func (z zone) find(name, typ string) ([]any, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	var found []any
	exists := false
	for owner, records := range z {
		if !strings.EqualFold(owner, name) {
			continue
		}
		exists = true
		for _, r := range records {
			if _, ok := r["TIMEOUT"]; ok && !slices.ContainsFunc(found, func(v any) bool { return v != "NONE" }) {
				return nil, fault.New(fault.Unavailable, "no answer")
			}
			if v, ok := r["CNAME"]; ok {
				return z.find(v.(string), typ)
			}
			if v, ok := r[typ]; ok {
				found = append(found, v)
			}
		}
	}
	if !exists || len(found) == 0 {
		return nil, fault.New(fault.NotFound, "no such record")
	}
	return found, nil
}

func text(v any) string {
	var b strings.Builder
	switch v := v.(type) {
	case string:
		return v
	case []any:
		for _, s := range v {
			b.WriteString(text(s))
		}
	}
	return b.String()
}

func (z zone) texts(name, typ string) ([]string, error) {
	vs, err := z.find(name, typ)
	var all []string
	for _, v := range vs {
		if v != "NONE" {
			all = append(all, text(v))
		}
	}
	return all, err
}

// LookupTXT takes SPF records for TXT where a name has no TXT, as the suite's notes ask for.
func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	all, err := z.texts(name, "TXT")
	if fault.Is(err, fault.NotFound) {
		return z.texts(name, "SPF")
	}
	return all, err
}

func (z zone) LookupIP(_ context.Context, name string) ([]netip.Addr, error) {
	var all []netip.Addr
	four, err := z.texts(name, "A")
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	six, err := z.texts(name, "AAAA")
	if err != nil && len(four) == 0 {
		return nil, err
	}
	for _, a := range append(four, six...) {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

func (z zone) LookupMX(_ context.Context, name string) ([]string, error) {
	vs, err := z.find(name, "MX")
	var all []string
	for _, v := range vs {
		all = append(all, v.([]any)[1].(string))
	}
	return all, err
}

func (z zone) LookupPTR(_ context.Context, addr netip.Addr) ([]string, error) {
	name := "in-addr.arpa"
	labels := strings.Split(dotted(addr), ".")
	if addr.Is6() {
		name = "ip6.arpa"
	}
	for _, l := range labels {
		name = l + "." + name
	}
	return z.texts(name, "PTR")
}

type suiteTest struct {
	Description, Helo, Host, MailFrom string
	Result                            any
	Explanation                       string
}

// TestSuite is the published test suite for RFC 7208, all of it.
func TestSuite(t *testing.T) {
	b, err := os.ReadFile("testdata/rfc7208-tests.json")
	if err != nil {
		t.Fatal(err)
	}
	var suite []struct {
		Description string
		Tests       map[string]suiteTest
		ZoneData    map[string][]any
	}
	if err := json.Unmarshal(b, &suite); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, s := range suite {
		z := zone{}
		for owner, records := range s.ZoneData {
			for _, r := range records {
				if m, ok := r.(map[string]any); ok {
					z[owner] = append(z[owner], m)
				} else {
					z[owner] = append(z[owner], map[string]any{fmt.Sprint(r): true})
				}
			}
		}
		for name, c := range s.Tests {
			count++
			runSuiteTest(t, s.Description+"/"+name, z, c)
		}
	}
	if count != 203 {
		t.Errorf("%d tests", count)
	}
}

func runSuiteTest(t *testing.T, name string, z zone, c suiteTest) {
	r := Check(context.Background(), z, Request{IP: netip.MustParseAddr(c.Host), Helo: c.Helo, MailFrom: c.MailFrom, Receiver: "receiver.example"})
	want := fmt.Sprint(c.Result)
	if list, ok := c.Result.([]any); ok {
		want = fmt.Sprint(list...)
	}
	if !strings.Contains(" "+want+" ", string(r.Status)) || r.Status == "" {
		t.Errorf("%s (%s): %+v, want %s", name, c.Description, r, want)
	}
	if e := c.Explanation; e != "" && e != "DEFAULT" && !strings.EqualFold(e, r.Explanation) || e == "DEFAULT" && r.Explanation != "" {
		t.Errorf("%s (%s): explained as %q, want %q", name, c.Description, r.Explanation, e)
	}
}
