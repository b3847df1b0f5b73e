package imap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// benchSession is a session without a network: input is given, output counted.
type benchSession struct {
	*session
	in  bytes.Buffer
	out countWriter
}

type countWriter struct{ n int64 }

func (w *countWriter) Write(p []byte) (int, error) { w.n += int64(len(p)); return len(p), nil }

func (w *world) bench(first ...string) *benchSession {
	b := &benchSession{}
	b.session = newSession(w.server, &readConn{r: &b.in, w: &b.out}, ListenerOptions{PlainAllowed: true})
	w.t.Cleanup(b.session.close)
	for _, c := range append([]string{"LOGIN ann@demo.test secret"}, first...) {
		b.do(w.t, c)
	}
	return b
}

// do runs one command and returns how many bytes the answer had.
func (b *benchSession) do(t testing.TB, command string) int64 {
	b.in.WriteString("t " + command + "\r\n")
	before := b.out.n
	for b.in.Len() > 0 || b.session.in.buffered() > 0 {
		if err := b.step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	b.session.out.flush()
	return b.out.n - before
}

// fill puts n messages of about size bytes into a folder.
func (w *world) fill(b testing.TB, folder string, n, size int) {
	b.Helper()
	s := w.open("ann")
	must(b, w.store.SetLimit(context.Background(), w.accounts["ann"], mailbox.Usage{}))
	f, err := s.CreateFolder(context.Background(), mailbox.NewFolder{Name: folder})
	must(b, err)
	for done := 0; done < n; {
		var items []mailbox.Append
		for ; done < n && len(items) < 1000; done++ {
			c := w.store.NewContent()
			text := testMessage(done)
			io.WriteString(c, text)
			for left := size - len(text); left > 0; left -= 60 {
				io.WriteString(c, strings.Repeat("some text ", 6)[:58]+"\r\n")
			}
			content, err := c.Finish()
			must(b, err)
			items = append(items, mailbox.Append{Content: content, Received: testTime})
		}
		_, err := s.Append(context.Background(), f.ID, items...)
		must(b, err)
		for _, it := range items {
			it.Content.Close()
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	w := newWorld(b)
	const n = 20_000
	w.fill(b, "big", n, 2000)
	for _, c := range []struct{ name, command string }{
		{"first-sync", "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"},
		{"flags", "UID FETCH 1:* (FLAGS)"},
		{"four-header-fields", "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (From To Subject Date)])"},
		{"bodies-2KB", "UID FETCH 1:* (BODY.PEEK[])"},
		{"search-from", "UID SEARCH FROM alice@example.org"},
		{"search-unseen", "UID SEARCH UNSEEN"},
		{"search-body", "UID SEARCH BODY qqqnotthere"},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := w.bench("SELECT big")
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(s.do(b, c.command))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/msg")
		})
	}
}

func BenchmarkSelect(b *testing.B) {
	w := newWorld(b)
	w.fill(b, "big", 100_000, 0)
	s := w.bench("SELECT big")
	b.ReportAllocs()
	for b.Loop() {
		s.do(b, "SELECT big")
	}
}

func BenchmarkStore(b *testing.B) {
	w := newWorld(b)
	w.fill(b, "big", 20_000, 0)
	b.Run("one", func(b *testing.B) {
		s := w.bench("SELECT big")
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.do(b, fmt.Sprintf("STORE %d %cFLAGS (\\Flagged)", 1+i*7919%20_000, "+-"[i/20_000%2]))
		}
	})
	b.Run("range-silent", func(b *testing.B) {
		s := w.bench("SELECT big")
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.do(b, fmt.Sprintf("STORE 1:* %cFLAGS.SILENT ($bench)", "+-"[i%2]))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	w := newWorld(b)
	w.fill(b, "big", 0, 0)
	s := w.bench()
	msg := testMessage(1) + strings.Repeat("some text of the usual kind\r\n", 60)
	command := fmt.Sprintf("APPEND big {%d+}\r\n%s", len(msg), msg)
	b.ReportAllocs()
	for b.Loop() {
		s.do(b, command)
	}
}

func BenchmarkNoop(b *testing.B) {
	w := newWorld(b)
	s := w.bench("SELECT INBOX")
	b.ReportAllocs()
	for b.Loop() {
		s.do(b, "NOOP")
	}
}

func BenchmarkLargeBody(b *testing.B) {
	w := newWorld(b)
	w.fill(b, "big", 1, 5<<20)
	s := w.bench("SELECT big")
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(s.do(b, "FETCH 1 BODY.PEEK[]"))
	}
}

// BenchmarkIdleMemory tells what a connection in IDLE costs, its client's part of the pipe included.
func BenchmarkIdleMemory(b *testing.B) {
	w := newWorld(b, func(c *Config, _ *ListenerOptions) { c.Limits.ConnsPerAccount = 1 << 20 })
	var conns []net.Conn
	b.ReportAllocs()
	for b.Loop() {
		conn := w.pipe()
		conns = append(conns, conn)
		go io.WriteString(conn, "a LOGIN ann@demo.test secret\r\nb SELECT INBOX\r\nc IDLE\r\n")
		buf := make([]byte, 4096)
		for got := ""; !strings.Contains(got, "+ idling"); {
			n, err := conn.Read(buf)
			must(b, err)
			got += string(buf[:n])
		}
	}
	b.StopTimer()
	reportMemory(b, len(conns))
	for _, c := range conns {
		c.Close()
	}
}
