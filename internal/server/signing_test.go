package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender/dkim"
)

// keyRecords are what a server's keys of example.test have in the DNS.
type keyRecords map[string]string

func recordsOf(t *testing.T, s *servertest.Server) keyRecords {
	t.Helper()
	keys, err := s.Store().Admin.Keys(t.Context(), servertest.Domain)
	if err != nil {
		t.Fatal(err)
	}
	all := keyRecords{}
	for _, k := range keys {
		all[k.Name] = k.Record
	}
	return all
}

func (r keyRecords) LookupTXT(_ context.Context, name string) ([]string, error) {
	if text, ok := r[name]; ok {
		return []string{text}, nil
	}
	return nil, fault.New(fault.NotFound, "no record")
}

// zone writes the records as a zone file does, in strings of 255 octets.
func (r keyRecords) zone() string {
	var b strings.Builder
	for name, text := range r {
		fmt.Fprintf(&b, "%s. 60 IN TXT", name)
		for part := range slices.Chunk([]byte(text), 255) {
			fmt.Fprintf(&b, " %q", part)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// verified says of each signature of a message "domain algorithm result".
func (r keyRecords) verified(t *testing.T, msg string, now time.Time) (all []string) {
	t.Helper()
	v := dkim.NewVerifier(dkim.Options{Resolver: r, Now: func() time.Time { return now }})
	io.WriteString(v, msg)
	for _, s := range v.Results(t.Context()) {
		all = append(all, fmt.Sprintf("%s %s %s", s.Domain, s.Algorithm, s.Status))
	}
	return all
}

// activate has the keys of example.test sign, whatever the DNS says.
func activate(t *testing.T, s *servertest.Server) {
	t.Helper()
	keys, err := s.Store().Admin.Keys(t.Context(), servertest.Domain)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if err := s.Store().Admin.ActivateKey(t.Context(), admin.KeyChange{Domain: servertest.Domain, Selector: k.Selector, Unchecked: true}); err != nil {
			t.Fatal(err)
		}
	}
}

var signedTwice = []string{"example.test rsa-sha256 pass", "example.test ed25519-sha256 pass"}

// TestSubmissionsLeaveSigned by both keys, once they are active.
func TestSubmissionsLeaveSigned(t *testing.T) {
	out := &outside{make(chan string, 10)}
	s := servertest.Start(t, servertest.Options{Send: out.send})
	s.AddAccount("ann")
	send := func() string {
		t.Helper()
		if err := submit(t, s, "ann@"+servertest.Domain, "ben@elsewhere.example"); err != nil {
			t.Fatal(err)
		}
		_, msg, _ := strings.Cut(<-out.got, "ben@elsewhere.example: ")
		return msg
	}
	if got := recordsOf(t, s).verified(t, send(), s.Clock.Now()); len(got) > 0 {
		t.Errorf("signed by keys that are not published: %q", got)
	}
	activate(t, s)
	msg := send()
	if got := recordsOf(t, s).verified(t, msg, s.Clock.Now()); !slices.Equal(got, signedTwice) {
		t.Errorf("signatures %q in\n%s", got, msg)
	}
	if strings.Contains(msg, "Return-Path") {
		t.Errorf("there is a Return-Path in\n%s", msg)
	}
	if _, err := s.Store().Admin.RotateKeys(t.Context(), servertest.Domain); err != nil {
		t.Fatal(err)
	}
	activate(t, s)
	msg = send()
	if got := recordsOf(t, s).verified(t, msg, s.Clock.Now()); !slices.Equal(got, signedTwice) || !strings.Contains(msg, "s=r20260314b;") || !strings.Contains(msg, "s=e20260314b;") {
		t.Errorf("after a rotation: signatures %q in\n%s", got, msg)
	}
	s.Check()
}

// TestKeysAreActivatedByTheDNS: a key signs when the command finds its record, and not before.
func TestKeysAreActivatedByTheDNS(t *testing.T) {
	zone := dnstest.New(t, "")
	s := servertest.Start(t, servertest.Options{DNS: zone, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, fault.New(fault.Unavailable, "nobody there")
	}})
	ctx, admin := t.Context(), s.Store().Admin
	keys, err := admin.Keys(ctx, servertest.Domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.ActivateKey(ctx, change(keys[0])); !fault.Is(err, fault.Conflict) {
		t.Errorf("without a record: %v", err)
	}
	zone.Add(t, keyRecords{keys[0].Name: keys[1].Record, keys[1].Name: keys[1].Record}.zone())
	if err := admin.ActivateKey(ctx, change(keys[0])); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "another key") {
		t.Errorf("with another key's record: %v", err)
	}
	if err := admin.ActivateKey(ctx, change(keys[1])); err != nil {
		t.Error(err)
	}
	domains, err := admin.Domains(ctx)
	if err != nil || len(domains) != 1 || !slices.Equal(domains[0].Selectors, []string{keys[1].Selector}) {
		t.Errorf("%+v, %v", domains, err)
	}
}

func change(k admin.DKIMKey) admin.KeyChange {
	return admin.KeyChange{Domain: servertest.Domain, Selector: k.Selector}
}

// TestPeersFindSignaturesGood: mail goes from one Postroad to another, which looks the keys up and notes that both signatures pass.
func TestPeersFindSignaturesGood(t *testing.T) {
	zone := dnstest.New(t, "there.example. 60 IN MX 10 mx.there.example.\nmx.there.example. 60 IN A 192.0.2.25\n"+
		"_dmarc.example.test. 60 IN TXT \"v=DMARC1; p=reject\"\n")
	nobody := func(context.Context, string, string) (net.Conn, error) {
		return nil, fault.New(fault.Unavailable, "nobody there")
	}
	there := servertest.Start(t, servertest.Options{DNS: zone, Dial: nobody, Change: func(c *config.Config) {
		c.Hostname, c.Checks.Greylist = "mx.there.example", config.SwitchOff
	}})
	there.AddAccount("ben")
	if err := there.Store().Admin.AddDomain(t.Context(), "there.example"); err != nil {
		t.Fatal(err)
	}
	if err := there.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "ben@there.example", Targets: []string{"ben@example.test"}}); err != nil {
		t.Fatal(err)
	}
	here := servertest.Start(t, servertest.Options{DNS: zone, Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
		if address != "192.0.2.25:25" {
			return nil, fault.New(fault.Unavailable, "nobody at %s", address)
		}
		return there.Network.DialFrom(ctx, "192.0.2.1", "mem:25")
	}})
	here.AddAccount("ann")
	activate(t, here)
	zone.Add(t, recordsOf(t, here).zone())
	ben := watch(t, there, "ben")
	if err := submit(t, here, "ann@example.test", "ben@there.example"); err != nil {
		t.Fatal(err)
	}
	if got := <-ben.told; got != "exists 1" {
		t.Errorf("told %q", got)
	}
	text := bytesOf(t, there.IMAP("ben", nil), 1)
	_, results, found := strings.Cut(text, "Authentication-Results: mx.there.example;")
	results, _, _ = strings.Cut(results, "\r\nReceived:")
	if !found || strings.Count(results, "dkim=pass") != 2 || !strings.Contains(results, "header.a=ed25519-sha256") || !strings.Contains(results, "dmarc=pass") {
		t.Errorf("arrived:\n%s", text)
	}
	here.Check()
	there.Check()
}
