package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroad/internal/server"
	"postroad/internal/server/config"
)

// What is wrong is said before anything is made.
func TestInitExaminesItsAnswers(t *testing.T) {
	for args, want := range map[string]string{
		"--hostname localhost --acme":                                         "no certificate for",
		"--hostname mail --acme":                                              "no certificate for",
		"--hostname 192.0.2.1 --acme":                                         "no certificate for",
		"--hostname mail.example.test --acme":                                 "no certificate for",
		"--hostname mail.example.org --cert /nothere/c --key /nothere/k":      "--cert and --key",
		"--hostname mail.example.org --domain a.test --account ann@b.test":    "must be in the first domain",
		"--hostname mail.example.org --domain a.test --account ann@":          "must be in the first domain",
		"--hostname mail.example.org --acme-email root@example.org":           "needs --acme",
		"--hostname mail.example.org --domain a.test --account ann@a.test@b ": "must be in the first domain",
	} {
		dir := t.TempDir()
		s := shell{t, []string{"--config", filepath.Join(dir, "p.toml"), "--data", filepath.Join(dir, "data"), "init", "--generate"}}
		status, _, err := s.try("", strings.Fields(args)...)
		if status != exitFailed || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d, %q", args, status, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %v was made", args, left)
		}
	}
}

// A setup that was interrupted can be repeated: the password that the second tells is the account's.
func TestInitAgain(t *testing.T) {
	dir := t.TempDir()
	s := shell{t, []string{"--config", filepath.Join(dir, "p.toml"), "--data", filepath.Join(dir, "data"), "init",
		"--hostname", "mail.example.test", "--domain", "example.test", "--account", "ann", "--password-stdin"}}
	s.do("first-password\n")
	if err := os.Remove(filepath.Join(dir, "p.toml")); err != nil {
		t.Fatal(err)
	}
	s.do("second-password\n")
	for password, want := range map[string]bool{"first-password": false, "second-password": true} {
		if ok := opens(t, filepath.Join(dir, "data"), "ann@example.test", password); ok != want {
			t.Errorf("%s opens: %v", password, ok)
		}
	}
}

func TestYes(t *testing.T) {
	for typed, want := range map[string]bool{"": false, "\n": false, "Y\n": true, "yes\n": true, "No\n": false, "Ann\nyes\n": true, "Ann\n": false} {
		if yes(bufio.NewReader(strings.NewReader(typed)), terminal{err: &bytes.Buffer{}}, "?") != want {
			t.Errorf("%q: not %v", typed, want)
		}
	}
}

// opens reports whether a password opens an account of a stopped server.
func opens(t *testing.T, data, address, password string) bool {
	t.Helper()
	c := config.Default()
	c.Data = data
	s, err := server.OpenStore(t.Context(), c, server.World{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := s.Directory.Profile(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := s.Directory.Verify(t.Context(), p.Credential, password)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}
