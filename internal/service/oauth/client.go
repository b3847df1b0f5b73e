package oauth

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroad/internal/fault"
)

// Client is a program that people may let in.
type Client struct {
	ID        string   `json:"-"`
	Name      string   `json:"n"`           // what it calls itself; of programs that registered themselves nobody has looked at it
	Redirects []string `json:"r,omitempty"` // where answers may be sent
	// Secret is what it shows at the token endpoint; "": it is public, as programs on people's devices are.
	Secret string `json:"-"`
	// Known: an administrator has put it into the settings.
	Known bool `json:"-"`
}

const (
	maxRedirects  = 5
	maxRedirect   = 300 // bytes
	maxClientName = 80  // bytes
	// selfMade begins the ID of programs that have registered themselves.
	selfMade = "prd."
)

// Register makes a client of what a program says of itself (RFC 7591 §2). Its ID holds all that, sealed, so nothing is stored and
// nobody can fill anything up. Errors: fault.Invalid.
func (p *Provider) Register(name string, redirects []string) (Client, error) {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	for len(name) > maxClientName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if len(redirects) > maxRedirects {
		return Client{}, fault.New(fault.Invalid, "at most %d redirect_uris", maxRedirects)
	}
	for _, r := range redirects {
		if err := checkRedirect(r); err != nil {
			return Client{}, err
		}
	}
	c := Client{Name: name, Redirects: redirects}
	plain, err := json.Marshal(c)
	if err != nil {
		return Client{}, fault.Wrap(fault.Internal, err, "")
	}
	sealed, err := p.seal(plain)
	c.ID = selfMade + base64.RawURLEncoding.EncodeToString(sealed)
	return c, err
}

// checkRedirect: RFC 8252 §7: a claimed https address, loopback, or a scheme of the program's own, which has a dot in it.
func checkRedirect(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || len(s) > maxRedirect || u.Fragment != "" || strings.Contains(s, "#") || u.User != nil || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case strings.Contains(u.Scheme, ".") && u.Host == "":
		return nil
	}
	return fault.New(fault.Invalid, "redirect_uri: want https, http to a loopback address, or a private scheme with a dot in it")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Client finds a client; fault.NotFound.
func (p *Provider) Client(id string) (Client, error) {
	if at := slices.IndexFunc(p.clients, func(c Client) bool { return c.ID == id }); at >= 0 {
		return p.clients[at], nil
	}
	none := fault.New(fault.NotFound, "there is no such client")
	text, ok := strings.CutPrefix(id, selfMade)
	if !ok {
		return Client{}, none
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Client{}, none
	}
	c := Client{ID: id}
	if plain, err := p.open(sealed); err != nil || json.Unmarshal(plain, &c) != nil {
		return Client{}, none
	}
	return c, nil
}

// Admits reports whether a secret is the client's. A public client has none.
func (c *Client) Admits(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) == 1
}

// MayRedirect reports whether answers may be sent to an address: one that is registered, exactly; of a loopback address the port
// doesn't matter (RFC 8252 §7.3).
func (c *Client) MayRedirect(to string) bool {
	return slices.ContainsFunc(c.Redirects, func(r string) bool { return r == to || sameButPort(r, to) })
}

func sameButPort(a, b string) bool {
	x, err := url.Parse(a)
	y, err2 := url.Parse(b)
	if err != nil || err2 != nil || x.Scheme != "http" || !isLoopback(x.Hostname()) || checkRedirect(b) != nil {
		return false
	}
	if x.Hostname() != y.Hostname() {
		return false
	}
	x.Host, y.Host = "", ""
	return x.String() == y.String()
}
