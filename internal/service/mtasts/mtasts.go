// Package mtasts finds the policies by which domains demand that mail for them comes over TLS to hosts
// with valid certificates, and serves our own: MTA-STS, RFC 8461.
//
//	client := mtasts.New(mtasts.Options{TXT: resolver, Transport: mtasts.NewTransport(nil, nil), Store: mtasts.InKV(db)})
//	found, err := client.Find(ctx, "example.org")
//	if found.Policy.Mode == mtasts.Enforce && !found.Policy.Match(host) {
//		// this host must not get the mail
//	}
//
// A policy, once found, holds for its max_age, whatever the DNS and the web server say or
// don't say in the meantime, unless they give a newer one: that is what protects. Hence the Store.
// Client.Refresh renews policies before they expire; somebody has to call it once a day.
//
//	mux.Handle("GET "+mtasts.Path, mtasts.Handler(policyOf)) // for https://mta-sts.<domain>
//
// Applying policies to hops is package route's business.
package mtasts

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Mode says what a policy wants (RFC 8461 §5).
type Mode uint8

// What a policy wants.
const (
	// None: nothing. There is no policy, or one that takes an earlier one back.
	None Mode = iota
	// Testing: failures are reported, mail is delivered.
	Testing
	// Enforce: mail isn't delivered to hosts that don't match or can't prove their name.
	Enforce
)

// String is the mode as policies spell it.
func (m Mode) String() string {
	switch m {
	case Testing:
		return "testing"
	case Enforce:
		return "enforce"
	}
	return "none"
}

// Limits.
const (
	// MaxBytes is the largest policy file that is read (RFC 8461 §3.3 suggests 64 KB).
	MaxBytes = 64 << 10
	// MaxHosts is how many host patterns a policy may have.
	MaxHosts = 250
	// MaxAge is the longest time that a policy can hold (RFC 8461 §3.2); what claims to hold longer holds for this.
	MaxAge = 31557600 * time.Second
)

// Policy is what a domain demands. The zero value demands nothing.
type Policy struct {
	Mode Mode
	// MX are the hosts that may get the domain's mail, in lower case: "mx.example.org", "*.example.net".
	MX     []string
	MaxAge time.Duration
}

// Match reports whether the policy names a host (RFC 8461 §4.1). A wildcard stands for exactly one label.
func (p Policy) Match(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, parent, _ := strings.Cut(host, ".")
	for _, m := range p.MX {
		suffix, wild := strings.CutPrefix(m, "*.")
		if !wild && m == host || wild && suffix == parent && parent != "" && len(host) > len(parent)+1 {
			return true
		}
	}
	return false
}

// Text is the policy as a policy file (RFC 8461 §3.2).
func (p Policy) Text() string {
	var b strings.Builder
	b.WriteString("version: STSv1\r\nmode: " + p.Mode.String() + "\r\n")
	for _, m := range p.MX {
		b.WriteString("mx: " + m + "\r\n")
	}
	b.WriteString("max_age: " + strconv.FormatInt(int64(p.MaxAge/time.Second), 10) + "\r\n")
	return b.String()
}

// ID is an identifier for the policy's version: another policy has another one.
func (p Policy) ID() string {
	sum := sha256.Sum256([]byte(p.Text()))
	return hex.EncodeToString(sum[:10])
}

// Record is the text to publish at _mta-sts.<domain> for the policy (RFC 8461 §3.1).
func (p Policy) Record() string { return "v=STSv1; id=" + p.ID() + ";" }
