package imap

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"postroad/internal/service/memnet"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// These tests talk to the server through an independent client, emersion/go-imap.

func (w *world) goIMAP(o *imapclient.Options) *imapclient.Client {
	w.t.Helper()
	conn := w.connect()
	c := imapclient.New(conn, o)
	w.t.Cleanup(func() { c.Close() })
	return c
}

func TestGoIMAPClient(t *testing.T) {
	w := newWorld(t)
	news := make(chan uint32, 10)
	c := w.goIMAP(&imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				news <- *d.NumMessages
			}
		},
	}})
	must(t, c.Authenticate(sasl.NewPlainClient("", "ann@demo.test", "secret")))
	must(t, c.Create("Work/2026", nil).Wait())
	boxes, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}, ReturnSpecialUse: true}).Collect()
	must(t, err)
	if len(boxes) != 8 || boxes[1].Status == nil || *boxes[1].Status.NumMessages != 0 {
		t.Errorf("%+v", boxes)
	}

	for i := range 3 {
		msg := testMessage(i + 1)
		a := c.Append("Work/2026", int64(len(msg)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen, "$Custom"}, Time: testTime})
		_, err := io.WriteString(a, msg)
		must(t, err)
		must(t, a.Close())
		data, err := a.Wait()
		must(t, err)
		if data.UID != imap.UID(i+1) || data.UIDValidity == 0 {
			t.Errorf("%+v", data)
		}
	}
	sel, err := c.Select("Work/2026", &imap.SelectOptions{CondStore: true}).Wait()
	must(t, err)
	if sel.NumMessages != 3 || sel.UIDNext != 4 || sel.HighestModSeq == 0 {
		t.Errorf("%+v", sel)
	}
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Subject"}, Peek: true}
	msgs, err := c.Fetch(imap.UIDSetNum(1, 2, 3), &imap.FetchOptions{Envelope: true, Flags: true, InternalDate: true, RFC822Size: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	must(t, err)
	for i, m := range msgs {
		want := fmt.Sprintf("Message %d", i+1)
		if m.UID != imap.UID(i+1) || m.Envelope.Subject != want || m.Envelope.From[0].Addr() != fmt.Sprintf("s%d@example.org", i+1) ||
			m.RFC822Size != int64(len(testMessage(i+1))) || m.BodyStructure.MediaType() != "text/plain" || !m.InternalDate.Equal(testTime) ||
			string(m.FindBodySection(section)) != "Subject: "+want+"\r\n\r\n" || len(m.Flags) != 2+1 {
			t.Errorf("%+v %v", m, m.Envelope)
		}
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "message 2"}}}, &imap.SearchOptions{ReturnAll: true, ReturnCount: true}).Wait()
	must(t, err)
	if fmt.Sprint(found.AllUIDs()) != "[2]" || found.Count != 1 {
		t.Errorf("%+v", found)
	}
	stored, err := c.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Collect()
	must(t, err)
	if len(stored) != 1 || stored[0].ModSeq == 0 {
		t.Errorf("%+v", stored)
	}
	copied, err := c.Copy(imap.SeqSetNum(1, 3), "INBOX").Wait()
	must(t, err)
	if fmt.Sprint(copied.SourceUIDs, copied.DestUIDs) != "1,3 1:2" {
		t.Errorf("%+v", copied)
	}
	gone, err := c.Expunge().Collect()
	must(t, err)
	if fmt.Sprint(gone) != "[2]" {
		t.Error(gone)
	}
	_, err = c.Move(imap.UIDSetNum(3), "Trash").Wait()
	must(t, err)

	_, err = c.Select("INBOX", nil).Wait()
	must(t, err)
	for len(news) > 0 {
		<-news
	}
	idle, err := c.Idle()
	must(t, err)
	other := w.user("ann")
	other.ok("SELECT Trash")
	other.ok("COPY 1 INBOX")
	select {
	case n := <-news:
		if n != 3 {
			t.Error(n)
		}
	case <-time.After(20 * time.Second):
		t.Error("IDLE told nothing")
	}
	must(t, idle.Close())
	must(t, idle.Wait())
	must(t, c.Logout().Wait())
}

func TestStartTLS(t *testing.T) {
	w := newWorld(t, func(c *Config, o *ListenerOptions) { c.TLS, o.PlainAllowed = selfSigned(t), false })
	conn := w.connect()
	c, err := imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	must(t, err)
	defer c.Close()
	must(t, c.Login("ann@demo.test", "secret").Wait())
	_, err = c.Select("INBOX", nil).Wait()
	must(t, err)
}

func TestImplicitTLS(t *testing.T) {
	w := newWorld(t, func(c *Config, o *ListenerOptions) {
		c.TLS = selfSigned(t)
		*o = ListenerOptions{ImplicitTLS: true}
	})
	conn := w.connect()
	c := newClient(t, tls.Client(conn, &tls.Config{InsecureSkipVerify: true}))
	if l := c.line(); strings.Contains(l, "STARTTLS") || strings.Contains(l, "LOGINDISABLED") || !strings.Contains(l, "AUTH=SCRAM-SHA-256-PLUS") || !strings.Contains(l, "AUTH=PLAIN") {
		t.Error(l)
	}
	c.ok("LOGIN ann@demo.test secret")
	c.ok("SELECT INBOX")
	if _, done := c.do("STARTTLS"); !strings.HasPrefix(done, "BAD") {
		t.Error(done)
	}
}

// What was sent in the clear behind STARTTLS is never carried out (CVE-2011-0411).
func TestStartTLSInjection(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.TLS = selfSigned(t) })
	conn := w.connect()
	c := newClient(t, conn)
	c.line()
	c.send("a STARTTLS\r\nb LOGIN ann@demo.test secret\r\n")
	if l := c.line(); !strings.HasPrefix(l, "a BAD") {
		t.Error(l)
	}
	if l := c.line(); l != "" {
		t.Error(l)
	}
}

// A connection that breaks in the handshake ends.
func TestBrokenTLS(t *testing.T) {
	w := newWorld(t, func(c *Config, o *ListenerOptions) { c.TLS, o.ImplicitTLS = selfSigned(t), true })
	conn := w.connect()
	go io.WriteString(conn, "a LOGIN ann@demo.test secret\r\n")
	io.ReadAll(conn)
	conn.Close()
}

// The server works on real sockets.
func TestTCP(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(t.Context(), l, ListenerOptions{PlainAllowed: true}) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	c := newClient(t, conn)
	c.line()
	c.ok("LOGIN bob@demo.test secret")
	l.Close()
	must(t, <-done)
	c.ok("SELECT INBOX") // connections outlive their listener
}

func TestImplicitTLSNeedsACertificate(t *testing.T) {
	w := newWorld(t)
	l, err := new(memnet.Network).Listen("imap")
	must(t, err)
	if err := w.server.Serve(t.Context(), l, ListenerOptions{ImplicitTLS: true}); err == nil {
		t.Error("it serves")
	}
}
