package server_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dialer"
	"postroad/internal/service/imapclient"
	"postroad/internal/service/move"
)

// twoServers are one with mail of bob's, and another that reaches it by its name and trusts it.
func twoServers(t *testing.T) (here, there *servertest.Server) {
	t.Helper()
	there = servertest.Start(t, servertest.Options{})
	there.AddAccount("bob")
	for i := range 3 {
		there.Deliver(fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", i), "bob")
	}
	roots := x509.NewCertPool()
	roots.AddCert(there.Certificate().Leaf())
	here = servertest.Start(t, servertest.Options{Roots: roots, Dial: reach(there)})
	here.AddAccount("ann")
	return here, there
}

func reach(there *servertest.Server) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return there.Network.Dial(ctx, "mem:"+port)
	}
}

// TestFetchFromAnotherServer: by each protocol and kind of TLS, with a policy, and without the password in any answer.
func TestFetchFromAnotherServer(t *testing.T) {
	here, there := twoServers(t)
	d := here.Store().Admin
	for i, f := range []admin.NewFetch{
		{Protocol: "pop3", Security: "tls", Address: servertest.Hostname + ":995", Policy: "keep"},
		{Protocol: "pop3", Security: "starttls", Address: servertest.Hostname + ":110", Policy: "keep"},
		{Protocol: "imap", Security: "starttls", Address: servertest.Hostname + ":143", Policy: "keep"},
		{Protocol: "imap", Security: "tls", Address: servertest.Hostname + ":993", Policy: "delete"},
	} {
		f.Account, f.User, f.Secret, f.EverySeconds = "ann@"+servertest.Domain, "bob@"+servertest.Domain, servertest.Password, 600
		f.Folder = []string{"From there", fmt.Sprint(i)}
		made, err := d.AddFetch(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // besides, the server does so by itself
			if r, err := d.RunFetch(t.Context(), made.ID); err != nil {
				t.Errorf("%s %s: %+v, %v", f.Protocol, f.Security, r, err)
			}
		}
	}
	if got := subjects(t, here, "ann"); len(got) != 12 {
		t.Error(got)
	}
	if left := subjects(t, there, "bob"); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	_, err := d.AddFetch(t.Context(), admin.NewFetch{Account: "ann@" + servertest.Domain, Protocol: "imap", Security: "tls",
		Address: servertest.Hostname + ":993", User: "bob@" + servertest.Domain, Secret: "wrong", Policy: "keep", EverySeconds: 600})
	if !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("with a wrong password: %v", err)
	}
	if all, err := d.Fetches(t.Context(), ""); len(all) != 4 || err != nil || all[0].Count != 3 || all[0].Account != "ann@"+servertest.Domain {
		t.Error(all, err)
	}
	there.Deliver("Subject: later\r\n\r\nbody\r\n", "bob")
	if err := d.RemoveAccount(t.Context(), admin.Removal{Address: "ann@" + servertest.Domain}); err != nil {
		t.Fatal(err)
	}
	if r, err := d.RunFetch(t.Context(), 4); err == nil || len(subjects(t, there, "bob")) != 1 {
		t.Errorf("for an account that was removed: %+v, %v", r, err)
	}
	if _, err := d.BringBackAccount(t.Context(), admin.Restoral{Address: "ann@" + servertest.Domain}); err != nil {
		t.Fatal(err)
	}
	if r, err := d.RunFetch(t.Context(), 4); r.Fetched != 1 || err != nil {
		t.Errorf("when it was brought back: %+v, %v", r, err)
	}
	if err := d.RemoveAccount(t.Context(), admin.Removal{Address: "ann@" + servertest.Domain, Now: true}); err != nil {
		t.Fatal(err)
	}
	if all, err := d.Fetches(t.Context(), ""); len(all) != 0 || err != nil {
		t.Error(all, err)
	}
	here.Check()
}

// TestFetchTrusts: a certificate that nobody knows is trusted where that was said, and nowhere else.
func TestFetchTrusts(t *testing.T) {
	there := servertest.Start(t, servertest.Options{})
	there.AddAccount("bob")
	there.Deliver("Subject: 1\r\n\r\nbody\r\n", "bob")
	here := servertest.Start(t, servertest.Options{Dial: reach(there), Roots: x509.NewCertPool()})
	here.AddAccount("ann")
	f := admin.NewFetch{Account: "ann@" + servertest.Domain, User: "bob@" + servertest.Domain, Secret: servertest.Password, Policy: "keep", EverySeconds: 600,
		Protocol: "imap", Security: "tls", Address: servertest.Hostname + ":993"}
	d := here.Store().Admin
	if _, err := d.AddFetch(t.Context(), f); !fault.Is(err, fault.Denied) {
		t.Errorf("a certificate of nobody: %v", err)
	}
	theirs := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: there.Certificate().Leaf().Raw})
	for _, wrong := range []string{"no certificate", string(theirs) + strings.Repeat("\n", 64<<10)} {
		f.Trust = wrong
		if _, err := d.AddFetch(t.Context(), f); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v", wrong, err)
		}
	}
	f.Trust = string(theirs)
	made, err := d.AddFetch(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.RunFetch(t.Context(), made.ID); err != nil || len(subjects(t, here, "ann")) != 1 {
		t.Error(err)
	}
	f.Trust, f.Protocol, f.Address = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: here.Certificate().Leaf().Raw})), "pop3", servertest.Hostname+":995"
	if _, err := d.AddFetch(t.Context(), f); !fault.Is(err, fault.Denied) {
		t.Errorf("trusting another certificate: %v", err)
	}
}

// TestFetchesWhatIsDue: the server does it by itself.
func TestFetchesWhatIsDue(t *testing.T) {
	here, _ := twoServers(t)
	bell := here.Mailbox(admin.Account{ID: accountID(t, here, "ann")}).Bell()
	_, err := here.Store().Admin.AddFetch(t.Context(), admin.NewFetch{Account: "ann@" + servertest.Domain, Protocol: "pop3", Security: "tls",
		Address: servertest.Hostname + ":995", User: "bob@" + servertest.Domain, Secret: servertest.Password, Policy: "keep", EverySeconds: 600, Unchecked: true})
	if err != nil {
		t.Fatal(err)
	}
	<-bell
}

func accountID(t *testing.T, s *servertest.Server, local string) uint64 {
	t.Helper()
	a, err := s.Store().Admin.Account(t.Context(), local+"@"+servertest.Domain)
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// TestImportFromAnotherServer: a whole account by IMAP, from our own server, with folders, flags and dates.
func TestImportFromAnotherServer(t *testing.T) {
	here, there := twoServers(t)
	bob := there.Mailbox(admin.Account{ID: accountID(t, there, "bob")})
	inbox, _ := bob.FolderByRole(mailbox.Inbox)
	sent, _ := bob.FolderByRole(mailbox.Sent)
	work, err := bob.CreateFolder(t.Context(), mailbox.NewFolder{Name: "Über & co", Parent: sent.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := bob.Move(t.Context(), inbox.ID, []mailbox.UID{2}, work.ID); err != nil {
		t.Fatal(err)
	}
	from := move.FromIMAP(move.IMAP{Account: "bob", Connect: func(ctx context.Context) (*imapclient.Client, error) {
		c, err := imapclient.Dial(ctx, imapclient.Options{Options: dialer.Options{Address: servertest.Hostname + ":993", TLS: there.TrustingTLS(), Dial: reach(there)}})
		if err != nil {
			return nil, err
		}
		return c, c.Login("bob@"+servertest.Domain, servertest.Password)
	}})
	d := here.Store().Admin
	result, err := d.Import(t.Context(), admin.ImportQuery{Address: "ann@" + servertest.Domain}, from)
	if err != nil || result.Added != 3 {
		t.Fatal(result, err)
	}
	want := map[string]bool{"INBOX uid 1: 0": true, "INBOX uid 2: 2": true, "Über & co uid 1: 1": true}
	if d := cmp.Diff(want, subjects(t, here, "ann")); d != "" {
		t.Error(d)
	}
	if have, err := d.Brought(t.Context(), "ann@"+servertest.Domain); len(have) != 2 || err != nil {
		t.Error(have, err)
	}
	here.Check()
}
