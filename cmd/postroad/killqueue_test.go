package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// The long form: scripts/killqueue.sh
var (
	killQueued     = flag.Int("kill.queued", 600, "how many messages TestKillQueue sends")
	killQueueTimes = flag.Int("kill.queuetimes", 3, "how often TestKillQueue kills the server")
)

// atOnce is how many attempts the queue has under way for one destination: that many messages may arrive twice because of one kill.
const atOnce = 20

// TestKillQueue kills the server again and again while it sends what is in its queue. Nothing is lost, and each kill may have sent again what
// was under way: what the other side had taken, and we had not written down yet.
func TestKillQueue(t *testing.T) {
	t.Parallel()
	p := install(t)
	s := newSink(t, p.path("sink.sock"), *killQueued)
	settings, err := os.OpenFile(p.path("postroad.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(settings, "[[route]]\nhost = %q\n", "unix:"+p.path("sink.sock")); err != nil || settings.Close() != nil {
		t.Fatal(err)
	}
	enqueue(t, p.path("postroad.toml"), *killQueued, live)
	twice := 0
	for round := range *killQueueTimes {
		p.start()
		s.wait((*killQueued) * (round + 1) / (*killQueueTimes + 1))
		p.kill()
		before := twice
		if twice = s.settle(); twice-before > atOnce {
			t.Errorf("kill %d: %d messages came twice because of one kill", round, twice-before)
		}
	}
	p.start()
	s.wait(*killQueued)
	for p.must("", "queue", "list") != "nothing\n" { // the last transactions
	}
	// What was noted in the last second before a kill may be missing, but never all.
	if out := p.must("", "trace", "--sender", "ann@example.test", "--limit", "100"); !strings.Contains(out, "relayed: 250 2.0.0 ok") {
		t.Errorf("the trace: %.1000s", out)
	}
	if err := p.stop(); err != nil {
		t.Errorf("%v: %s", err, p.log)
	}
	twice = s.settle()
	if missing := s.missing(*killQueued); len(missing) > 0 || twice > *killQueueTimes*atOnce {
		t.Errorf("%d are missing: %v; %d came twice", len(missing), missing[:min(len(missing), 10)], twice)
	}
	if out := p.must("", "check"); out != "all is well\n" {
		t.Errorf("check: %s", out)
	}
	t.Logf("%d messages, %d kills, %d came twice", *killQueued, *killQueueTimes, twice)
}

// enqueue fills a stopped server's queue.
func enqueue(t *testing.T, file string, n int, to func(i int) string) {
	t.Helper()
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	store, err := server.OpenStore(t.Context(), c, server.World{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	send := func(context.Context, transfer.Job) []transfer.Outcome { return nil }
	q, err := queue.Open(t.Context(), store.DB, queue.Options{Send: send, Note: store.Trace.Note,
		Destination: func(_ *transfer.Envelope, r *transfer.Recipient) string {
			if strings.HasSuffix(r.Address, "@dead.example") {
				return "dead.example"
			}
			return "unix:" + filepath.Join(filepath.Dir(file), "sink.sock")
		}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for worker := range 20 {
		all.Go(func() {
			for i := worker; i < n; i += 20 {
				text := strings.NewReader(fmt.Sprintf("Message-ID: <%d@queue.example>\r\nSubject: x\r\n\r\n%s\r\n", i, strings.Repeat("text ", 20)))
				err := q.Submit(t.Context(), transfer.Envelope{ID: to(i)[:strings.IndexByte(to(i), '@')] + fmt.Sprint("q", i), From: "ann@example.test", Received: time.Now()},
					[]transfer.Recipient{{Address: to(i)}}, text)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// sink takes all mail and remembers which: it is the other side, which outlives the server.
type sink struct {
	l net.Listener

	mu    sync.Mutex
	idle  *sync.Cond     // of mu: no connection is left
	open  int            // guarded by mu: connections
	seen  map[string]int // guarded by mu: how often each Message-ID came
	reach int            // guarded by mu: somebody waits for so many
	there chan struct{}  // told when so many came
}

func newSink(t *testing.T, socket string, n int) *sink {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{l: l, seen: make(map[string]int, n), there: make(chan struct{}, 1)}
	s.idle = sync.NewCond(&s.mu)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.count(1)
			go func() {
				defer s.count(-1)
				s.serve(c)
			}()
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		<-done
		s.settle()
	})
	return s
}

// count counts connections.
func (s *sink) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open += n; s.open == 0 {
		s.idle.Broadcast()
	}
}

// serve speaks as much SMTP as it takes. A message is noted before its 250.
func (s *sink) serve(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReader(c), bufio.NewWriter(c)
	say := func(line string) bool {
		_, err := out.WriteString(line + "\r\n")
		if in.Buffered() > 0 && err == nil { // pipelined
			return true
		}
		return out.Flush() == nil
	}
	for ok := say("220 sink.example"); ok; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:min(4, len(line))]); verb {
		case "EHLO":
			ok = say("250-sink.example") && say("250-PIPELINING") && say("250 8BITMIME")
		case "DATA":
			if ok = say("354 go on"); ok {
				out.Flush()
				if ok = s.take(in); ok {
					ok = say("250 2.0.0 ok")
				}
			}
		case "QUIT":
			say("221 bye")
			out.Flush()
			return
		default:
			ok = say("250 ok")
		}
	}
}

func (s *sink) take(in *bufio.Reader) bool {
	id := ""
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if v, is := strings.CutPrefix(line, "Message-ID: "); is && id == "" {
			id = strings.TrimSpace(v)
		}
		if line == ".\r\n" {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[id]++
	if len(s.seen) >= s.reach {
		select {
		case s.there <- struct{}{}:
		default:
		}
	}
	return true
}

// wait returns when n different messages have come.
func (s *sink) wait(n int) {
	s.mu.Lock()
	s.reach = n
	have := len(s.seen)
	select { // an old one
	case <-s.there:
	default:
	}
	s.mu.Unlock()
	if have < n {
		<-s.there
	}
}

// settle waits for the connections to end, and counts what came more than once: each time too often.
func (s *sink) settle() (twice int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.open > 0 {
		s.idle.Wait()
	}
	for _, n := range s.seen {
		twice += n - 1
	}
	return twice
}

func (s *sink) missing(n int) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		if id := fmt.Sprintf("<%d@queue.example>", i); s.seen[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
