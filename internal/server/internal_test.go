package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/service/relay"
	"postroad/internal/service/route"
	"postroad/internal/service/transfer"
)

// TestRules: what the settings demand of a channel must not become less on the way to package route.
func TestRules(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\r\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, secrets, err := rules([]config.Route{
		{Recipient: ".lab.example", Host: "10.0.0.1", Protocol: config.LMTP, TLS: config.NoTLS},
		{Sender: "shop.example", Host: "smtp.provider.example", Port: 465, TLS: config.Implicit, User: "u", PasswordFile: file},
		{Host: "a.example", TLS: config.Required}, {Host: "b.example", TLS: config.Verified, MX: true},
		{Host: "c.example", TLS: config.Opportunistic}, {Recipient: "d.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []route.Rule{
		{Recipient: ".lab.example", Host: "10.0.0.1", Protocol: route.LMTP, TLS: route.None},
		{Sender: "shop.example", Host: "smtp.provider.example", Port: 465, TLS: route.Verified, ImplicitTLS: true, Credentials: "1"},
		{Host: "a.example", TLS: route.Required}, {Host: "b.example", TLS: route.Verified, MX: true},
		{Host: "c.example", TLS: route.Opportunistic}, {Recipient: "d.example"},
	}
	same := cmp.Comparer(func(a, b route.Rule) bool { return a == b })
	if d := cmp.Diff(want, got, same); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(&relay.Credentials{User: "u", Password: "secret"}, secrets.get("1")); d != "" || secrets.get("0") != nil {
		t.Error(d, secrets.get("0"))
	}
}

// TestUndeliverableNotifications: what may work later is tried again, what was handed in already is said to be, the rest is dropped.
func TestUndeliverableNotifications(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	for _, k := range fault.Kinds() {
		again := s.undeliverable(t.Context(), transfer.Job{}, fault.New(k, "x")) != nil
		if want := k.Retry() || k == fault.Exists; again != want {
			t.Errorf("%v: passed on is %v", k, again)
		}
	}
}
