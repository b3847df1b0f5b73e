package bench

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"postroad/internal/server/config"
)

var (
	sizes = []int{2 << 10, 50 << 10}
	conns = []int{1, 10, 50}
)

func each(b *testing.B, run func(b *testing.B, size, conns int)) {
	for _, size := range sizes {
		for _, n := range conns {
			b.Run(fmt.Sprintf("%dK/%dconns", size>>10, n), func(b *testing.B) { run(b, size, n) })
		}
	}
}

// BenchmarkDeliver: LMTP deliveries, each acknowledged when durable.
func BenchmarkDeliver(b *testing.B) {
	each(b, func(b *testing.B, size, n int) {
		w := start(b)
		msg := text(size) + ".\r\n"
		share(b, n, func(_ int, jobs <-chan int) {
			c := w.dial(config.LMTP)
			defer c.Close()
			c.send("LHLO client.bench.test\r\n")
			c.expect("250")
			for i := range jobs {
				c.send("MAIL FROM:<ann@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n", user(i))
				c.expect("250")
				c.expect("250")
				c.expect("354")
				c.send("%s", msg)
				c.expect("250")
			}
		})
	})
}

// BenchmarkAppend: IMAP APPEND, one message at a time.
func BenchmarkAppend(b *testing.B) {
	each(b, func(b *testing.B, size, n int) {
		w := start(b)
		msg := text(size)
		share(b, n, func(k int, jobs <-chan int) {
			c := w.imap(k)
			defer c.Close()
			for range jobs {
				c.imap("APPEND INBOX (\\Seen) {%d+}\r\n%s", len(msg), msg)
			}
		})
	})
}

// inbox is a client of a server of its own, that has selected an INBOX of n messages. What follows is measured.
func inbox(b *testing.B, n, size int) *client {
	b.Helper()
	w := start(b)
	w.fill(n, size)
	c := w.imap(0)
	b.Cleanup(func() { c.Close() })
	c.imap("SELECT INBOX")
	b.ReportAllocs()
	return c
}

// BenchmarkFirstSync: what a client asks of a folder of 20,000 that it sees for the first time.
func BenchmarkFirstSync(b *testing.B) {
	c := inbox(b, 20_000, 2<<10)
	for b.Loop() {
		c.imap("UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
	}
}

// BenchmarkHeaders: four header fields of 20,000 messages.
func BenchmarkHeaders(b *testing.B) {
	c := inbox(b, 20_000, 2<<10)
	for b.Loop() {
		c.imap("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])")
	}
}

// BenchmarkBodies: whole messages.
func BenchmarkBodies(b *testing.B) {
	c := inbox(b, 2_000, 26<<10)
	b.SetBytes(int64(2_000 * len(text(26<<10))))
	for b.Loop() {
		c.imap("UID FETCH 1:* (BODY.PEEK[])")
	}
}

// BenchmarkSelect: SELECT of 100,000 messages that somebody has used before.
func BenchmarkSelect(b *testing.B) {
	c := inbox(b, 100_000, 1<<10)
	for b.Loop() {
		c.imap("SELECT INBOX")
	}
}

// BenchmarkStore: durable flag changes in a folder of 20,000, one by one.
func BenchmarkStore(b *testing.B) {
	c := inbox(b, 20_000, 1<<10)
	for i := 0; b.Loop(); i++ {
		c.imap("STORE %d %sFLAGS (\\Flagged)", i*7919%20_000+1, []string{"+", "-"}[i/20_000%2])
	}
}

// BenchmarkStoreRange: one flag of all 20,000.
func BenchmarkStoreRange(b *testing.B) {
	c := inbox(b, 20_000, 1<<10)
	for i := 0; b.Loop(); i++ {
		c.imap("STORE 1:* %sFLAGS.SILENT (\\Flagged)", []string{"+", "-"}[i%2])
	}
}

// BenchmarkRetr: POP3 RETR, pipelined by 20.
func BenchmarkRetr(b *testing.B) {
	const n = 5_000
	w := start(b)
	w.fill(n, 12<<10)
	c := w.dial(config.POP3)
	defer c.Close()
	c.send("USER %s\r\n", user(0))
	c.expect("+OK")
	c.send("PASS secret\r\n")
	c.expect("+OK")
	b.SetBytes(int64(len(text(12 << 10))))
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += 20 {
		m := min(20, b.N-done)
		var ask strings.Builder
		for i := range m {
			fmt.Fprintf(&ask, "RETR %d\r\n", (done+i)%n+1)
		}
		c.send("%s", ask.String())
		for range m {
			c.expect("+OK")
			for {
				l, err := c.r.ReadSlice('\n')
				if err != nil {
					b.Fatal(err)
				}
				if string(l) == ".\r\n" {
					break
				}
			}
		}
	}
}

// BenchmarkIdleMemory: what 1,000 connections that wait in IDLE take, server and
// client together, since both are in this process.
func BenchmarkIdleMemory(b *testing.B) {
	w := start(b)
	const n = 1000
	for range b.N {
		before := inUse()
		cs := make([]*client, n)
		for i := range cs {
			c := w.imap(i)
			c.imap("SELECT INBOX")
			c.send("i IDLE\r\n")
			c.expect("+")
			c.r = nil
			cs[i] = c
		}
		b.ReportMetric(float64(inUse()-before)/n, "B/conn")
		for _, c := range cs {
			c.Close()
		}
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
