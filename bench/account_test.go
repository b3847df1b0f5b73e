package bench

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/config"
)

var largeAccount = flag.Int("account.messages", 200_000, "messages in the large account of BenchmarkAccount; its design is for 1000000")

// BenchmarkAccount: what a folder of 20,000 costs, and one that is as large as -account.messages says. What people do all
// day should cost the same.
func BenchmarkAccount(b *testing.B) {
	for _, n := range []int{20_000, *largeAccount} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := start(b)
			w.fillDifferent(n)
			c := w.imap(0)
			defer c.Close()
			c.imap("SELECT INBOX")
			measured(b, "Deliver", w.deliver)
			measured(b, "Select", each1(c, "SELECT INBOX"))
			measured(b, "First50", each1(c, "FETCH 1:50 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"))
			measured(b, "Last50", each1(c, fmt.Sprintf("FETCH %d:%d (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)", n-49, n)))
			w.indexAll() // what has come since waits, and would cost all searches the same
			c.measureSearches(b, n)
			measured(b, "SearchUnseen", each1(c, "UID SEARCH RETURN (COUNT) UNSEEN"))
			measured(b, "FlagOne", func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					c.imap("STORE %d %sFLAGS (\\Flagged)", i*7919%n+1, []string{"+", "-"}[i/n%2])
				}
			})
			measured(b, "FlagAll", func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					c.imap("STORE 1:* %sFLAGS.SILENT (\\Flagged)", []string{"+", "-"}[i%2])
				}
			})
		})
	}
}

// measured runs f, and tells the processor's time of the whole process: the server's and ours.
func measured(b *testing.B, name string, f func(*testing.B)) {
	b.Run(name, func(b *testing.B) {
		before := processorTime()
		f(b)
		b.ReportMetric(float64((processorTime()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	})
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func each1(c *client, command string) func(*testing.B) {
	return func(b *testing.B) {
		for b.Loop() {
			c.imap("%s", command)
		}
	}
}

// measureSearches measures searches in a folder of n that find as many at any size.
func (c *client) measureSearches(b *testing.B, n int) {
	for _, row := range []struct {
		name, key string
		hits      int
	}{
		{"SearchRareWord", `TEXT "zyxneedle"`, 20},
		{"SearchMissing", `BODY "qqqnotthere"`, 0},
		{"SearchFrom", `FROM "ann77@example"`, 20},
		{"SearchHeader", `HEADER Message-ID "<12345@example.org>"`, 1},
		{"SearchInside10", `HEADER Message-ID "7654321@example.org"`, 10},
	} {
		c.finds(row.hits, row.key)
		measured(b, row.name, c.searches(row.key))
	}
	keys := insideNumbers(n)
	c.finds(1, keys...)
	measured(b, "SearchInside1", c.searches(keys...))
}

// insideNumbers are searches for what each message has that one in a folder of n has, and which for all that a server knows begins inside a word.
func insideNumbers(n int) (keys []string) {
	first := 1
	for 10*first < n {
		first *= 10
	}
	for k := 0; len(keys) < 16; k++ { // no number ends with another as long
		if i := first + k*7919%(n-first); !alike(i) {
			keys = append(keys, fmt.Sprintf(`HEADER Message-ID "%d@example.org"`, i))
		}
	}
	return keys
}

// finds checks that searches find so many each.
func (c *client) finds(hits int, keys ...string) {
	for _, key := range keys {
		if got := c.count(key); got != hits {
			c.b.Errorf("%s finds %d, not %d", key, got, hits)
		}
	}
}

// searches makes searches, one after the other.
func (c *client) searches(keys ...string) func(*testing.B) {
	return func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c.imap("UID SEARCH RETURN (COUNT) %s", keys[i%len(keys)])
		}
	}
}

// count is how many messages a search finds; -1 if that can't be read.
func (c *client) count(key string) int {
	n := -1
	c.n++
	c.send("t%d UID SEARCH RETURN (COUNT) %s\r\n", c.n, key)
	for {
		l := c.line()
		if _, count, ok := strings.Cut(l, "COUNT "); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(count))
		}
		if l == "" || strings.HasPrefix(l, fmt.Sprintf("t%d ", c.n)) {
			return n
		}
	}
}

// deliver measures durable deliveries to the first account, one after the other.
func (w *world) deliver(b *testing.B) {
	c := w.dial(config.LMTP)
	defer c.Close()
	c.send("LHLO client.bench.test\r\n")
	c.expect("250")
	msg := text(1<<10) + ".\r\n"
	for b.Loop() {
		c.send("MAIL FROM:<ann@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n", user(0))
		c.expect("250")
		c.expect("250")
		c.expect("354")
		c.send("%s", msg)
		c.expect("250")
	}
}

// fillDifferent puts n small messages into the inbox of the first account, no two the same. One in 1,000 of the first
// 20,000 has a rare word, one in 2,000 an alike Message-ID, and who wrote them wrote no others: so searches find as much in a small folder as in a large one.
func (w *world) fillDifferent(n int) {
	w.b.Helper()
	boxes := w.s.Store().Mailboxes
	ses, err := boxes.Open(w.b.Context(), w.ids[0], ident.System())
	if err != nil {
		w.b.Fatal(err)
	}
	defer ses.Close()
	in, _ := ses.FolderByRole(mailbox.Inbox)
	for done := 0; done < n; done += 500 {
		items := make([]mailbox.Append, min(500, n-done))
		for i := range items {
			items[i].Content = w.different(boxes, done+i)
		}
		if _, err := ses.Append(w.b.Context(), in.ID, items...); err != nil {
			w.b.Fatal(err)
		}
		for i := range items {
			items[i].Content.Close()
		}
	}
	w.indexAll()
}

// indexAll does what the indexer of the first account hasn't got to.
func (w *world) indexAll() {
	w.b.Helper()
	if err := w.s.Store().Mailboxes.Index(w.b.Context(), w.ids[0], true); err != nil {
		w.b.Fatal(err)
	}
}

// alike reports whether the Message-ID of message i ends as those of nine others do.
func alike(i int) bool { return i < 20_000 && i%2000 == 500 }

func (w *world) different(boxes *mailbox.Store, i int) *mailbox.Content {
	cw := boxes.NewContent()
	id := strconv.Itoa(i)
	if alike(i) {
		id += "7654321"
	}
	fmt.Fprintf(cw, "From: Ann %d <ann%d@example.org>\r\nTo: Ben <ben@example.org>\r\nSubject: number %d of the minutes\r\n"+
		"Message-ID: <%s@example.org>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n\r\n", i%97, i/20_000*1000+i%997, i, id)
	for k := range 20 {
		fmt.Fprintf(cw, "w%x ", (i*31+k*k*7)%(5000<<(k%5)))
	}
	if i < 20_000 && i%1000 == 0 {
		io.WriteString(cw, "zyxneedle")
	}
	c, err := cw.Finish()
	if err != nil {
		w.b.Fatal(err)
	}
	return c
}
