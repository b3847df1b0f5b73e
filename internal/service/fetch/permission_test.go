package fetch

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/oauthclient"
)

// The provider is asked about a device no oftener than it wants, whoever asks us: RFC 8628 §3.5. When it says slow_down that counts from
// its next question on, and when it doesn't answer it is asked less often too.
func TestDeviceIsAskedSlowly(t *testing.T) {
	w := newWorld(t)
	asked, status, answer := 0, http.StatusBadRequest, ""
	at := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/device" {
			fmt.Fprint(rw, `{"device_code":"d","user_code":"u","verification_uri":"https://x.example/","expires_in":1800}`)
			return
		}
		asked++
		rw.WriteHeader(status)
		fmt.Fprint(rw, answer)
	}))
	defer at.Close()
	w.providers = oauthclient.New(at.Client(), w.clock, rand.Reader)
	w.restart()
	src, err := w.service.AddOAuth(t.Context(), Source{Account: 1, Protocol: POP3, Address: "mail.example.org:110", Security: StartTLS, User: "ann", Policy: Keep, Every: time.Minute,
		OAuth: &OAuth{Provider: "x", App: oauthclient.App{ID: "me", Token: at.URL, Device: at.URL + "/device"}}}, "", "")
	w.must(err)
	_, err = w.service.BeginDevice(t.Context(), src.ID)
	w.must(err)
	for i, x := range []struct {
		after, wait time.Duration // the provider is asked when after has passed, and not a second before
		status      int
		answer      string
	}{
		{5 * time.Second, 5 * time.Second, 400, `{"error":"authorization_pending"}`},
		{5 * time.Second, 10 * time.Second, 400, `{"error":"slow_down"}`},
		{10 * time.Second, 20 * time.Second, 503, ""},
		{20 * time.Second, 40 * time.Second, 503, ""},
		{40 * time.Second, 40 * time.Second, 400, `{"error":"authorization_pending"}`},
	} {
		status, answer = x.status, x.answer
		w.now = w.now.Add(x.after - time.Second)
		if wait, err := w.service.PollDevice(t.Context(), src.ID); wait != time.Second || err != nil || asked != i {
			t.Errorf("%d, early: %v %v, it was asked %d times", i, wait, err, asked)
		}
		w.now = w.now.Add(time.Second)
		wait, err := w.service.PollDevice(t.Context(), src.ID)
		if x.status == 503 && !fault.Is(err, fault.Unavailable) || x.status == 400 && (err != nil || wait != x.wait) || asked != i+1 {
			t.Errorf("%d: %v %v, it was asked %d times", i, wait, err, asked)
		}
	}
}
