package server_test

import (
	"strings"
	"testing"

	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/service/setup"
)

// TestDoctor looks a whole server over that listens on the machine's own network.
func TestDoctor(t *testing.T) {
	s, stop := machineServer(t, func(c *config.Config) {
		c.Listen = []config.Listener{{Protocol: config.IMAP, Address: "127.0.0.1:0", TLS: config.Implicit}, {Protocol: config.HTTP, Address: "127.0.0.1:0", TLS: config.NoTLS},
			{Protocol: config.SMTP, Address: "127.0.0.1:0", TLS: config.StartTLS, Proxy: []string{"127.0.0.0/8"}}}
	}, server.World{})
	defer stop()
	found, err := s.Store().Admin.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	levels, passed := map[string]setup.Level{}, false
	for _, f := range found {
		levels[f.Topic] = f.Level
		if strings.Contains(f.Text, "not tried, as they want a PROXY header: smtp at 127.0.0.1:") {
			passed = true
			continue
		}
		if f.Topic == "listeners" && (!strings.Contains(f.Text, "imap at 127.0.0.1:") || !strings.Contains(f.Text, "admin.sock") || strings.Contains(f.Text, "smtp")) {
			t.Error(f.Text)
		}
	}
	if !passed {
		t.Errorf("nothing is said of the listener with proxy: %+v", found)
	}
	for topic, want := range map[string]setup.Level{"listeners": setup.OK, "secrets": setup.OK, "certificate": setup.Warn, "queue": setup.OK,
		"accounts": setup.OK, "backup": setup.Warn, "domains": setup.Wrong, "dns": setup.Warn} {
		if levels[topic] != want {
			t.Errorf("%s is %q, want %q: %+v", topic, levels[topic], want, found)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
