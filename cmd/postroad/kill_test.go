package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// The long form: go test ./cmd/postroad -run TestKill -kill.messages 20000 -kill.times 5
var (
	killMessages = flag.Int("kill.messages", 900, "how many messages TestKill delivers")
	killTimes    = flag.Int("kill.times", 2, "how often TestKill kills the server")
)

const (
	killConnections = 20
	killAccounts    = 3
)

// TestKill kills the server again and again while many deliver. After each restart
// every message that was acknowledged is there exactly once, byte for byte, and
// the store doesn't contradict itself.
func TestKill(t *testing.T) {
	t.Parallel()
	var accounts []string
	for n := range killAccounts {
		accounts = append(accounts, fmt.Sprintf("user%d", n))
	}
	k := &killing{t: t, p: install(t, accounts...), outcome: make([]atomic.Int32, *killMessages)}
	for round := range *killTimes {
		k.p.start()
		k.verify()
		k.deliverUntil(*killMessages*(round+1)/(*killTimes+1), true)
	}
	k.p.start()
	k.verify()
	k.deliverUntil(*killMessages, false)
	k.verify()
	if err := k.p.stop(); err != nil {
		t.Errorf("%v: %s", err, k.p.log)
	}
	k.check()
	t.Logf("%d messages sent, %d acknowledged, %d kills", *killMessages, k.count(acknowledged), *killTimes)
}

// What is known of a message.
const (
	unsent       = int32(iota)
	unknown      // begun, and the connection broke before the reply: it may be there or not
	acknowledged // it must be there
)

type killing struct {
	t       *testing.T
	p       *program
	next    atomic.Int64 // the next message to send
	outcome []atomic.Int32
}

func (k *killing) count(what int32) (n int) {
	for i := range k.outcome {
		if k.outcome[i].Load() == what {
			n++
		}
	}
	return n
}

// deliverUntil delivers messages on many connections until number limit is reached. With
// kill, the server is killed then, in the middle of what the connections do.
func (k *killing) deliverUntil(limit int, kill bool) {
	var senders sync.WaitGroup
	reached := make(chan struct{})
	var once sync.Once
	for n := range killConnections {
		senders.Go(func() {
			if err := k.send(n, limit, kill, func() { once.Do(func() { close(reached) }) }); err != nil && !kill {
				k.t.Errorf("connection %d: %v", n, err)
			}
		})
	}
	if kill {
		<-reached
		k.p.kill()
	}
	senders.Wait()
}

// send delivers over one connection: by SMTP or LMTP, one message after the other.
func (k *killing) send(n, limit int, endless bool, reached func()) error {
	protocol := []string{"smtp", "lmtp"}[n%2]
	raw, err := net.Dial("unix", k.p.socket(protocol))
	if err != nil {
		reached()
		return err
	}
	c := &sender{Conn: textproto.NewConn(raw)}
	defer c.Close()
	defer reached()
	c.expect("220")
	c.ask("250", map[string]string{"smtp": "EHLO", "lmtp": "LHLO"}[protocol]+" client.example")
	for c.err == nil {
		number := k.next.Add(1) - 1
		if number >= int64(limit) {
			reached()
		}
		if number >= int64(len(k.outcome)) || number >= int64(limit) && !endless {
			k.next.Add(-1)
			return nil
		}
		k.outcome[number].Store(unknown)
		c.deliver(number)
		if c.err == nil {
			k.outcome[number].Store(acknowledged)
		}
	}
	return c.err
}

// sender speaks SMTP or LMTP; its first error sticks.
type sender struct {
	*textproto.Conn
	err error
}

func (s *sender) expect(code string) {
	for s.err == nil {
		var line string
		if line, s.err = s.ReadLine(); s.err == nil && !strings.HasPrefix(line, code) {
			s.err = fmt.Errorf("got %q, want %s", line, code)
		}
		if len(line) < 4 || line[3] != '-' {
			return
		}
	}
}

func (s *sender) ask(code, command string) {
	if s.err == nil {
		s.err = s.PrintfLine("%s", command)
	}
	s.expect(code)
}

func (s *sender) deliver(number int64) {
	s.ask("250", "MAIL FROM:<sender@client.example>")
	s.ask("250", fmt.Sprintf("RCPT TO:<user%d@example.test>", accountOf(number)))
	s.ask("354", "DATA")
	if s.err == nil {
		w := s.DotWriter()
		_, s.err = w.Write(messageNumber(number))
		if err := w.Close(); s.err == nil {
			s.err = err
		}
	}
	s.expect("250")
}

func accountOf(number int64) int64 { return number % killAccounts }

// messageNumber makes a message of its number alone: up to 8 KB, now and then 300 KB.
func messageNumber(number int64) []byte {
	r := rand.New(rand.NewPCG(uint64(number), 7))
	size := r.IntN(8 << 10)
	if number%200 == 199 {
		size = 300 << 10
	}
	b := fmt.Appendf(nil, "From: sender@client.example\r\nSubject: number %d\r\nX-Number: %d\r\n\r\n", number, number)
	for len(b) < size {
		b = fmt.Appendf(b, "%x\r\n.%x\r\n", r.Uint64(), r.Uint64())
	}
	return b
}

// verify looks at every mailbox by IMAP, and runs the checker.
func (k *killing) verify() {
	k.t.Helper()
	seen := make([]int, len(k.outcome))
	for n := range killAccounts {
		k.readMailbox(n, seen)
	}
	for number, times := range seen {
		switch what := k.outcome[number].Load(); {
		case what == acknowledged && times != 1:
			k.t.Errorf("message %d was acknowledged and is there %d times", number, times)
		case what == unknown && times > 1, what == unsent && times > 0:
			k.t.Errorf("message %d is there %d times", number, times)
		}
	}
	k.check()
}

func (k *killing) check() {
	k.t.Helper()
	if out := k.p.must("", "check"); out != "all is well\n" {
		k.t.Errorf("check: %s", out)
	}
}

// readMailbox counts the messages of one account, and compares their bytes.
func (k *killing) readMailbox(account int, seen []int) {
	k.t.Helper()
	raw, err := net.Dial("unix", k.p.socket("imap"))
	if err != nil {
		k.t.Fatal(err)
	}
	c := imapclient.New(raw, nil)
	defer c.Close()
	if err := c.Login(fmt.Sprintf("user%d@example.test", account), "secret").Wait(); err != nil {
		k.t.Fatal(err)
	}
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil || box.NumMessages == 0 {
		return
	}
	fetch := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	for m := fetch.Next(); m != nil; m = fetch.Next() {
		b, err := m.Collect()
		if err != nil {
			k.t.Fatal(err)
		}
		for _, section := range b.BodySection {
			k.compare(account, section.Bytes, seen)
		}
	}
	if err := fetch.Close(); err != nil {
		k.t.Fatal(err)
	}
}

func (k *killing) compare(account int, got []byte, seen []int) {
	k.t.Helper()
	var number int64
	_, text, _ := bytes.Cut(got, []byte("\r\nX-Number: "))
	if _, err := fmt.Sscanf(string(text[:min(len(text), 20)]), "%d", &number); err != nil || number < 0 || number >= int64(len(seen)) {
		k.t.Errorf("a message that nobody sent: %.200q", got)
		return
	}
	if want := messageNumber(number); !bytes.HasSuffix(got, want) || accountOf(number) != int64(account) {
		k.t.Errorf("message %d has other bytes: %d, not %d, in account %d", number, len(got), len(want), account)
	}
	seen[number]++
}
