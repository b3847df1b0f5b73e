package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

const ann = "ann@" + servertest.Domain

// imapSays gives a command to a new IMAP connection, after its greeting, and returns the tagged reply.
func imapSays(t *testing.T, c net.Conn, command string) string {
	t.Helper()
	r := bufio.NewReader(c)
	fmt.Fprintf(c, "a %s\r\n", command)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "a ") {
			return line
		}
	}
}

func plain(login, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00" + password))
}

// With two-step verification on, the password alone opens IMAP, SMTP and POP3 no more, whoever is signed in by it is
// signed out, and an app password does it.
func TestTwoStepInAllProtocols(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := context.Background()
	s.AddAccount("ann")
	a := s.Store().Admin
	before := s.Dial(servertest.IMAP)
	if got := imapSays(t, before, "LOGIN "+ann+" "+servertest.Password); !strings.HasPrefix(got, "a OK") {
		t.Fatal(got)
	}
	e, err := a.BeginTwoStep(ctx, ann)
	must(t, err)
	code, err := totp.GenerateCode(e.Secret, s.Clock.Now())
	must(t, err)
	_, err = a.ConfirmTwoStep(ctx, admin.Code{Address: ann, Code: "x" + code})
	wants(t, err, fault.Unauthenticated)
	codes, err := a.ConfirmTwoStep(ctx, admin.Code{Address: ann, Code: code})
	must(t, err)
	if len(codes.Codes) != 10 || len(codes.Codes[0]) != 11 {
		t.Errorf("%v", codes)
	}
	if _, err := bufio.NewReader(before).ReadString('\n'); err == nil {
		t.Error("the session from before goes on")
	}
	app, err := a.AddAppPassword(ctx, admin.NewAppPassword{Address: ann, Name: "phone"})
	must(t, err)
	for password, ok := range map[string]bool{servertest.Password: false, app.Password: true} {
		got := imapSays(t, s.Dial(servertest.IMAP), "LOGIN "+ann+" "+password)
		if strings.HasPrefix(got, "a OK") != ok || !ok && !strings.Contains(got, "app password") {
			t.Errorf("IMAP: %s", got)
		}
		l := s.Line(servertest.Submission)
		l.Ask("EHLO x.example")
		got, err := l.Try("AUTH PLAIN %s", plain(ann, password))
		must(t, err)
		if strings.HasPrefix(got, "235 ") != ok || !ok && !strings.HasPrefix(got, "535 5.7.8 two-step") {
			t.Errorf("SMTP: %s", got)
		}
		l = s.Line(servertest.POP3)
		l.Ask("USER %s", ann)
		got, err = l.Try("PASS %s", password)
		must(t, err)
		if strings.HasPrefix(got, "+OK") != ok || !ok && !strings.HasPrefix(got, "-ERR [AUTH] two-step") {
			t.Errorf("POP3: %s", got)
		}
		l.Try("QUIT")
	}
	list, err := a.AppPasswords(ctx, ann)
	must(t, err)
	if len(list) != 1 || list[0].Used != s.Clock.Now() || list[0].Password != "" {
		t.Errorf("%+v", list)
	}
}

// Whoever is signed in is listed, by any protocol, and signed out when told to.
func TestSessionsEnd(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := context.Background()
	s.AddAccount("ann")
	s.AddAccount("ben")
	a := s.Store().Admin
	conns := map[string]net.Conn{"imap": s.Dial(servertest.IMAP), "submission": s.Dial(servertest.Submission), "pop3": s.Dial(servertest.POP3)}
	imapSays(t, conns["imap"], `ID ("name" "Thing" "version" "2")`)
	imapSays(t, conns["imap"], "LOGIN "+ann+" "+servertest.Password)
	for protocol, lines := range map[string][]string{
		"submission": {"EHLO x.example", "AUTH PLAIN " + plain(ann, servertest.Password)}, "pop3": {"USER " + ann, "PASS " + servertest.Password},
	} {
		c := textproto.NewConn(conns[protocol])
		c.ReadLine()
		for _, line := range lines {
			c.PrintfLine("%s", line)
			for {
				reply, err := c.ReadLine()
				must(t, err)
				if len(reply) < 4 || reply[3] != '-' {
					break
				}
			}
		}
	}
	other := s.Dial(servertest.IMAP)
	imapSays(t, other, "LOGIN ben@"+servertest.Domain+" "+servertest.Password)
	list, err := a.Sessions(ctx, admin.SessionQuery{Address: ann})
	must(t, err)
	var got []string
	for _, x := range list {
		got = append(got, x.Protocol+" "+x.Key+" "+x.Program)
	}
	if len(list) != 3 || got[0] != "imap password Thing 2" {
		t.Errorf("%q", got)
	}
	_, err = a.EndSessions(ctx, admin.SessionQuery{})
	wants(t, err, fault.Invalid)
	_, err = a.EndSessions(ctx, admin.SessionQuery{ID: "none"})
	wants(t, err, fault.NotFound)
	if n, err := a.EndSessions(ctx, admin.SessionQuery{Address: ann}); err != nil || n.Sessions != 3 {
		t.Errorf("%+v %v", n, err)
	}
	for protocol, c := range conns {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s goes on", protocol)
		}
	}
	if got := imapSays(t, other, "NOOP"); !strings.HasPrefix(got, "a OK") {
		t.Error(got)
	}
	imapSays(t, other, "UNAUTHENTICATE")
	if list, _ := a.Sessions(ctx, admin.SessionQuery{}); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAPOPAndOtherHashes(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.Auth = config.Auth{APOP: true, CRAMMD5: true, Scram: []string{"sha-1", "SHA-512"}, DefaultDomain: servertest.Domain}
	}})
	s.AddAccount("ann")
	must(t, s.Store().Admin.AddDomain(context.Background(), "example.org"))
	c := textproto.NewConn(s.Dial(servertest.POP3))
	greeting, err := c.ReadLine()
	must(t, err)
	challenge := greeting[strings.IndexByte(greeting, '<'):]
	for _, bad := range []string{"", "ann", "ann 00"} {
		c.PrintfLine("APOP %s", bad)
		if got, _ := c.ReadLine(); !strings.HasPrefix(got, "-ERR") {
			t.Errorf("%q: %s", bad, got)
		}
	}
	sum := md5.Sum([]byte(challenge + servertest.Password))
	c.PrintfLine("APOP ann %s", hex.EncodeToString(sum[:]))
	if got, _ := c.ReadLine(); !strings.HasPrefix(got, "+OK") {
		t.Error(got)
	}
	l := s.Line(servertest.POP3)
	l.Ask("AUTH")
	all, err := l.ReadDotLines()
	must(t, err)
	if got := strings.Join(all, " "); got != "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5" {
		t.Error(got)
	}
}

// issued is a client's certificate with its key.
func issued(t *testing.T, ca *x509.Certificate, caKey *ecdsa.PrivateKey, serial int64, address string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	spec := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, EmailAddresses: []string{address}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, spec, ca, key.Public(), caKey)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Clients sign in by a certificate of an authority that the settings name, until it is revoked.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	at := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	spec := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: at, NotAfter: at.Add(100 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	der, err := x509.CreateCertificate(rand.Reader, spec, spec, key.Public(), key)
	must(t, err)
	ca, err := x509.ParseCertificate(der)
	must(t, err)
	caFile, crlFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "crl.pem")
	must(t, os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	listOf := func(serials ...int64) []byte {
		list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: at, NextUpdate: at.Add(time.Hour)}
		for _, n := range serials {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: at})
		}
		der, err := x509.CreateRevocationList(rand.Reader, list, ca, key)
		must(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	}
	revoke := func(serials ...int64) { must(t, os.WriteFile(crlFile, listOf(serials...), 0o600)) }
	revoke(7)
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Auth.ClientCA, c.Auth.ClientCRL = caFile, crlFile }})
	s.AddAccount("ann")
	dial := func(port int, serial int64) net.Conn {
		c := s.TrustingTLS()
		c.Certificates = []tls.Certificate{issued(t, ca, key, serial, ann)}
		return tls.Client(s.Dial(port), c)
	}
	for serial, ok := range map[int64]bool{5: true, 7: false} {
		if got := imapSays(t, dial(servertest.IMAPS, serial), "AUTHENTICATE EXTERNAL ="); strings.HasPrefix(got, "a OK") != ok {
			t.Errorf("IMAP, certificate %d: %s", serial, got)
		}
		l := textproto.NewConn(dial(servertest.Submissions, serial))
		l.ReadLine()
		l.PrintfLine("EHLO x.example")
		l.ReadResponse(250)
		l.PrintfLine("AUTH EXTERNAL =")
		if _, _, err := l.ReadResponse(235); (err == nil) != ok {
			t.Errorf("SMTP, certificate %d: %v", serial, err)
		}
	}
	in := map[int64]net.Conn{5: dial(servertest.IMAPS, 5), 6: dial(servertest.IMAPS, 6)}
	for serial, c := range in {
		if got := imapSays(t, c, "AUTHENTICATE EXTERNAL ="); !strings.HasPrefix(got, "a OK") {
			t.Fatalf("certificate %d: %s", serial, got)
		}
	}
	revoke(5, 7)
	must(t, s.Reload())
	sessions, err := s.Store().Admin.Sessions(t.Context(), admin.SessionQuery{})
	must(t, err)
	if len(sessions) != 1 || sessions[0].Key != "certificate 6" {
		t.Errorf("signed in are %+v", sessions)
	}
	in[5].SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, in[5]); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("who has signed in by a certificate that was revoked goes on")
	}
	if got := imapSays(t, dial(servertest.IMAPS, 5), "AUTHENTICATE EXTERNAL ="); !strings.HasPrefix(got, "a NO") {
		t.Error(got)
	}
	// An authority may have several lists, as after a change of its key.
	must(t, os.WriteFile(crlFile, append(listOf(6), listOf(8)...), 0o600))
	must(t, s.Reload())
	if sessions, err := s.Store().Admin.Sessions(t.Context(), admin.SessionQuery{}); err != nil || len(sessions) > 0 {
		t.Errorf("the second list has taken the place of the first: %+v, %v", sessions, err)
	}
	must(t, os.WriteFile(crlFile, []byte("0 nonsense"), 0o600))
	if err := s.Reload(); err == nil {
		t.Error("nonsense was taken for a list")
	}
}

// wants fails the test unless err is of a kind.
func wants(t *testing.T, err error, k fault.Kind) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Errorf("got %v, want a failure of kind %v", err, k)
	}
}
