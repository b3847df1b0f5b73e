package server_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"postroad/internal/server"
	"postroad/internal/server/config"
)

// Browsers and curl speak HTTP/2 over TLS, also where a listener without TLS was served first.
func TestHTTP2BesideAPlainListener(t *testing.T) {
	s, stop := machineServer(t, func(c *config.Config) {
		for _, security := range []string{config.NoTLS, config.NoTLS, config.NoTLS, config.Implicit} {
			c.Listen = append(c.Listen, config.Listener{Protocol: config.HTTP, Address: "127.0.0.1:0", TLS: security})
		}
	}, server.World{})
	defer stop()
	for _, l := range s.Addresses() {
		if strings.HasPrefix(l.Address, "/") { // the administrators' socket
			continue
		}
		tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		url, major := "http://", 1
		if l.TLS == config.Implicit {
			url, major = "https://", 2
		}
		r, err := (&http.Client{Transport: tr}).Get(url + l.Address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		tr.CloseIdleConnections()
		if r.StatusCode != 200 || r.ProtoMajor != major {
			t.Errorf("%s%s: %s %s", url, l.Address, r.Proto, r.Status)
		}
	}
}
