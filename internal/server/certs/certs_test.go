package certs

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postroad/internal/fault"
)

var noLog = slog.New(slog.DiscardHandler)

// open makes a Keeper of one pair of files.
func open(cert, key string) (*Keeper, error) {
	return Open(Options{Files: []Files{{cert, key}}, Default: true, Now: time.Now, Logger: noLog})
}

func made(t *testing.T, dir, name string, now time.Time) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := EnsureSelfSigned(cert, key, Subject{Names: []string{name}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}, now); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func TestSelfSignedIsTrustedByWhoeverIsToldTo(t *testing.T) {
	now := time.Now()
	cert, key := made(t, t.TempDir(), "mail.test", now)
	k, err := open(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(k.Leaf())
	for _, name := range []string{"mail.test", "127.0.0.1"} {
		if _, err := k.Leaf().Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.Leaf().Verify(x509.VerifyOptions{DNSName: "other.test", Roots: roots}); err == nil {
		t.Error("the certificate is good for any name")
	}
	if info, _ := os.Stat(key); info.Mode().Perm() != 0o600 {
		t.Errorf("key has mode %v", info.Mode())
	}
}

func TestSelfSignedStaysUntilItEnds(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	cert, key := made(t, dir, "mail.test", now)
	before, _ := os.ReadFile(cert)
	s := Subject{Names: []string{"mail.test"}}
	if again, err := EnsureSelfSigned(cert, key, s, now.Add(selfSignedFor-time.Hour)); again || err != nil {
		t.Error("made a new one too early", err)
	}
	if again, err := EnsureSelfSigned(cert, key, s, now.Add(selfSignedFor+time.Hour)); !again || err != nil {
		t.Error("kept one that has ended", err)
	}
	after, _ := os.ReadFile(cert)
	if string(before) == string(after) {
		t.Error("file is the same")
	}
	os.WriteFile(cert, []byte("what"), 0o600)
	if _, err := EnsureSelfSigned(cert, key, s, now); !fault.Is(err, fault.Invalid) {
		t.Errorf("overwrote a file that is no certificate: %v", err)
	}
}

// served returns the name of the certificate that a client gets.
func served(t *testing.T, c *tls.Config) string {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(b, c).Handshake(); b.Close() }()
	client := tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestNewFilesAreUsedWithoutRestart(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	cert, key := made(t, dir, "one.test", now)
	k, err := open(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	config := k.TLS()
	if got := served(t, config); got != "one.test" {
		t.Fatal(got)
	}
	// The new pair is half written: the key is there, the certificate is not.
	other := t.TempDir()
	cert2, key2 := made(t, other, "two.test", now)
	b, _ := os.ReadFile(key2)
	os.WriteFile(key, b, 0o600)
	later(t, key, 1)
	if err := k.Refresh(); !fault.Is(err, fault.Invalid) {
		t.Errorf("half a pair: %v", err)
	}
	if got := served(t, config); got != "one.test" {
		t.Errorf("after half a pair: %s", got)
	}
	b, _ = os.ReadFile(cert2)
	os.WriteFile(cert, b, 0o600)
	later(t, cert, 2)
	if err := k.Refresh(); err != nil {
		t.Error(err)
	}
	if got := served(t, config); got != "two.test" {
		t.Errorf("after the whole pair: %s", got)
	}
	os.Remove(cert)
	if err := k.Refresh(); !fault.Is(err, fault.NotFound) {
		t.Errorf("removed: %v", err)
	}
	if got := served(t, config); got != "two.test" {
		t.Errorf("after removal: %s", got)
	}
}

// later moves a file's time, since two writes may fall into one tick of the file system's clock.
func later(t *testing.T, file string, seconds int) {
	t.Helper()
	when := time.Now().Add(time.Duration(seconds) * time.Second)
	if err := os.Chtimes(file, when, when); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	cert, key := made(t, dir, "one.test", time.Now())
	if _, err := open(filepath.Join(dir, "none"), key); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := open(key, cert); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
