package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	netsmtp "net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk"
	"postroad/internal/service/sieve/rules"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// house is a server with real mailboxes behind it, for example.org with alice
// (password "sesame"), also known as al, and bob.
type house struct {
	*Server
	dir   *directory.Directory
	store *mailbox.Store
	addr  map[Mode]string // over real TCP
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseWith(t, func(kv.DB, *house) delivery.Options { return delivery.Options{} })
}

func newHouseWith(t testing.TB, options func(kv.DB, *house) delivery.Options) *house {
	t.Helper()
	ctx := t.Context()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	check(t, err)
	t.Cleanup(func() { db.Close() })
	h := &house{store: mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir()}), addr: map[Mode]string{}}
	h.dir, err = directory.Open(ctx, db, directory.Options{Hash: directory.HashParams{MemoryKiB: 64, Time: 1, Threads: 1, ScramIterations: 4096}})
	check(t, err)
	_, err = h.dir.AddDomain(ctx, "example.org")
	check(t, err)
	for _, name := range []string{"alice", "bob"} {
		acc, err := h.dir.AddAccount(ctx, directory.NewAccount{Address: name + "@example.org", Password: "sesame"})
		check(t, err)
		check(t, h.store.Create(ctx, acc.ID, mailbox.Usage{}))
	}
	check(t, h.dir.AddAlias(ctx, "al@example.org", []string{"alice@example.org"}))
	agent := delivery.New(h.dir, h.store, options(db, h))
	h.Server, err = New(Config{
		Hostname: "mx.example.org", Post: NewPost(agent, h.store), Auth: NewAuth(auth.New(h.dir, auth.Options{}), nil),
		Senders: agent, TLS: serverTLS(t),
	})
	check(t, err)
	for _, m := range []Mode{MX, Submission, LMTP} {
		h.listen(t, m)
	}
	return h
}

func (h *house) listen(t testing.TB, m Mode) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	h.addr[m] = l.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(context.Background(), l, ListenerOptions{Mode: m}) }()
	t.Cleanup(func() {
		check(t, h.Shutdown(context.Background()))
		check(t, <-ended)
	})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inbox returns the messages in an account's INBOX.
func (h *house) inbox(t testing.TB, address string) (messages []string) {
	t.Helper()
	target, err := h.dir.Resolve(t.Context(), address)
	check(t, err)
	s, err := h.store.Open(t.Context(), target.Accounts[0], ident.System())
	check(t, err)
	defer s.Close()
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	v, err := s.View(t.Context(), inbox.ID)
	check(t, err)
	for _, row := range v.All(0, v.Len()) {
		text, err := io.ReadAll(io.NewSectionReader(s.Content(row), 0, row.Size))
		check(t, err)
		messages = append(messages, string(text))
	}
	return messages
}

const letterText = "Subject: hello\r\n\r\n.dots\r\n.\r\n..\r\nHow are you?\r\n"

// expectLetter demands that the last message ends with the letter, untouched.
func (h *house) expectLetter(t *testing.T, address, with string) {
	t.Helper()
	got := h.inbox(t, address)
	if len(got) == 0 {
		t.Fatalf("%s has no mail", address)
	}
	last := got[len(got)-1]
	if !strings.HasSuffix(last, letterText) || !strings.Contains(last, " with "+with+" id ") {
		t.Fatalf("%s got %q, want it with %s", address, last, with)
	}
}

// TestNetSMTP: Go's own client, with STARTTLS and PLAIN.
func TestNetSMTP(t *testing.T) {
	h := newHouse(t)
	c, err := netsmtp.Dial(h.addr[Submission])
	check(t, err)
	defer c.Close()
	check(t, c.StartTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "mx.example.org"}))
	if err := c.Auth(netsmtp.PlainAuth("", "alice@example.org", "wrong", "127.0.0.1")); err == nil || !strings.Contains(err.Error(), "5.7.8") {
		t.Errorf("wrong password: %v", err)
	}
	c.Close()

	c, err = netsmtp.Dial(h.addr[Submission])
	check(t, err)
	defer c.Close()
	check(t, c.StartTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "mx.example.org"}))
	check(t, c.Auth(netsmtp.PlainAuth("", "alice@example.org", "sesame", "127.0.0.1")))
	if err := c.Mail("bob@example.org"); err == nil || !strings.Contains(err.Error(), "5.7.1") {
		t.Errorf("somebody else's address: %v", err)
	}
	check(t, c.Mail("al@example.org")) // her own alias
	if err := c.Rcpt("dave@elsewhere.example"); err == nil || !strings.Contains(err.Error(), "isn't available yet") {
		t.Errorf("another domain: %v", err)
	}
	if err := c.Rcpt("nobody@example.org"); err == nil || !strings.Contains(err.Error(), "5.1.1") {
		t.Errorf("nobody: %v", err)
	}
	check(t, c.Rcpt("bob@example.org"))
	w, err := c.Data()
	check(t, err)
	_, err = io.WriteString(w, letterText)
	check(t, err)
	check(t, w.Close())
	check(t, c.Quit())
	h.expectLetter(t, "bob@example.org", "UTF8SMTPSA") // this client says SMTPUTF8 wherever it is offered
	last := h.inbox(t, "bob@example.org")[0]
	if !strings.HasPrefix(last, "Return-Path: <al@example.org>\r\nReceived: from ") || !strings.Contains(last, "\r\nMessage-ID: <") {
		t.Errorf("header: %q", last)
	}
}

// scramClient is SCRAM-SHA-256 for go-smtp's client.
type scramClient struct{ *scram.ClientConversation }

func (c *scramClient) Start() (string, []byte, error) {
	first, err := c.Step("")
	return "SCRAM-SHA-256", []byte(first), err
}

func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	s, err := c.Step(string(challenge))
	return []byte(s), err
}

// TestGoSMTP: emersion's client: SCRAM, LMTP with a status each, parameters.
func TestGoSMTP(t *testing.T) {
	h := newHouse(t)
	c, err := gosmtp.DialStartTLS(h.addr[Submission], &tls.Config{InsecureSkipVerify: true})
	check(t, err)
	defer c.Close()
	sc, err := scram.SHA256.NewClient("alice@example.org", "sesame", "")
	check(t, err)
	check(t, c.Auth(&scramClient{sc.NewConversation()}))
	check(t, c.SendMail("alice@example.org", []string{"bob@example.org", "alice@example.org"}, strings.NewReader(letterText)))
	check(t, c.Quit())
	h.expectLetter(t, "alice@example.org", "ESMTPSA")
	h.expectLetter(t, "bob@example.org", "ESMTPSA")

	c, err = gosmtp.DialStartTLS(h.addr[Submission], &tls.Config{InsecureSkipVerify: true})
	check(t, err)
	defer c.Close()
	check(t, c.Auth(sasl.NewLoginClient("alice@example.org", "sesame")))
	check(t, c.Mail("alice@example.org", &gosmtp.MailOptions{
		Body: gosmtp.Body8BitMIME, Size: 1000, UTF8: true, Return: gosmtp.DSNReturnFull, EnvelopeID: "a+b",
	}))
	check(t, c.Rcpt("bob@example.org", &gosmtp.RcptOptions{
		Notify: []gosmtp.DSNNotify{gosmtp.DSNNotifySuccess}, OriginalRecipientType: gosmtp.DSNAddressTypeRFC822, OriginalRecipient: "bob=x@example.org",
	}))
	w, err := c.Data()
	check(t, err)
	_, err = io.WriteString(w, letterText)
	check(t, err)
	check(t, w.Close())
	check(t, c.Quit())
	h.expectLetter(t, "bob@example.org", "UTF8SMTPSA")
}

func TestGoLMTP(t *testing.T) {
	h := newHouse(t)
	conn, err := net.Dial("tcp", h.addr[LMTP])
	check(t, err)
	c := gosmtp.NewClientLMTP(conn)
	defer c.Close()
	check(t, c.Hello("relay.example"))
	check(t, c.Mail("carol@client.example", nil))
	check(t, c.Rcpt("alice@example.org", nil))
	check(t, c.Rcpt("bob@example.org", nil))
	w, err := c.Data()
	check(t, err)
	_, err = io.WriteString(w, letterText)
	check(t, err)
	statuses, err := w.CloseWithLMTPResponse()
	check(t, err)
	check(t, c.Quit())
	if len(statuses) != 2 {
		t.Errorf("%d statuses", len(statuses))
	}
	h.expectLetter(t, "bob@example.org", "LMTP")
}

// TestBigMessage goes through the spool and comes back byte for byte.
func TestBigMessage(t *testing.T) {
	h := newHouse(t)
	conn, err := net.Dial("tcp", h.addr[MX])
	check(t, err)
	defer conn.Close()
	body := "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 60_000)
	var out bytes.Buffer
	out.WriteString(hello + toAlice)
	for rest := body; rest != ""; {
		chunk := rest[:min(len(rest), 1_000_000)]
		rest = rest[len(chunk):]
		out.WriteString("BDAT " + strconv.Itoa(len(chunk)))
		if rest == "" {
			out.WriteString(" LAST")
		}
		out.WriteString("\r\n" + chunk)
	}
	out.WriteString("QUIT\r\n")
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(out.Bytes())
		sent <- err
	}()
	said, err := io.ReadAll(conn)
	check(t, err)
	check(t, <-sent)
	if !strings.Contains(string(said), "\r\n250 2.0.0 Ok: accepted as ") {
		t.Fatal(string(said))
	}
	if got := h.inbox(t, "alice@example.org"); len(got) != 1 || !strings.HasSuffix(got[0], body) {
		t.Error("the message isn't what was sent")
	}
}

// TestGuessing: wrong passwords in a loop end the session and slow the address.
func TestGuessing(t *testing.T) {
	h := newHouse(t)
	l := serve(t, h.Server, ListenerOptions{Mode: Submission, PlainAllowed: true})
	said := ""
	for range 10 {
		said += talk(t, l, hello+strings.Repeat("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\r\n", 100))
	}
	if n := strings.Count(said, "\r\n535 ") + strings.Count(said, "\r\n454 "); n != 50 {
		t.Errorf("%d guesses in 10 sessions, want 5 each", n)
	}
	if !strings.Contains(said, "\r\n454 4.7.0 ") {
		t.Error("guesses are never slowed")
	}
}

// BenchmarkRealDelivery is a 2 KB message over TCP into a mailbox of a store in memory, from ten clients: as it comes, and judged for
// junk and by a filter script.
func BenchmarkRealDelivery(b *testing.B) {
	b.Run("plain", func(b *testing.B) { realDelivery(b, newHouse(b)) })
	b.Run("judged", func(b *testing.B) { realDelivery(b, newHouseWith(b, judged)) })
	b.Run("judged and filtered", func(b *testing.B) {
		h := newHouseWith(b, func(db kv.DB, h *house) delivery.Options {
			o := judged(db, h)
			o.Filter = rules.New(rules.Options{Dir: h.dir, Store: h.store, Now: time.Now, Host: "mx.example.org"})
			return o
		})
		target, err := h.dir.Resolve(b.Context(), "alice@example.org")
		check(b, err)
		s, err := h.store.Open(b.Context(), target.Accounts[0], ident.System())
		check(b, err)
		defer s.Close()
		check(b, s.PutScript(b.Context(), "main", `require ["fileinto"]; if header :contains "subject" "invoice" { fileinto "Archive"; } elsif address :is "from" "boss@example.org" { fileinto "INBOX"; }`))
		check(b, s.ActivateScript(b.Context(), "main"))
		realDelivery(b, h)
	})
}

func judged(db kv.DB, h *house) delivery.Options {
	return delivery.Options{Judge: junk.New(junk.Options{Store: h.store, DB: db, Secret: make([]byte, 32)})}
}

func realDelivery(b *testing.B, h *house) {
	letter := []byte("Subject: The report for Monday\r\nFrom: Carol <carol@client.example>\r\nTo: alice@example.org\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <1@client.example>\r\n\r\n" +
		strings.Repeat("The quick brown fox jumps over the lazy dog, and so on: it is the\r\nsame with you and me, as http://www.example.com/fox.html says.\r\n", 14) + ".\r\n")
	b.SetParallelism(5)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", h.addr[MX])
		check(b, err)
		defer conn.Close()
		c := &client{Conn: conn, t: b, in: bufio.NewReader(conn)}
		c.hear("220 ")
		c.say(hello)
		c.hear("250 HELP")
		for pb.Next() {
			c.say(toAlice + "DATA\r\n")
			c.hear("354 ")
			_, err := conn.Write(letter)
			check(b, err)
			c.hear("250 2.0.0 ")
		}
	})
}
