package oauthclient

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/url"
	"time"

	"postroad/internal/fault"
)

// Names of RFC 8628 §3.4 and §3.5.
const (
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	pending     = "authorization_pending"
	slowDown    = "slow_down"
)

// Device is what somebody needs to allow us in any browser.
type Device struct {
	UserCode string
	URL      string        // where it is typed
	Complete string        // where it need not be; "": there is no such place
	Interval time.Duration // between two Polls
	Expires  time.Time
	code     string
}

// Device begins to ask for somebody's permission (RFC 8628 §3.1). Errors: fault.Unsupported if the provider has no such way, and as those of Refresh.
func (c *Client) Device(ctx context.Context, a App, secret string) (Device, error) {
	if a.Device == "" {
		return Device{}, fault.New(fault.Unsupported, "the provider takes no codes of devices")
	}
	form := url.Values{}
	if a.Scope != "" {
		form.Set("scope", a.Scope)
	}
	got, err := c.post(ctx, a, a.Device, secret, form)
	if err != nil {
		return Device{}, err
	}
	d := Device{UserCode: printable(got.User, 100), URL: page(got.URI), Complete: page(got.Complete), code: got.Device,
		// RFC 8628 §3.2: 5 seconds, if nothing is said.
		Interval: max(time.Second, seconds(got.Interval, 5*time.Second, time.Minute)), Expires: c.now().Add(seconds(got.Expires, 10*time.Minute, time.Hour))}
	if d.URL == "" {
		d.URL = page(got.URL)
	}
	if d.code == "" || len(d.code) > maxToken || d.UserCode == "" || d.URL == "" {
		return Device{}, fault.New(fault.Unavailable, "%s gives no code that can be used", host(a.Device))
	}
	return d, nil
}

// page is a URL that may be shown; "" if it is none.
func page(s string) string {
	if checkEndpoint(s) != nil || printable(s, maxEndpoint) != s {
		return ""
	}
	return s
}

// Poll asks whether somebody has allowed us. Until they have, wait says how long to wait before the next Poll: it
// grows when the provider says so (RFC 8628 §3.5). Errors: fault.Denied if they refuse, or it took too long, and as those of Refresh.
func (c *Client) Poll(ctx context.Context, a App, secret string, d *Device) (t Tokens, wait time.Duration, err error) {
	if !c.now().Before(d.Expires) {
		return t, 0, fault.New(fault.Denied, "nobody has allowed it in time")
	}
	t, err = c.tokens(ctx, a, secret, url.Values{"grant_type": {deviceGrant}, "device_code": {d.code}})
	switch {
	case isCode(err, slowDown):
		d.Interval += 5 * time.Second
		return t, d.Interval, nil
	case isCode(err, pending):
		return t, d.Interval, nil
	}
	return t, 0, err
}

// Code is a request for permission by a browser that comes back.
type Code struct {
	URL      string // where somebody goes
	State    string // what the browser must bring back
	verifier string
	redirect string
}

// Code makes one. The browser comes back to redirect, with "code" and "state" in the query. Errors: fault.Unsupported.
func (c *Client) Code(a App, redirect string) (Code, error) {
	if a.Authorize == "" {
		return Code{}, fault.New(fault.Unsupported, "where the provider asks for permission isn't known")
	}
	raw := make([]byte, 48)
	if _, err := io.ReadFull(c.rand, raw); err != nil {
		return Code{}, fault.Wrap(fault.Internal, err, "no randomness")
	}
	k := Code{State: base64.RawURLEncoding.EncodeToString(raw[:16]), verifier: base64.RawURLEncoding.EncodeToString(raw[16:]), redirect: redirect}
	challenge := sha256.Sum256([]byte(k.verifier)) // RFC 7636 §4.2
	u, err := url.Parse(a.Authorize)
	if err != nil {
		return Code{}, fault.Wrap(fault.Invalid, err, "no authorization endpoint")
	}
	q := u.Query()
	for name, value := range map[string]string{"response_type": "code", "client_id": a.ID, "redirect_uri": redirect, "scope": a.Scope, "state": k.State,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
		// Without these Google gives no refresh token, or none the second time. Others pass over what they don't know (RFC 6749 §3.1).
		"access_type": "offline", "prompt": "consent"} {
		if value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	k.URL = u.String()
	return k, nil
}

// Exchange gets tokens for the code that a browser has brought back. Errors as those of Refresh.
func (c *Client) Exchange(ctx context.Context, a App, secret string, k Code, code string) (Tokens, error) {
	return c.tokens(ctx, a, secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {k.redirect}, "code_verifier": {k.verifier}})
}
