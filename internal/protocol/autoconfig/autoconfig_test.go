package autoconfig

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/xml"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smallstep/pkcs7"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/service/certtest"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are those of example.org; broken.example has none now.
func settings(_ context.Context, domain string) (Settings, error) {
	switch strings.ToLower(domain) {
	case "example.org":
		return Settings{Domain: "example.org", Name: "Example & Sons", Services: []Service{
			{IMAP, "mail.example.org", 993, true}, {IMAP, "mail.example.org", 143, false}, {POP3, "mail.example.org", 995, true},
			{Submission, "mail.example.org", 465, true}, {Submission, "mail.example.org", 587, false}}}, nil
	case "tokens.example":
		return Settings{Domain: "tokens.example", Name: "Tokens", Services: []Service{{IMAP, "mail.example.org", 993, true}, {Submission, "mail.example.org", 465, true}},
			OAuth2: &OAuth2{Issuer: "https://id.example.org", Authorize: "https://id.example.org/a", Token: "https://id.example.org/t", Scope: "mail offline_access"}}, nil
	case "exchange.example":
		return Settings{Domain: "exchange.example", Name: "Exchange", Endpoints: []Endpoint{{"ActiveSync", "https://mail.example.org/Microsoft-Server-ActiveSync"}}}, nil
	case "broken.example":
		return Settings{}, fault.New(fault.Unavailable, "the store is away: secret")
	}
	return Settings{}, fault.New(fault.NotFound, "not ours")
}

func handler(o Options) http.Handler {
	o.Settings, o.Base = settings, "https://mail.example.org"
	return New(o).Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

// do asks over TLS.
func do(h http.Handler, method, url, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// TestThunderbird: the file, wherever it is asked for.
func TestThunderbird(t *testing.T) {
	h := handler(Options{})
	got := do(h, "GET", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ann@example.org", "")
	golden(t, "config.xml", got.Body.String())
	if typ := got.Header().Get("Content-Type"); typ != "text/xml; charset=utf-8" || got.Code != 200 {
		t.Error(got.Code, typ)
	}
	for _, url := range []string{
		"https://autoconfig.example.org/mail/config-v1.1.xml", "http://autoconfig.example.org/mail/config-v1.1.xml", "https://Autoconfig.Example.ORG.:443/mail/config-v1.1.xml",
		"https://example.org/.well-known/autoconfig/mail/config-v1.1.xml", "https://mail.example.org/mail/config-v1.1.xml",
		"https://autoconfig.other.example/mail/config-v1.1.xml?emailaddress=ann@EXAMPLE.org", // by the MX of its domain
		"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=%25EMAILADDRESS%25",
		"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=nobody@example.org",
	} {
		if other := do(h, "GET", url, ""); other.Code != 200 || other.Body.String() != got.Body.String() {
			t.Errorf("%s: %d %s", url, other.Code, other.Body)
		}
	}
	for url, code := range map[string]int{
		"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ann@other.example": 404, "https://autoconfig.other.example/mail/config-v1.1.xml": 404,
		"https://autoconfig.exchange.example/mail/config-v1.1.xml":                          404, // nothing that can be told so
		"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ann":              400,
		"https://autoconfig.broken.example/mail/config-v1.1.xml":                            503,
		"https://autoconfig.a.b.c.d.e.f.example.org/mail/config-v1.1.xml":                   404,
		"https://autoconfig.example.org/mail/config-v1.2.xml":                               http.StatusTeapot,
		"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a%0A@example.org": 400,
	} {
		if got := do(h, "GET", url, ""); got.Code != code || strings.Contains(got.Body.String(), "secret") {
			t.Errorf("%s: %d %s", url, got.Code, got.Body)
		}
	}
	if got := do(h, "POST", "https://autoconfig.example.org/mail/config-v1.1.xml", ""); got.Code != 405 {
		t.Error(got.Code)
	}
}

// TestThunderbirdOAuth2 is autoconfig "OAuth2 requirements": tokens before passwords.
func TestThunderbirdOAuth2(t *testing.T) {
	golden(t, "oauth2.xml", do(handler(Options{}), "GET", "https://autoconfig.tokens.example/mail/config-v1.1.xml", "").Body.String())
}

func request(address, schema string) string {
	return `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>` +
		`<EMailAddress>` + address + `</EMailAddress><AcceptableResponseSchema>` + schema + `</AcceptableResponseSchema></Request></Autodiscover>`
}

// TestAutodiscover is [MS-OXDSCLI] section 3.2.5.
func TestAutodiscover(t *testing.T) {
	h := handler(Options{})
	const at = "https://autodiscover.example.org/Autodiscover/Autodiscover.xml"
	got := do(h, "POST", at, request("ann@example.org", nsOutlook))
	golden(t, "autodiscover.xml", got.Body.String())
	if got.Code != 200 || got.Header().Get("Content-Type") != autodiscoverType {
		t.Error(got.Code, got.Header())
	}
	golden(t, "activesync.xml", do(h, "POST", at, request("ann@exchange.example", nsMobile)).Body.String())
	golden(t, "error.xml", do(h, "POST", at, request("ann@other.example", nsMobile)).Body.String())
	for name, c := range map[string]struct{ method, body, want string }{
		"not ours":               {"POST", request("ann@other.example", nsOutlook), "<ErrorCode>500<"},
		"no address":             {"POST", request("ann", nsOutlook), "<ErrorCode>500<"},
		"an evil one":            {"POST", request("a&lt;b&gt;@example.org", nsOutlook), "<ErrorCode>500<"},
		"no schema":              {"POST", request("ann@example.org", ""), "<Type>IMAP<"},
		"a schema of others":     {"POST", request("ann@example.org", "urn:x"), "<ErrorCode>601<"},
		"no phones here":         {"POST", request("ann@example.org", nsMobile), "<ErrorCode>601<"},
		"nothing":                {"POST", "", "<ErrorCode>600<"},
		"no XML":                 {"POST", "{}", "<ErrorCode>600<"},
		"an entity":              {"POST", `<!DOCTYPE a [<!ENTITY e "x">]>` + request("&e;@example.org", ""), "<ErrorCode>600<"},
		"another charset":        {"POST", strings.Replace(request("ann@example.org", ""), "utf-8", "utf-7", 1), "<ErrorCode>600<"},
		"ASCII":                  {"POST", strings.Replace(request("ann@example.org", ""), "utf-8", "us-ascii", 1), "<Type>IMAP<"},
		"no answer":              {"POST", request("ann@broken.example", nsOutlook), "<ErrorCode>603<"},
		"somebody looks":         {"GET", "", "<ErrorCode>600<"},
		"nothing for the schema": {"POST", request("ann@exchange.example", nsOutlook), "<Action>settings</Action>"},
	} {
		got := do(h, c.method, at, c.body)
		if got.Code != 200 || !strings.Contains(got.Body.String(), c.want) || strings.Contains(got.Body.String(), "secret") {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
		if err := xml.Unmarshal(got.Body.Bytes(), new(struct{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for size, code := range map[int]int{maxRequest - 1000: 200, maxRequest + 1: 413, 10 * maxRequest: 413} {
		if got := do(h, "POST", at, request(strings.Repeat(" ", size), "")); got.Code != code {
			t.Errorf("%d bytes: %d", size, got.Code)
		}
	}
	if got := do(h, "PUT", at, ""); got.Code != 405 {
		t.Error(got.Code)
	}
	for _, method := range []string{"GET", "POST"} { // [MS-OXDISCO] section 3.1.5.4
		got := do(h, method, "http://autodiscover.example.org/autodiscover/autodiscover.xml", "")
		if where := got.Header().Get("Location"); got.Code != 302 || where != "https://mail.example.org/autodiscover/autodiscover.xml" {
			t.Error(method, got.Code, where)
		}
	}
}

func TestJSON(t *testing.T) {
	h := handler(Options{})
	const at = "https://autodiscover.example.org/autodiscover/autodiscover.json"
	for url, want := range map[string]string{
		at + "/v1.0/ann@example.org?Protocol=AutodiscoverV1":              `200 {"Protocol":"AutodiscoverV1","Url":"https://mail.example.org/autodiscover/autodiscover.xml"}`,
		at + "?Email=ann%40example.org&Protocol=autodiscoverv1&x=1":       `200 {"Protocol":"AutodiscoverV1","Url":"https://mail.example.org/autodiscover/autodiscover.xml"}`,
		at + "/v1.0/ann@exchange.example?Protocol=ActiveSync":             `200 {"Protocol":"ActiveSync","Url":"https://mail.example.org/Microsoft-Server-ActiveSync"}`,
		at + "/v1.0/ann@example.org?Protocol=ActiveSync":                  `400 {"ErrorCode":"InvalidProtocol","ErrorMessage":"The given protocol value is invalid. Supported values are 'AutodiscoverV1'"}`,
		at + "/v1.0/ann@example.org":                                      `400 {"ErrorCode":"MandatoryParameterMissing","ErrorMessage":"A valid value must be provided for the query parameter 'Protocol'"}`,
		at + "/v1.0/ann@other.example?Protocol=ActiveSync":                `404 {"ErrorCode":"UserNotFound","ErrorMessage":"The given user is not found"}`,
		at + "?Protocol=ActiveSync":                                       `400 {"ErrorCode":"InvalidUserId","ErrorMessage":"The given user id is not an address"}`,
		at + "/v1.0/?Protocol=ActiveSync":                                 `400 {"ErrorCode":"InvalidUserId","ErrorMessage":"The given user id is not an address"}`,
		at + "/v1.0/ann@broken.example?Protocol=ActiveSync":               `503 {"ErrorCode":"InternalServerError","ErrorMessage":"Not now"}`,
		strings.Replace(at, "/auto", "/Auto", 2) + "?Protocol=ActiveSync": `400 {"ErrorCode":"InvalidUserId","ErrorMessage":"The given user id is not an address"}`,
	} {
		got := do(h, "GET", url, "")
		if all := http.StatusText(got.Code); all == "" || strings.TrimSpace(got.Result().Status[:3]+" "+got.Body.String()) != want {
			t.Errorf("%s: %d %s", url, got.Code, got.Body)
		}
	}
	if got := do(h, "GET", "http://mail.example.org/autodiscover/autodiscover.json?Protocol=X", ""); got.Code != 302 {
		t.Error(got.Code)
	}
}

// certificate is one for mail.example.org, by an authority.
func certificate(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	ca := certtest.Issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "Authority"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	c := certtest.Issue(t, x509.Certificate{DNSNames: []string{"mail.example.org"}}, &ca)
	c.Certificate = append(c.Certificate, ca.Leaf.Raw)
	return &c, certtest.Roots(ca)
}

// TestProfile: what an iPhone gets, and that its signature holds.
func TestProfile(t *testing.T) {
	cert, roots := certificate(t)
	const at = "https://mail.example.org/mail/apple.mobileconfig"
	plain := do(handler(Options{}), "GET", at+"?email=ann%2Bx@example.org", "")
	golden(t, "profile.plist", plain.Body.String())
	signed := do(handler(Options{Certificate: func() *tls.Certificate { return cert }}), "GET", at+"?email=ann%2Bx@example.org", "")
	if got := signed.Header(); got.Get("Content-Type") != profileType || !strings.Contains(got.Get("Content-Disposition"), ".mobileconfig") {
		t.Error(got)
	}
	p, err := pkcs7.Parse(signed.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.VerifyWithChain(roots); err != nil || !bytes.Equal(p.Content, plain.Body.Bytes()) || p.GetOnlySigner().DNSNames[0] != "mail.example.org" {
		t.Error(err, p.GetOnlySigner())
	}
	for name, c := range map[string]*tls.Certificate{"none": nil, "empty": {}, "broken": {Certificate: [][]byte{{1}}}} {
		if got := do(handler(Options{Certificate: func() *tls.Certificate { return c }}), "GET", at+"?email=ann%2Bx@example.org", ""); got.Body.String() != plain.Body.String() {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
	for url, code := range map[string]int{at: 400, at + "?email=ann@other.example": 404, at + "?email=ann@exchange.example": 404, at + "?email=ann@broken.example": 503} {
		if got := do(handler(Options{}), "GET", url, ""); got.Code != code {
			t.Errorf("%s: %d %s", url, got.Code, got.Body)
		}
	}
	if a, b := uuid("profile", "ann@x"), uuid("profile", "Ann@x"); a != b || len(a) != 36 || a == uuid("account", "ann@x") {
		t.Error(a, b)
	}
}

func TestPage(t *testing.T) {
	h := handler(Options{})
	page := func(query string) string {
		t.Helper()
		got := do(h, "GET", "https://mail.example.org/mail/setup"+query, "")
		if got.Code != 200 || !strings.Contains(got.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", query, got.Code, got.Header())
		}
		return got.Body.String()
	}
	with := page("?email=ann@example.org")
	for _, want := range []string{"Example &amp; Sons", "<td>993</td><td>SSL/TLS</td>", "<td>587</td><td>STARTTLS</td>",
		`href="https://mail.example.org/mail/apple.mobileconfig?email=ann%40example.org"`, `src="data:image/png;base64,`} {
		if !strings.Contains(with, want) {
			t.Errorf("no %s in\n%s", want, with)
		}
	}
	for query, c := range map[string]struct{ want, not string }{
		"":                            {"<td>993</td>", "apple.mobileconfig"},
		"?domain=example.org":         {"<td>993</td>", "apple.mobileconfig"},
		"?email=ann@other.example":    {"no mail for this domain", "993"},
		"?domain=other.example":       {"no mail for this domain", "993"},
		"?email=ann":                  {"not an address", "993"},
		"?email=%22%3E%3Cscript%3E@x": {"not an address", "<script"},
		"?email=a%27b@example.org":    {"a&#39;b@example.org", "a'b"},
		"?email=ann@exchange.example": {"", "apple.mobileconfig"},
	} {
		if got := page(query); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%s: %s", query, got)
		}
	}
	if got := do(h, "GET", "https://mail.other.example/mail/setup", ""); got.Code != 200 || !strings.Contains(got.Body.String(), "<form") {
		t.Error(got.Code, "without a domain there is the form")
	}
	if got := do(h, "GET", "https://mail.example.org/mail/setup?email=a@broken.example", ""); got.Code != 503 {
		t.Error(got.Code)
	}
}

// TestWhoeverAsks: an address that is there and one that isn't get the same, but for themselves.
func TestWhoeverAsks(t *testing.T) {
	h := handler(Options{})
	for _, ask := range []func(address string) *httptest.ResponseRecorder{
		func(a string) *httptest.ResponseRecorder {
			return do(h, "GET", "https://x.example/mail/config-v1.1.xml?emailaddress="+a, "")
		},
		func(a string) *httptest.ResponseRecorder {
			return do(h, "POST", "https://x.example"+POXPath, request(a, ""))
		},
		func(a string) *httptest.ResponseRecorder {
			return do(h, "GET", "https://x.example"+JSONPath+"/v1.0/"+a+"?Protocol=Ews", "")
		},
		func(a string) *httptest.ResponseRecorder {
			return do(h, "GET", "https://x.example"+SetupPath+"?domain=example.org", "")
		},
	} {
		a, b := ask("ann@example.org"), ask("zoe@example.org")
		if a.Code != b.Code || strings.ReplaceAll(a.Body.String(), "ann", "zoe") != b.Body.String() {
			t.Errorf("%d %s\n%d %s", a.Code, a.Body, b.Code, b.Body)
		}
	}
}

func TestOthersGoOn(t *testing.T) {
	for _, path := range []string{"/", "/mail", "/mail/", "/autodiscover", "/autodiscover/autodiscover.svc", "/autodiscover/autodiscover.jsonx", "/.well-known/autoconfig/"} {
		if got := do(handler(Options{}), "GET", "https://mail.example.org"+path, ""); got.Code != http.StatusTeapot {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}

func FuzzAutodiscover(f *testing.F) {
	f.Add(request("ann@example.org", nsOutlook))
	f.Add(request("ann@exchange.example", nsMobile))
	h := handler(Options{})
	f.Fuzz(func(t *testing.T, body string) {
		got := do(h, "POST", "https://x.example/autodiscover/autodiscover.xml", body)
		if got.Code == 200 && xml.Unmarshal(got.Body.Bytes(), new(struct{})) != nil {
			t.Errorf("%s", got.Body)
		}
	})
}

func FuzzProfile(f *testing.F) {
	f.Add("ann@example.org")
	f.Add("a]]>b@example.org")
	f.Fuzz(func(t *testing.T, address string) {
		if _, err := domainOf(address); err != nil {
			return
		}
		s, _ := settings(t.Context(), "example.org")
		b, err := plist(&s, address)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(b)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, b)
			}
		}
	})
}

func BenchmarkThunderbird(b *testing.B) {
	h := handler(Options{})
	for b.Loop() {
		do(h, "GET", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ann@example.org", "")
	}
}
