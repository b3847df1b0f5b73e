package server_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

func (b *box) script(text string) {
	b.t.Helper()
	must(b.t, b.s.PutScript(b.t.Context(), "main", text))
	must(b.t, b.s.ActivateScript(b.t.Context(), "main"))
}

// TestFiltersBetweenServers: what a script here sends arrives there, authenticated: an answer, a redirected message.
func TestFiltersBetweenServers(t *testing.T) {
	w := newTown(t)
	ann, ben, dora := addBox(t, w.origin, "ann@good.example"), addBox(t, w.neighbour, "ben@there.example"), addBox(t, w.house, "dora@example.test")
	dora.script(`require ["vacation", "copy", "imap4flags"]; vacation "I am away."; redirect :copy "ben@there.example"; addflag "\\Flagged";`)
	msg := signedLetter(t, w.house, "To: dora@example.test\r\n")
	if got := from(t, w.house, originIP, "ann@good.example", "dora", msg); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	text := ben.wait(1)
	if path := returnPath(t, text); !strings.HasPrefix(path, "SRS0=") || !strings.HasSuffix(text, msg) {
		t.Errorf("from %s:\n%s", path, text)
	}
	contains(t, text, "Authentication-Results: mx.there.example;", "spf=pass", "dkim=pass", "arc=pass", "Delivered-To: dora@example.test\r\n")
	answer := ann.wait(1)
	if returnPath(t, answer) != "" {
		t.Error("an answer from somebody")
	}
	contains(t, answer, "DKIM-Signature: ", "From: dora@example.test\r\n", "Auto-Submitted: auto-replied (vacation)\r\n", "I am away.\r\n")
	f, _ := dora.s.FolderByRole(mailbox.Inbox)
	v, err := dora.s.View(t.Context(), f.ID)
	must(t, err)
	if v.Len() != 1 || v.At(0).Flags&mailbox.Flagged == 0 {
		t.Errorf("%d messages", v.Len())
	}
	w.house.Check()
}

// TestRefusingFilter: RFC 5429 §2.1: who delivers hears of it at once; of several recipients, by a notification.
func TestRefusingFilter(t *testing.T) {
	w := newTown(t)
	ann, dora := addBox(t, w.origin, "ann@good.example"), addBox(t, w.house, "dora@example.test")
	dora.script(`require "reject"; reject "Please write to somebody else.";`)
	if got := from(t, w.house, originIP, "ann@good.example", "dora", signedLetter(t, w.house, "")); got != "550 5.7.1 Please write to somebody else." {
		t.Error(got)
	}
	if len(dora.texts())+len(ann.texts()) != 0 {
		t.Error("somebody has mail")
	}
	w.house.Check()
}

// TestManageSieve: a script that a program stores decides about the next message; RFC 5804.
func TestManageSieve(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	dora := addBox(t, s, "dora@"+servertest.Domain)
	c, err := s.Network.DialFrom(t.Context(), "192.0.2.1", "mem:4190")
	must(t, err)
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(line string) string {
		t.Helper()
		if line != "" {
			_, err := c.Write([]byte(line + "\r\n"))
			must(t, err)
		}
		for {
			l, err := r.ReadString('\n')
			must(t, err)
			if strings.HasPrefix(l, "OK") || strings.HasPrefix(l, "NO") || strings.HasPrefix(l, "BYE") {
				return l
			}
		}
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00dora@" + servertest.Domain + "\x00" + servertest.Password))
	for _, line := range []string{"", `AUTHENTICATE "PLAIN" "` + plain + `"`, `PUTSCRIPT "main" "require [\"fileinto\"]; fileinto \"Archive\";"`, `SETACTIVE "main"`} {
		if got := say(line); !strings.HasPrefix(got, "OK") {
			t.Fatalf("%s: %s", line, got)
		}
	}
	if got := from(t, s, "192.0.2.9", "x@plain.example", "dora", letter("x@plain.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	f, _ := dora.s.FolderByRole(mailbox.Archive)
	if v, err := dora.s.View(t.Context(), f.ID); err != nil || v.Len() != 1 {
		t.Errorf("%d messages, %v", v.Len(), err)
	}
	say("LOGOUT")
}

// TestAdministratorsScripts run before and behind people's own, which may include theirs; one that is wrong keeps the server from starting.
func TestAdministratorsScripts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	before := write("before.sieve", `require "editheader"; addheader "X-House" "ours";`)
	after := write("after.sieve", `require ["fileinto", "mailbox"]; if header "x-own" "yes" { fileinto :create "Sorted"; }`)
	write("mark.sieve", `require "editheader"; addheader "X-Own" "yes";`)
	set := func(c *config.Config) {
		c.Sieve = config.Sieve{Before: []string{before}, After: []string{after}, Global: dir}
	}
	s := servertest.Start(t, servertest.Options{Change: set})
	dora := addBox(t, s, "dora@"+servertest.Domain)
	dora.script(`require ["include", "editheader"]; if exists "x-house" { include :global "mark"; }`)
	if got := from(t, s, "192.0.2.9", "x@plain.example", "dora", letter("x@plain.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	f, ok := dora.s.Child(0, "Sorted")
	if !ok {
		t.Fatal("the script behind has not run")
	}
	if v, err := dora.s.View(t.Context(), f.ID); err != nil || v.Len() != 1 {
		t.Errorf("%d messages, %v", v.Len(), err)
	}
	dora.script(`nonsense;`) // gets nobody around the administrator's
	if got := from(t, s, "192.0.2.9", "x@plain.example", "dora", letter("x@plain.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	contains(t, strings.Join(dora.texts(), "\r\n"), "X-House: ours\r\n")
	contains(t, strings.Join(dora.texts(), "\r\n"), "Subject: Your mail filter does not work as it should\r\n")
	if _, err := s.Store().Admin.PutScript(t.Context(), admin.NewScript{Address: "dora@" + servertest.Domain, Name: "x", Text: `require "include"; include :global "../../etc/passwd";`}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}

	c := config.Default()
	c.Data, c.Hostname = t.TempDir(), "mail.example.test"
	c.Sieve.Before = []string{write("wrong.sieve", "keep")}
	if _, err := server.New(t.Context(), c, server.World{}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "wrong.sieve:1:5") {
		t.Error(err)
	}
}

// TestAdministratorsScriptsChange: they are read again by themselves or when told to, with what people's scripts include of them; a
// wrong one changes nothing, and the log says so.
func TestAdministratorsScriptsChange(t *testing.T) {
	dir := t.TempDir()
	before := filepath.Join(dir, "before.sieve")
	write := func(name, header string) {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(`require "editheader"; addheader "X-`+header+`" "yes";`), 0o600))
	}
	write("before.sieve", "One")
	write("mark.sieve", "Mark-One")
	var said bytes.Buffer
	s := servertest.Start(t, servertest.Options{Logger: slog.New(slog.NewTextHandler(&said, nil)), Change: func(c *config.Config) {
		c.Sieve = config.Sieve{Before: []string{before}, Global: dir}
	}})
	dora := addBox(t, s, "dora@"+servertest.Domain)
	dora.script(`require "include"; include :global "mark";`)
	next := func() string {
		t.Helper()
		if got := from(t, s, "192.0.2.9", "x@plain.example", "dora", letter("x@plain.example")); !strings.HasPrefix(got, "250 ") {
			t.Fatal(got)
		}
		all := dora.texts()
		return all[len(all)-1]
	}
	contains(t, next(), "X-Mark-One", "X-One")
	s.LookAtRules() // nothing has changed
	write("before.sieve", "Second")
	write("mark.sieve", "Mark-Second")
	contains(t, next(), "X-Mark-One", "X-One")
	s.LookAtRules()
	contains(t, next(), "X-Mark-Second", "X-Second")
	must(t, os.WriteFile(before, []byte("nonsense"), 0o600))
	if err := s.Reload(); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	must(t, os.Remove(before))
	s.LookAtRules()
	contains(t, next(), "X-Mark-Second", "X-Second")
	write("before.sieve", "Third")
	must(t, s.Reload())
	contains(t, next(), "X-Third")
	must(t, s.Stop())
	contains(t, said.String(), "read again", "level=ERROR", "the old ones stay in use")
}
