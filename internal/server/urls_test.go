package server_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// imapLine is an IMAP client that talks in lines.
type imapLine struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialIMAP(t *testing.T, s *servertest.Server, local string) *imapLine {
	conn := s.DialTLS(servertest.IMAPS)
	t.Cleanup(func() { conn.Close() })
	c := &imapLine{t, conn, bufio.NewReader(conn)}
	c.line()
	c.ask("LOGIN %s@%s %s", local, servertest.Domain, servertest.Password)
	return c
}

func (c *imapLine) line() string {
	c.t.Helper()
	l, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimRight(l, "\r\n")
}

// ask sends a command, which must succeed, and returns the lines before its completion.
func (c *imapLine) ask(format string, args ...any) (lines []string) {
	c.t.Helper()
	fmt.Fprintf(c.conn, "a "+format+"\r\n", args...)
	for {
		l := c.line()
		if strings.HasPrefix(l, "a ") {
			if !strings.HasPrefix(l, "a OK") {
				c.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), l)
			}
			return append(lines, l)
		}
		lines = append(lines, l)
	}
}

// TestForwardWithoutDownload: a message with an attachment is forwarded without that the client has either
// of them: CATENATE (RFC 4469) makes the message, URLAUTH (RFC 4467) the right to send it, BURL (RFC 4468) sends it.
func TestForwardWithoutDownload(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.AddAccount("bob")
	s.Deliver("Subject: pictures\nContent-Type: multipart/mixed; boundary=b\n\n"+
		"--b\n\nlook\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b--\n", "ann")
	c := dialIMAP(t, s, "ann")
	c.ask("SELECT INBOX")
	front := "From: ann@" + servertest.Domain + "\r\nTo: bob@" + servertest.Domain + "\r\nSubject: Fwd: pictures\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=f\r\n\r\n--f\r\n\r\nFor you.\r\n--f\r\n"
	c.ask("APPEND Drafts (\\Draft) CATENATE (TEXT {%d+}\r\n%s URL \"/INBOX/;UID=1/;SECTION=2.MIME\" URL \"/INBOX/;UID=1/;SECTION=2\" TEXT {9+}\r\n\r\n--f--\r\n)",
		len(front), front)
	signed := c.ask(`GENURLAUTH "imap://ann%%40%s@%s/Drafts/;UID=1;URLAUTH=submit+ann%%40%s" INTERNAL`, servertest.Domain, servertest.Hostname, servertest.Domain)[0]
	url := strings.Trim(strings.TrimPrefix(signed, "* GENURLAUTH "), `"`)

	sender := s.Line(servertest.Submission)
	defer sender.Close()
	sender.Ask("EHLO client.example")
	plain := base64.StdEncoding.EncodeToString([]byte("\x00ann@" + servertest.Domain + "\x00" + servertest.Password))
	sender.Ask("AUTH PLAIN %s", plain)
	sender.Ask("MAIL FROM:<ann@%s>", servertest.Domain)
	sender.Ask("RCPT TO:<bob@%s>", servertest.Domain)
	sender.Ask("BURL %s LAST", url)

	// bob can't send by it, and can't read it.
	other := s.Line(servertest.Submission)
	defer other.Close()
	other.Ask("EHLO client.example")
	other.Ask("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00bob@"+servertest.Domain+"\x00"+servertest.Password)))
	other.Ask("MAIL FROM:<bob@%s>", servertest.Domain)
	other.Ask("RCPT TO:<bob@%s>", servertest.Domain)
	if r, err := other.Try("BURL %s LAST", url); err != nil || !strings.HasPrefix(r, "554 5.7.0") {
		t.Errorf("%q %v", r, err)
	}
	b := dialIMAP(t, s, "bob")
	if l := b.ask(`URLFETCH "%s"`, url); !strings.HasSuffix(l[0], " NIL") {
		t.Errorf("%q", l)
	}
	b.ask("SELECT INBOX")
	got := strings.Join(b.ask("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[1] BODY.PEEK[2])"), "\n")
	for _, want := range []string{"* 1 FETCH", "Subject: Fwd: pictures", "For you.", "iVBORw0KGgo="} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "* 2 FETCH") {
		t.Error("it came twice")
	}
}

// TestIMAPEntries: what the settings say to mail programs (METADATA, RFC 5464 §3.2.1.1).
func TestIMAPEntries(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.IMAP.Comment = "Closed on Sundays." }})
	s.AddAccount("ann")
	c := dialIMAP(t, s, "ann")
	want := `* METADATA "" (/shared/admin "mailto:postmaster@` + servertest.Domain + `" /shared/comment "Closed on Sundays.")`
	if got := c.ask(`GETMETADATA "" (/shared/admin /shared/comment)`)[0]; got != want {
		t.Errorf("%s", got)
	}
}

// TestMessageLimitIsTold: the setting comes to those who ask.
func TestMessageLimitIsTold(t *testing.T) {
	for limit, want := range map[int]string{0: " SAVELIMIT=1000 ", 2000: " MESSAGELIMIT=2000 "} {
		s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.IMAP.MessageLimit = limit }})
		s.AddAccount("ann")
		if got := dialIMAP(t, s, "ann").ask("CAPABILITY")[0]; !strings.Contains(got, want) {
			t.Errorf("%d: %s", limit, got)
		}
	}
}

// TestSenderDoesNotRead: an app password that is only for sending doesn't read mail by sending it to somebody (BURL).
func TestSenderDoesNotRead(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.Deliver("Subject: secret\n\nA secret.\n", "ann")
	ann := "ann@" + servertest.Domain
	for name, protocols := range map[string][]string{"554 5.7.0": {"smtp"}, "250 2.0.0": {"smtp", "imap"}} {
		app, err := s.Store().Admin.AddAppPassword(t.Context(), admin.NewAppPassword{Address: ann, Name: name, Protocols: protocols})
		if err != nil {
			t.Fatal(err)
		}
		l := s.Line(servertest.Submission)
		l.Ask("EHLO client.example")
		l.Ask("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+ann+"\x00"+app.Password)))
		l.Ask("MAIL FROM:<%s>", ann)
		l.Ask("RCPT TO:<%s>", ann)
		if r, err := l.Try("BURL imap://%s/INBOX/;UID=1 LAST", servertest.Hostname); err != nil || !strings.HasPrefix(r, name) {
			t.Errorf("%v: %q %v", protocols, r, err)
		}
		l.Close()
	}
}
