package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"postroad/internal/server/config"
)

// A proxy of ours is believed, as far as it can know: what its client has written itself is not.
func TestForwarded(t *testing.T) {
	p, err := proxiesOf(config.HTTPServer{TrustedProxies: []string{"10.0.0.0/8", "2001:db8::5", "unix"}})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		peer string
		said []string
		want string
	}{
		"a proxy":                      {"10.1.2.3:4", []string{"192.0.2.7"}, "192.0.2.7:0"},
		"two in a row":                 {"10.1.2.3:4", []string{"192.0.2.7, 10.9.9.9"}, "192.0.2.7:0"},
		"in two fields":                {"10.1.2.3:4", []string{"192.0.2.7", "10.9.9.9"}, "192.0.2.7:0"},
		"over IPv6, with ports":        {"[2001:db8::5]:4", []string{"[2001:db8::7]:999"}, "[2001:db8::7]:0"},
		"bare IPv6":                    {"[2001:db8::5]:4", []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		"IPv4 in IPv6":                 {"[::ffff:10.1.2.3]:4", []string{"::ffff:192.0.2.7"}, "192.0.2.7:0"},
		"a unix socket":                {"@", []string{"192.0.2.7"}, "192.0.2.7:0"},
		"only proxies":                 {"10.1.2.3:4", []string{"10.4.4.4, 10.9.9.9"}, "10.4.4.4:0"},
		"the client forges":            {"10.1.2.3:4", []string{"127.0.0.1, 198.51.100.1, 192.0.2.7"}, "192.0.2.7:0"},
		"the client forges a proxy":    {"10.1.2.3:4", []string{"203.0.113.1, 192.0.2.7, 10.9.9.9"}, "192.0.2.7:0"},
		"the client forges in a field": {"10.1.2.3:4", []string{"127.0.0.1", "192.0.2.7"}, "192.0.2.7:0"},
		"a stranger":                   {"192.0.2.66:4", []string{"127.0.0.1"}, "192.0.2.66:4"},
		"a stranger names a proxy":     {"192.0.2.66:4", []string{"10.1.2.3"}, "192.0.2.66:4"},
		"nothing":                      {"10.1.2.3:4", nil, "10.1.2.3:4"},
		"rubbish":                      {"10.1.2.3:4", []string{"192.0.2.7, unknown"}, "10.1.2.3:4"},
		"rubbish before":               {"10.1.2.3:4", []string{"<script>, 192.0.2.7"}, "192.0.2.7:0"},
		"empty":                        {"10.1.2.3:4", []string{""}, "10.1.2.3:4"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, s := range c.said {
			r.Header.Add("X-Forwarded-For", s)
		}
		got := ""
		p.behind(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want || r.RemoteAddr != c.peer {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	for _, wrong := range []string{"x", "10.0.0.0/33", "0.0.0.0/0", "::/0", ""} {
		if _, err := proxiesOf(config.HTTPServer{TrustedProxies: []string{wrong}}); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
