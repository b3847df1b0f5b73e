package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroad/internal/server/certs"
)

func TestCertCommandsOnAStoppedServer(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := certs.EnsureSelfSigned(cert, key, certs.Subject{Names: []string{"shop.test", "www.shop.test"}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.do("", "cert", "import", cert, key)
	out := s.do("", "--json", "cert", "list")
	if !strings.Contains(out, `"name": "shop.test"`) || !strings.Contains(out, `"source": "imported"`) || !strings.Contains(out, `"tlsa": "3 1 1 `) || strings.Contains(out, "PRIVATE") {
		t.Error(out)
	}
	if out := s.do("", "cert", "list"); !strings.Contains(out, "shop.test +1  imported") {
		t.Error(out)
	}
	secret, _ := os.ReadFile(key)
	if out := s.do("", "debug", "keys", "720575940379279360", "--values"); strings.Contains(out, "2d2d2d2d2d424547494e") || strings.Contains(out, string(secret)) || !strings.Contains(out, "(secret)") {
		t.Errorf("a key is shown: %s", out)
	}
	for _, wrong := range [][]string{{"import", key, cert}, {"import", cert, cert}, {"remove", "none.test"}, {"renew", "shop.test"}, {"key", "shop.test"}} {
		if status, _, err := s.try("", append([]string{"cert"}, wrong...)...); status != exitFailed || err == "" {
			t.Errorf("%v: exit %d %s", wrong, status, err)
		}
	}
	s.do("", "cert", "remove", "shop.test")
	if out := s.do("", "cert", "list"); strings.Contains(out, "shop.test") {
		t.Error(out)
	}
}

func TestInitWithACME(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "postroad.toml")
	s := shell{t, []string{"--config", file, "--data", filepath.Join(dir, "data")}}
	if status, _, err := s.try("", "init", "--hostname", "mail.example.org", "--acme-email", "root@example.test"); status != exitFailed || !strings.Contains(err, "--acme") {
		t.Error(status, err)
	}
	s.do("", "init", "--hostname", "mail.example.org", "--acme", "--acme-email", "root@example.test")
	if b, _ := os.ReadFile(file); !strings.Contains(string(b), "[acme]\naccept_terms = true") || !strings.Contains(string(b), `email = "root@example.test"`) {
		t.Errorf("%s", b)
	}
}
