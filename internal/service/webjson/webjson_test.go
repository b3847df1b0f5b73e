package webjson

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// answers is a web that gives one answer, to whoever wants JSON.
type answers struct {
	status int
	body   string
	read   int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Accept") != "application/json" {
		return nil, http.ErrNotSupported
	}
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Body: a, Request: r}, nil
}

func (a *answers) Read(p []byte) (int, error) {
	n := copy(p, a.body[a.read:])
	if a.read += n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (a *answers) Close() error { return nil }

func TestGet(t *testing.T) {
	const most = 1000
	for _, c := range []struct {
		name   string
		status int
		body   string
		ok     bool
	}{
		{"a document", 200, `{"a": "x"}`, true},
		{"of the largest size", 200, `{"a": "` + strings.Repeat("x", most-9) + `"}`, true},
		{"one byte more", 200, `{"a": "` + strings.Repeat("x", most-8) + `"}`, false},
		{"far more", 200, `{"a": "` + strings.Repeat("x", 1000*most) + `"}`, false},
		{"no JSON", 200, "<html>", false},
		{"another status", 404, `{"a": "x"}`, false},
	} {
		var v struct{ A string }
		web := &answers{status: c.status, body: c.body}
		err := Get(t.Context(), &http.Client{Transport: web}, "https://site.example/about", most, &v)
		if (err == nil) != c.ok || c.ok && !strings.HasPrefix(v.A, "x") {
			t.Errorf("%s: %v", c.name, err)
		}
		if web.read > most {
			t.Errorf("%s: %d bytes were read", c.name, web.read)
		}
	}
	if err := Get(t.Context(), http.DefaultClient, ":", most, nil); err == nil {
		t.Error("what is no address was asked")
	}
}
