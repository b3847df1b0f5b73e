package acme

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postroad/internal/service/acme/acmetest"
)

// stumbler is an authority that refuses orders which have a word in them.
type stumbler struct {
	http.RoundTripper
	word    string
	problem string // why
	refused atomic.Int32
}

func (s *stumbler) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return s.RoundTripper.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var signed struct{ Payload string }
	if json.Unmarshal(body, &signed) == nil {
		if payload, err := base64.RawURLEncoding.DecodeString(signed.Payload); err == nil && bytes.Contains(payload, []byte(s.word)) {
			s.refused.Add(1)
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/problem+json"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"type": "urn:ietf:params:acme:error:` + s.problem + `", "detail": "no"}`))}, nil
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return s.RoundTripper.RoundTrip(r)
}

// TestAuthoritiesThatStumble: whatever an authority makes of what a certificate replaces, there is a new one; at once, if that may be why it
// refuses, or with the next attempt.
func TestAuthoritiesThatStumble(t *testing.T) {
	for problem, later := range map[string]bool{"alreadyReplaced": false, "serverInternal": false, "malformed": false, "unauthorized": true} {
		w := newWorld(t, acmetest.Options{Lifetime: 90 * 86400})
		s := &stumbler{RoundTripper: w.authority.HTTP.Transport, word: `"replaces"`, problem: problem}
		m := w.open(t, func(o *Options) { o.HTTP = &http.Client{Transport: s} })
		m.Keep(t.Context(), []string{host})
		look(t, m)
		first := w.verify(t, m, host)
		w.clock.advance(79 * 24 * time.Hour)
		look(t, m)
		if got := w.verify(t, m, host).Equal(first); got != later || s.refused.Load() == 0 {
			t.Errorf("%s: the first attempt has failed: %v; %d orders were refused\n%s", problem, got, s.refused.Load(), w.log.String())
		}
		w.clock.advance(firstPause)
		if look(t, m); w.verify(t, m, host).Equal(first) {
			t.Errorf("%s: not renewed\n%s", problem, w.log.String())
		}
	}
}

// TestRenewalsPauseLonger: authorities allow few attempts an hour, also those to renew what there is.
func TestRenewalsPauseLonger(t *testing.T) {
	w := newWorld(t, acmetest.Options{Lifetime: 90 * 86400})
	s := &stumbler{RoundTripper: w.authority.HTTP.Transport, word: "nothing", problem: "unauthorized"}
	m := w.open(t, func(o *Options) { o.HTTP = &http.Client{Transport: s} })
	m.Keep(t.Context(), []string{host})
	look(t, m)
	s.word = `"identifiers"`
	w.clock.advance(79 * 24 * time.Hour)
	for attempt := range 4 {
		look(t, m)
		if n := s.refused.Load(); int(n) != attempt+1 {
			t.Fatalf("%d attempts instead of %d\n%s", n, attempt+1, w.log.String())
		}
		if m.List()[0].Problem == "" {
			t.Error("nobody is told")
		}
		w.clock.advance(pause(attempt) - time.Second)
		if look(t, m); int(s.refused.Load()) != attempt+1 {
			t.Fatalf("after %d failures it asks again before %v\n%s", attempt+1, pause(attempt), w.log.String())
		}
		w.clock.advance(time.Second)
	}
}
