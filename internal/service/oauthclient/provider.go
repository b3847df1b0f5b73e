package oauthclient

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/webjson"
)

// App is what a provider knows us by, and where it is asked.
type App struct {
	ID    string `json:"id"`
	Scope string `json:"scope,omitempty"` // names with spaces between them
	// Token is the token endpoint; Device and Authorize are where somebody's permission is asked for. Each is an https URL, the latter two may be
	// missing.
	Token     string `json:"token"`
	Device    string `json:"device,omitempty"`
	Authorize string `json:"authorize,omitempty"`
	// Post: the secret goes into the form, since the provider doesn't take it in the header (RFC 6749 §2.3.1).
	Post bool `json:"post,omitempty"`
}

// maxEndpoint is the longest URL of an endpoint, maxName the longest client ID, and maxScope the longest scope, in bytes.
const (
	maxEndpoint = 1000
	maxName     = 500
	maxScope    = 1000
)

// Check says what is wrong with an App. Errors are fault.Invalid.
func (a *App) Check() error {
	for what, u := range map[string]string{"token endpoint": a.Token, "device endpoint": a.Device, "authorization endpoint": a.Authorize} {
		if u == "" && what != "token endpoint" {
			continue
		}
		if err := checkEndpoint(u); err != nil {
			return fault.Wrap(fault.Invalid, err, "the "+what+" must be an https URL")
		}
	}
	if a.ID == "" || len(a.ID) > maxName || len(a.Scope) > maxScope || strings.ContainsFunc(a.ID+a.Scope, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.New(fault.Invalid, "the client ID is missing, or it or the scope is too long or has control characters")
	}
	return nil
}

func checkEndpoint(s string) error {
	u, err := url.Parse(s)
	if err == nil && (u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || len(s) > maxEndpoint) {
		err = errors.New("no https URL")
	}
	return err
}

// providers are those that many have. Google's device flow doesn't give access to mail, so it isn't there.
// Sources (2026-11): developers.google.com/identity/protocols/oauth2/native-app and .../limited-input-device;
// learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code.
var providers = map[string]App{
	"google": {Token: "https://oauth2.googleapis.com/token", Authorize: "https://accounts.google.com/o/oauth2/v2/auth", Post: true,
		Scope: "https://mail.google.com/"},
	"microsoft": {Token: "https://login.microsoftonline.com/common/oauth2/v2.0/token", Device: "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
		Authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize", Post: true,
		Scope: "offline_access https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All"},
}

// Known gives the endpoints and the scope for mail of a provider by its name: "google" or "microsoft".
func Known(name string) (App, bool) {
	a, ok := providers[strings.ToLower(name)]
	return a, ok
}

// metadata is what we need of a provider's (RFC 8414 §2, OpenID Connect Discovery 1.0 §3, RFC 8628 §4).
type metadata struct {
	Issuer    string   `json:"issuer"`
	Token     string   `json:"token_endpoint"`
	Device    string   `json:"device_authorization_endpoint"`
	Authorize string   `json:"authorization_endpoint"`
	Methods   []string `json:"token_endpoint_auth_methods_supported"`
}

// Discover asks an issuer (an https URL) where its endpoints are. Errors: fault.Invalid, fault.Unavailable.
func (c *Client) Discover(ctx context.Context, issuer string) (App, error) {
	err := checkEndpoint(issuer)
	if err == nil && strings.ContainsAny(issuer, "?#") { // RFC 8414 §2
		err = errors.New("a query in it")
	}
	if err != nil {
		return App{}, fault.Wrap(fault.Invalid, err, "an issuer is an https URL without a query, or google or microsoft")
	}
	var m metadata
	err = webjson.Get(ctx, c.http, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", maxAnswer, &m)
	if err != nil {
		m = metadata{}
		err = webjson.Get(ctx, c.http, wellKnown(issuer), maxAnswer, &m)
	}
	if err != nil {
		return App{}, fault.Wrap(fault.Unavailable, err, issuer+" doesn't say where its endpoints are")
	}
	if m.Issuer != issuer { // RFC 8414 §3.3
		return App{}, fault.New(fault.Unavailable, "%s gives the metadata of another issuer", issuer)
	}
	// Without a list the header is what it takes (RFC 8414 §2).
	a := App{ID: "x", Token: m.Token, Device: m.Device, Authorize: m.Authorize, Post: len(m.Methods) > 0 && !slices.Contains(m.Methods, "client_secret_basic")}
	if err := a.Check(); err != nil {
		return App{}, fault.Wrap(fault.Unavailable, err, issuer+" has no endpoints that can be used")
	}
	a.ID = ""
	return a, nil
}

// wellKnown is where RFC 8414 §3.1 has the metadata: in front of the issuer's path.
func wellKnown(issuer string) string {
	u, _ := url.Parse(issuer)
	return u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
}

// maxAnswer is how much a provider may say at a time, in bytes.
const maxAnswer = 256 << 10
