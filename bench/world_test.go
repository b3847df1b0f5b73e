package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/server"
	"postroad/internal/server/config"
)

const accounts = 40

// world is a server that runs, and where it listens.
type world struct {
	b    *testing.B
	s    *server.Server
	addr map[string]string // by protocol
	ids  []ident.AccountID
}

// start runs a server on an empty folder, with accounts user0@bench.test and so on.
func start(b *testing.B) *world {
	b.Helper()
	c := config.Default()
	c.Hostname, c.Data, c.Listen = "mail.bench.test", b.TempDir(), nil
	c.Limits.Connections, c.Limits.ConnectionsPerAddress = 20_000, 20_000
	for _, p := range []string{config.LMTP, config.IMAP, config.POP3} {
		c.Listen = append(c.Listen, config.Listener{Protocol: p, Address: "127.0.0.1:0", TLS: config.StartTLS, PlainLogin: true})
	}
	s, err := server.New(b.Context(), c, server.World{Hash: directory.HashParams{MemoryKiB: 64, Time: 1, ScramIterations: 4096}})
	if err != nil {
		b.Fatal(err)
	}
	w := &world{b: b, s: s, addr: map[string]string{}}
	w.addAccounts()
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	<-s.Ready()
	for _, l := range s.Addresses() {
		w.addr[l.Protocol] = l.Address
	}
	return w
}

func (w *world) addAccounts() {
	dir, boxes := w.s.Store().Directory, w.s.Store().Mailboxes
	if _, err := dir.AddDomain(w.b.Context(), "bench.test"); err != nil {
		w.b.Fatal(err)
	}
	var specs []directory.NewAccount
	for i := range accounts {
		specs = append(specs, directory.NewAccount{Address: user(i)})
	}
	made, err := dir.AddAccounts(w.b.Context(), specs, "secret")
	if err != nil {
		w.b.Fatal(err)
	}
	for _, a := range made {
		if err := boxes.Create(w.b.Context(), a.ID, mailbox.Usage{}); err != nil {
			w.b.Fatal(err)
		}
		w.ids = append(w.ids, a.ID)
	}
}

func user(i int) string { return fmt.Sprintf("user%d@bench.test", i%accounts) }

// text is a message of about size bytes.
func text(size int) string {
	head := "From: Ann <ann@example.org>\r\nTo: Ben <ben@example.org>\r\nSubject: the minutes of Monday\r\n" +
		"Message-ID: <1@example.org>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
	return head + strings.Repeat("All work and no play makes mail a dull thing to read.\r\n", size/55)
}

// fill puts n messages of a size into the inbox of the first account.
func (w *world) fill(n, size int) {
	w.b.Helper()
	boxes := w.s.Store().Mailboxes
	cw := boxes.NewContent()
	io.WriteString(cw, text(size))
	c, err := cw.Finish()
	if err != nil {
		w.b.Fatal(err)
	}
	defer c.Close()
	ses, err := boxes.Open(w.b.Context(), w.ids[0], ident.System())
	if err != nil {
		w.b.Fatal(err)
	}
	defer ses.Close()
	in, _ := ses.FolderByRole(mailbox.Inbox)
	for done := 0; done < n; done += 500 {
		items := make([]mailbox.Append, min(500, n-done))
		for i := range items {
			items[i].Content = c
		}
		if _, err := ses.Append(w.b.Context(), in.ID, items...); err != nil {
			w.b.Fatal(err)
		}
	}
}

// client is a connection to the server.
type client struct {
	b *testing.B
	net.Conn
	r *bufio.Reader
	n int // IMAP tags
}

func (w *world) dial(protocol string) *client {
	conn, err := net.Dial("tcp", w.addr[protocol])
	if err != nil {
		w.b.Fatal(err)
	}
	c := &client{b: w.b, Conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	c.line()
	return c
}

func (c *client) line() string {
	l, err := c.r.ReadString('\n')
	if err != nil {
		c.b.Error(err)
	}
	return l
}

func (c *client) send(format string, args ...any) {
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.b.Error(err)
	}
}

// expect reads lines until one doesn't continue, and checks its beginning.
func (c *client) expect(prefix string) {
	for {
		l := c.line()
		if len(l) > 3 && l[3] == '-' {
			continue
		}
		if !strings.HasPrefix(l, prefix) {
			c.b.Errorf("got %q, want %s", l, prefix)
		}
		return
	}
}

// imap sends a command and reads up to its OK, literals as well.
func (c *client) imap(format string, args ...any) {
	c.n++
	tag := fmt.Sprintf("t%d ", c.n)
	c.send(tag+format+"\r\n", args...)
	c.until(tag)
}

func (c *client) until(tag string) {
	for {
		l, err := c.r.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			c.b.Error(err)
			return
		}
		if strings.HasPrefix(string(l), tag) {
			if !strings.HasPrefix(string(l), tag+"OK") {
				c.b.Errorf("got %q", l)
			}
			return
		}
		c.skipLiteral(l)
	}
}

// skipLiteral reads the literal that a line announces at its end.
func (c *client) skipLiteral(l []byte) {
	if len(l) < 5 || string(l[len(l)-3:]) != "}\r\n" {
		return
	}
	open := strings.LastIndexByte(string(l), '{')
	if n, err := strconv.Atoi(string(l[open+1 : len(l)-3])); err == nil {
		if _, err := c.r.Discard(n); err != nil {
			c.b.Error(err)
		}
	}
}

func (w *world) imap(i int) *client {
	c := w.dial(config.IMAP)
	c.imap("LOGIN %s secret", user(i))
	return c
}

// share lets conns goroutines work through b.N jobs.
func share(b *testing.B, conns int, work func(conn int, jobs <-chan int)) {
	jobs := make(chan int)
	done := make(chan struct{})
	b.ReportAllocs()
	b.ResetTimer()
	for k := range conns {
		go func() {
			work(k, jobs)
			done <- struct{}{}
		}()
	}
	for i := range b.N {
		jobs <- i
	}
	close(jobs)
	for range conns {
		<-done
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
