package server_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smallstep/pkcs7"

	"postroad/internal/protocol/autoconfig"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// told are the services in the file for Thunderbird.
type told struct {
	Provider struct {
		ID       string  `xml:"id,attr"`
		Name     string  `xml:"displayName"`
		Incoming []place `xml:"incomingServer"`
		Outgoing []place `xml:"outgoingServer"`
		Help     struct {
			URL string `xml:"url,attr"`
		} `xml:"documentation"`
	} `xml:"emailProvider"`
}

type place struct {
	Type       string `xml:"type,attr"`
	Hostname   string `xml:"hostname"`
	Port       int    `xml:"port"`
	SocketType string `xml:"socketType"`
}

func tells(t *testing.T, s *servertest.Server, host, query string) (x told) {
	t.Helper()
	status, body := fetch(t, s, servertest.HTTPS, host, "/mail/config-v1.1.xml"+query)
	if err := xml.Unmarshal([]byte(body), &x); status != 200 || err != nil {
		t.Fatal(status, body, err)
	}
	return x
}

// TestProgramsSetThemselvesUp: what is told are the ports that are open, and signing in there with the whole address works.
func TestProgramsSetThemselvesUp(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	got := tells(t, s, "autoconfig.example.test", "?emailaddress=ann@example.test")
	host := servertest.Hostname
	want := told{}
	want.Provider.ID, want.Provider.Name, want.Provider.Help.URL = "example.test", "example.test", "https://mail.example.test/mail/setup?domain=example.test"
	want.Provider.Incoming = []place{{"imap", host, 993, "SSL"}, {"imap", host, 143, "STARTTLS"}, {"pop3", host, 995, "SSL"}, {"pop3", host, 110, "STARTTLS"}}
	want.Provider.Outgoing = []place{{"smtp", host, 465, "SSL"}, {"smtp", host, 587, "STARTTLS"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := s.IMAP("ann", nil).Select("INBOX", nil).Wait(); err != nil {
		t.Error(err)
	}
	for host, status := range map[string]int{"autoconfig.elsewhere.test": 404, "mail.example.test": 200, "Example.Test": 200, "[::1]": 404} {
		if got, body := fetch(t, s, servertest.HTTPS, host, "/mail/config-v1.1.xml"); got != status {
			t.Errorf("%s: %d %s", host, got, body)
		}
	}
	if status, _ := fetch(t, s, servertest.HTTPS, "mail.example.test", "/mail/config-v1.1.xml?emailaddress=x@sub.example.test"); status != 404 {
		t.Error("settings for a domain that isn't served")
	}
	if status, page := fetch(t, s, servertest.HTTPS, "mail.example.test", "/"); status != 200 || !strings.Contains(page, "/mail/setup") {
		t.Error(status, page)
	}
}

// TestProgramsAreToldOfTokens: with our own provider of them, the addresses told are those of its metadata.
func TestProgramsAreToldOfTokens(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.OAuth.Enable = true }})
	_, file := fetch(t, s, servertest.HTTPS, "autoconfig.example.test", "/mail/config-v1.1.xml")
	_, about := fetch(t, s, servertest.HTTPS, "mail.example.test", "/.well-known/oauth-authorization-server")
	var got struct {
		AuthURL  string `xml:"oAuth2>authURL"`
		TokenURL string `xml:"oAuth2>tokenURL"`
		Scope    string `xml:"oAuth2>scope"`
	}
	var want struct {
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		Scopes    []string `json:"scopes_supported"`
	}
	if err := errors.Join(xml.Unmarshal([]byte(file), &got), json.Unmarshal([]byte(about), &want)); err != nil {
		t.Fatal(err)
	}
	if got.AuthURL == "" || got.AuthURL != want.Authorize || got.TokenURL != want.Token || !slices.Contains(want.Scopes, strings.Fields(got.Scope)[0]) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if i, j := strings.Index(file, "<authentication>OAuth2<"), strings.Index(file, "<authentication>password-cleartext<"); i < 0 || j < i {
		t.Errorf("%s", file)
	}
}

// TestNobodyLearnsWhoIsHere: who has an account and who hasn't are told the same, by all forms.
func TestNobodyLearnsWhoIsHere(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	c := httpOver(t, s, servertest.HTTPS)
	post := func(who string) string {
		t.Helper()
		r, err := c.Post("https://mail.example.test/autodiscover/autodiscover.xml", "text/xml",
			strings.NewReader("<Autodiscover><Request><EMailAddress>"+who+"@example.test</EMailAddress></Request></Autodiscover>"))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != 200 {
			t.Fatal(r.Status, err)
		}
		return string(b)
	}
	if a, z := post("ann"), post("zoe"); !strings.Contains(a, "<Type>IMAP</Type>") || strings.ReplaceAll(a, "ann", "zoe") != z {
		t.Errorf("%s\n%s", a, z)
	}
	for _, path := range []string{"/mail/config-v1.1.xml?emailaddress=", "/autodiscover/autodiscover.json?Protocol=AutodiscoverV1&Email="} {
		statusA, a := fetch(t, s, servertest.HTTPS, "mail.example.test", path+"ann@example.test")
		statusZ, z := fetch(t, s, servertest.HTTPS, "mail.example.test", path+"zoe@example.test")
		if statusA != 200 || statusA != statusZ || a != z {
			t.Errorf("%s: %d %d\n%s\n%s", path, statusA, statusZ, a, z)
		}
	}
}

// TestSettingsOfTheOperator go before the listeners.
func TestSettingsOfTheOperator(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.Autoconfig = config.Autoconfig{Name: "Example Mail", IMAP: "imap.example.net:993", POP3: config.None, Submission: "smtp.example.net:587", Web: "www.example.net:8443"}
	}})
	got := tells(t, s, "autoconfig.example.test", "")
	want := told{}
	want.Provider.ID, want.Provider.Name, want.Provider.Help.URL = "example.test", "Example Mail", "https://www.example.net:8443/mail/setup?domain=example.test"
	want.Provider.Incoming = []place{{"imap", "imap.example.net", 993, "SSL"}}
	want.Provider.Outgoing = []place{{"smtp", "smtp.example.net", 587, "STARTTLS"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	records, err := s.Store().Admin.DomainRecords(t.Context(), admin.RecordsQuery{Domain: servertest.Domain, Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	srv := map[string]string{}
	for _, r := range records {
		if r.Type == "SRV" {
			srv[r.Name] = r.Value
		}
	}
	if d := cmp.Diff(map[string]string{"_imaps._tcp.example.test.": "0 1 993 imap.example.net.", "_imap._tcp.example.test.": "0 0 0 .", "_pop3s._tcp.example.test.": "0 0 0 .",
		"_pop3._tcp.example.test.": "0 0 0 .", "_submission._tcp.example.test.": "10 1 587 smtp.example.net.", "_submissions._tcp.example.test.": "0 0 0 .",
		"_sieve._tcp.example.test.": "0 1 4190 mail.example.test.", "_autodiscover._tcp.example.test.": "0 1 443 mail.example.test."}, srv); d != "" {
		t.Error(d)
	}
	off := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Autoconfig.Off = true }})
	if status, _ := fetch(t, off, servertest.HTTPS, "autoconfig.example.test", "/mail/config-v1.1.xml"); status != 404 {
		t.Error(status, "though it is off")
	}
}

// TestOnThisMachineOnly: the demo tells programs on the same machine.
func TestOnThisMachineOnly(t *testing.T) {
	c := config.Config{Hostname: "mail.example.test", Listen: []config.Listener{
		{Protocol: config.IMAP, Address: "127.0.0.1:10993", TLS: config.Implicit}, {Protocol: config.Submission, Address: "[::1]:10587", TLS: config.StartTLS},
		{Protocol: config.HTTP, Address: "localhost:10443", TLS: config.Implicit}, {Protocol: config.HTTP, Address: "unix:/x", TLS: config.NoTLS}}}
	want := []autoconfig.Service{{Protocol: autoconfig.IMAP, Host: "localhost", Port: 10993, Implicit: true}, {Protocol: autoconfig.Submission, Host: "localhost", Port: 10587}}
	if d := cmp.Diff(want, server.MailServices(c)); d != "" || server.WebBase(c) != "https://localhost:10443" {
		t.Error(d, server.WebBase(c))
	}
}

// TestProfileOfTheServer is signed with its certificate.
func TestProfileOfTheServer(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	c := httpOver(t, s, servertest.HTTPS)
	r, err := c.Get("https://" + servertest.Hostname + "/mail/apple.mobileconfig?email=ann@example.test")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r.Status, err)
	}
	p, err := pkcs7.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(); err != nil || !p.GetOnlySigner().Equal(s.Certificate().Leaf()) || !strings.Contains(string(p.Content), "<string>ann@example.test</string>") {
		t.Errorf("%v\n%s", err, p.Content)
	}
}

// TestAutodiscoverOverPlainHTTP: programs are led to where it is safe; a web server in front of this one may have ended TLS.
func TestAutodiscoverOverPlainHTTP(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	c := httpOver(t, s, servertest.HTTP)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := c.Get("http://autodiscover.example.test/autodiscover/autodiscover.xml")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if where := r.Header.Get("Location"); r.StatusCode != 302 || where != "https://mail.example.test/autodiscover/autodiscover.xml" {
		t.Error(r.Status, where)
	}
}
