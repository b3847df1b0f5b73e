package oauthclient

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"postroad/internal/fault"
)

// Client asks providers. It is safe for concurrent use.
type Client struct {
	http *http.Client
	now  func() time.Time
	rand io.Reader
}

// New returns a Client. h carries requests, and should have a time limit; redirects are never followed.
func New(h *http.Client, now func() time.Time, rand io.Reader) *Client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{&own, now, rand}
}

// Tokens are what a provider gives.
type Tokens struct {
	Access  string
	Refresh string    // empty: none, or that which was used goes on being good
	Expires time.Time // of Access; zero: nobody knows
}

// maxToken is how long a token may be, in bytes.
const maxToken = 16 << 10

// answer is what a token endpoint says (RFC 6749 §5.1, §5.2), and a device endpoint (RFC 8628 §3.2).
type answer struct {
	Access      string      `json:"access_token"`
	Type        string      `json:"token_type"`
	Refresh     string      `json:"refresh_token"`
	Expires     json.Number `json:"expires_in"`
	Error       string      `json:"error"`
	Description string      `json:"error_description"`

	Device   string      `json:"device_code"`
	User     string      `json:"user_code"`
	URI      string      `json:"verification_uri"`
	URL      string      `json:"verification_url"` // as one provider has it
	Complete string      `json:"verification_uri_complete"`
	Interval json.Number `json:"interval"`
}

// refusal is an error that the provider tells.
type refusal struct{ code, description string }

func (r *refusal) Error() string {
	if r.description == "" {
		return "the provider says: " + r.code
	}
	return "the provider says: " + r.code + ": " + r.description
}

// Refresh renews an access token (RFC 6749 §6). Errors: fault.Unauthenticated if the permission has ended, fault.Denied if the provider doesn't
// want us for other reasons, fault.Unavailable if it may do so later.
func (c *Client) Refresh(ctx context.Context, a App, secret, refresh string) (Tokens, error) {
	return c.tokens(ctx, a, secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
}

// tokens asks the token endpoint for tokens.
func (c *Client) tokens(ctx context.Context, a App, secret string, form url.Values) (Tokens, error) {
	asked := c.now()
	got, err := c.post(ctx, a, a.Token, secret, form)
	if err != nil {
		return Tokens{}, err
	}
	if got.Access == "" || len(got.Access) > maxToken || len(got.Refresh) > maxToken || strings.ContainsFunc(got.Access+got.Refresh, notVisible) ||
		got.Type != "" && !strings.EqualFold(got.Type, "Bearer") {
		return Tokens{}, fault.New(fault.Unavailable, "%s gives no token that can be used", host(a.Token))
	}
	t := Tokens{Access: got.Access, Refresh: got.Refresh}
	if d := seconds(got.Expires, 0, 10*365*24*time.Hour); d > 0 {
		t.Expires = asked.Add(d)
	}
	return t, nil
}

// notVisible reports whether a character can't be in a token (RFC 6749 appendix A.12, A.17).
func notVisible(r rune) bool { return r < ' ' || r > '~' }

// seconds reads a number of seconds; what is none is otherwise.
func seconds(n json.Number, otherwise, most time.Duration) time.Duration {
	f, err := n.Float64()
	if err != nil || math.IsNaN(f) || f <= 0 {
		return otherwise
	}
	return time.Duration(min(f, most.Seconds()) * float64(time.Second))
}

// post sends a form, with what we are known by.
func (c *Client) post(ctx context.Context, a App, endpoint, secret string, form url.Values) (got answer, err error) {
	if secret == "" || a.Post {
		form.Set("client_id", a.ID)
	}
	if secret != "" && a.Post {
		form.Set("client_secret", secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return got, fault.Wrap(fault.Invalid, err, "no endpoint")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if secret != "" && !a.Post {
		r.SetBasicAuth(url.QueryEscape(a.ID), url.QueryEscape(secret)) // RFC 6749 §2.3.1
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return got, fault.Wrap(fault.Unavailable, err, "cannot ask "+host(endpoint))
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&got)
	switch {
	case got.Error != "" && err == nil:
		return got, judge(endpoint, resp.StatusCode, &refusal{without(form, secret, printable(got.Error, 60)), without(form, secret, printable(got.Description, 200))})
	case resp.StatusCode != http.StatusOK:
		return got, fault.New(fault.Unavailable, "%s answers %d", host(endpoint), resp.StatusCode)
	case err != nil:
		return got, fault.New(fault.Unavailable, "%s answers what makes no sense", host(endpoint))
	}
	return got, nil
}

// secretFields are those of forms that nobody else may see.
var secretFields = [...]string{"client_secret", "refresh_token", "code", "code_verifier", "device_code"}

// minSecret is how long a secret is at least that is looked for in what a provider says, in bytes: shorter ones are in words.
const minSecret = 6

// without is what a provider says, unless it says back what was secret in the question: errors are logged, and shown to people.
func without(form url.Values, secret, text string) string {
	said := strings.ToLower(text)
	for _, s := range append(valuesOf(form, secretFields[:]), secret) {
		s = strings.ToLower(printable(s, maxToken))
		if s = s[:min(len(s), maxEcho)]; len(s) >= minSecret && strings.Contains(said, s) {
			return "(it repeats a secret)"
		}
	}
	return text
}

// maxEcho is how much of a secret is looked for: what a provider says is cut, perhaps within one.
const maxEcho = 12

func valuesOf(form url.Values, names []string) (values []string) {
	for _, name := range names {
		values = append(values, form.Get(name))
	}
	return values
}

// judge says what kind of failure an error of RFC 6749 §5.2 or RFC 8628 §3.5 is.
func judge(endpoint string, status int, r *refusal) error {
	at := host(endpoint)
	switch r.code {
	case "invalid_grant":
		return fault.Wrap(fault.Unauthenticated, r, at+" doesn't renew the permission: it has ended, or was taken back")
	case "temporarily_unavailable", "server_error":
		return fault.Wrap(fault.Unavailable, r, at+" wants us to come later")
	case pending, slowDown:
		return r
	}
	if status == http.StatusTooManyRequests || status >= 500 {
		return fault.Wrap(fault.Unavailable, r, at+" wants us to come later")
	}
	return fault.Wrap(fault.Denied, r, at+" refuses")
}

// isCode reports whether err is the provider's error of that name.
func isCode(err error, code string) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == code
}

func host(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "the provider"
	}
	return u.Host
}

// printable bounds what a provider says, for people.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
