package server_test

import (
	"fmt"
	"net/textproto"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
)

// disguises are headers that show people good.example's address, though it is somebody else who writes.
func disguises() map[string]string {
	many := ""
	for i := range 6 {
		many += fmt.Sprintf(", x@d%d.example", i)
	}
	return map[string]string{
		"plain":                   "From: ann@good.example\r\n",
		"upper case":              "FROM: <ANN@GOOD.EXAMPLE>\r\n",
		"obsolete colon":          "From\t : ann@good.example\r\n",
		"folded before the colon": "From\r\n : ann@good.example\r\n",
		"final dot":               "From: <ann@good.example.>\r\n",
		"comment":                 "From: ann@good.(x)example\r\n",
		"blanks":                  "From: ann @ good . example\r\n",
		"route":                   "From: <@a.example,@b.example:ann@good.example>\r\n",
		"group":                   "From: friends: ann@good.example;\r\n",
		"below it":                "From: ann@there.is.none.good.example\r\n",
		"wide letters":            "From: ann@\uff47\uff4f\uff4f\uff44.example\r\n",
		"other dots":              "From: ann@good\u3002example\r\n",
		"NUL":                     "From: <ann@good.example\x00>\r\n",
		"control":                 "From: <ann@good.example\x01>\r\n",
		"quoted domain":           "From: <ann@\"good.example\">\r\n",
		"no address behind":       "From: ann@good.example <>\r\n",
		"only a name":             "From: \"ann@good.example\"\r\n",
		"encoded":                 "From: =?utf-8?q?ann=40good.example?=\r\n",
		"a nobody after":          "From: ann@good.example, nobody\r\n",
		"a nobody before":         "From: nobody, ann@good.example\r\n",
		"another after":           "From: ann@good.example, x@bad.example\r\n",
		"many after":              "From: ann@good.example" + many + "\r\n",
		"many before":             "From: " + many[2:] + ", ann@good.example\r\n",
		"two fields":              "From: x@bad.example\r\nFrom: ann@good.example\r\n",
		"two fields turned":       "From: ann@good.example\r\nFrom: x@bad.example\r\n",
		"a long header":           "From: ann@good.example\r\n" + strings.Repeat("X: "+strings.Repeat("x", 900)+"\r\n", 1300),
		"a long header before":    strings.Repeat("X: "+strings.Repeat("x", 900)+"\r\n", 1300) + "From: ann@good.example\r\n",
		"nonsense before":         "nonsense\r\nFrom: ann@good.example\r\n",
		"an address literal":      "From: ann@good.example, x@[192.0.2.9]\r\n",
	}
}

// TestForgedAuthors: whatever the header looks like, mail in the name of a domain that wants forgeries refused isn't put before people.
func TestForgedAuthors(t *testing.T) {
	s := servertest.Start(t, servertest.Options{DNS: senders(t)})
	s.AddAccount("ann")
	for name, header := range disguises() {
		from(t, s, "203.0.113.9", "x@bad.example", "ann", header+"Subject: "+name+"\r\nTo: ann@example.test\r\n\r\nPay at once.\r\n")
	}
	const honest = "From: MAILER-DAEMON\r\nSubject: honest\r\n\r\nYour mail came back.\r\n"
	if got := from(t, s, "203.0.113.9", "", "ann", honest); !strings.HasPrefix(got, "250 ") {
		t.Error(got)
	}
	c := s.IMAP("ann", nil)
	m, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.NumMessages {
		_, subject, _ := strings.Cut(bytesOf(t, c, imap.UID(i+1)), "Subject: ")
		if subject, _, _ = strings.Cut(subject, "\r\n"); subject != "honest" {
			t.Errorf("in the INBOX: %q", subject)
		}
	}
	if m.NumMessages == 0 {
		t.Error("what shows no address should have come")
	}
}

// TestForgedAuthorsGoNowhere: what is forged in the name of a domain of ours isn't sent on, under a reverse-path of ours that would make it look real.
func TestForgedAuthorsGoNowhere(t *testing.T) {
	w := newTown(t)
	w.zone.Add(t, `_dmarc.example.test. TXT "v=DMARC1; p=quarantine"`)
	must(t, w.house.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "away@example.test", Targets: []string{"ben@there.example"}}))
	for author, want := range map[string]string{"boss@example.test": "550 5.7.1 Mail in the name", "boss@example.test, nobody": "550 5.7.1 Mail in the name", "x@bad.example": "250 "} {
		if got := from(t, w.house, "203.0.113.9", "x@bad.example", "away", "From: "+author+"\r\nSubject: x\r\n\r\nPay at once.\r\n"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", author, got)
		}
	}
}

// TestNoOpenRelay: strangers reach nobody but people here, however they write the address.
func TestNoOpenRelay(t *testing.T) {
	w := newTown(t)
	s := w.house
	s.AddAccount("ann")
	for _, to := range []string{
		"x@there.example", "x%there.example@example.test", "x!there.example@example.test", "there.example!x@example.test", "\"x@there.example\"@example.test",
		"\"x@there.example\"", "@example.test:x@there.example", "@example.test,@there.example:x@there.example", "x@there.example@example.test",
		"x@[198.51.100.2]", "x@[127.0.0.1]", "x@[IPv6:::1]", "x@localhost", "x@example.test.there.example", "x@there.example.example.test",
		"SRS0=AAAAAAAA=AA=there.example=x@example.test", "srs0+AAAAAAAA=AA=there.example=x@example.test", "SRS1=AAAAAAAA=there.example==AA=AA=there.example=x@example.test",
		"\"SRS0=AAAAAAAA=AA=there.example=x\"@example.test", "ann+x@there.example", "\"ann\\@there.example\"@example.test", "ann%there.example", "<x@there.example", "x@example.test>,<x@there.example",
		"x@there.example\x00@example.test", "x@there.example\r@example.test",
	} {
		for _, sender := range []string{"", "ann@example.test", "x@bad.example", "postmaster"} {
			for _, port := range []string{"mem:25", "mem:24"} {
				if got := tryRecipient(t, s, port, sender, to); got != "" && got[0] == '2' {
					t.Errorf("%s: from <%s> to <%s>: %s", port, sender, to, got)
				}
			}
		}
	}
	if got := tryRecipient(t, s, "mem:25", "x@bad.example", "@there.example:ann@example.test"); got == "" || got[0] != '2' {
		t.Errorf("a route that leads to people here: %s", got)
	}
}

// tryRecipient says MAIL and RCPT as a stranger, and returns the last reply; "" if MAIL was refused or the connection ended.
func tryRecipient(t *testing.T, s *servertest.Server, port, sender, to string) string {
	t.Helper()
	conn, err := s.Network.DialFrom(t.Context(), "203.0.113.9", port)
	if err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	last := ""
	for _, line := range []string{"", "HELO c.bad.example", "MAIL FROM:<" + sender + ">", "RCPT TO:<" + to + ">"} {
		if port == "mem:24" {
			line = strings.Replace(line, "HELO", "LHLO", 1)
		}
		if line != "" {
			c.PrintfLine("%s", line)
		}
		for last = "   -"; last[3] == '-'; {
			if last, err = c.ReadLine(); err != nil || len(last) < 4 {
				return ""
			}
		}
		if last[0] != '2' && !strings.HasPrefix(line, "RCPT") {
			return ""
		}
	}
	return last
}
