package mtasts

import (
	"net"
	"net/http"
	"strings"
)

// Handler serves policies to those who ask for https://mta-sts.<domain>/.well-known/mta-sts.txt (RFC 8461 §3.3).
// policyOf gives the policy of a domain in lower case; false if it has none. Whoever
// listens must have a certificate for the policy host; over plain HTTP nobody may ask.
func Handler(policyOf func(domain string) (Policy, bool)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		domain, ok := domainOf(r.Host)
		var p Policy
		if ok && r.TLS != nil && r.URL.Path == Path {
			p, ok = policyOf(domain)
		} else {
			ok = false
		}
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Write([]byte(p.Text()))
		}
	})
}

// domainOf tells whose policy host is asked.
func domainOf(host string) (string, bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.CutPrefix(strings.ToLower(strings.TrimSuffix(host, ".")), hostPrefix)
}
