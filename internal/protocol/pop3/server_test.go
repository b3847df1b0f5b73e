package pop3

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/memnet"
)

func TestEveryKindHasAReply(t *testing.T) {
	table := codes()
	for _, k := range fault.Kinds() {
		if _, ok := table[k]; !ok {
			t.Errorf("no reply for %v", k)
		}
	}
	if got := replyTo(fault.Wrap(fault.Internal, errors.New("disk on fire"), "sda1 burns")); got != "[SYS/TEMP] internal error" {
		t.Errorf("a client hears %q", got)
	}
}

// Unique ids stay the same over sessions, and when a message leaves and comes back; a
// copy and a mailbox made anew get others.
func TestUniqueIDs(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, "Subject: 1\r\n\r\n", "Subject: 2\r\n\r\n")
	ids := func() []string {
		t.Helper()
		c := w.enter(t)
		c.say("UIDL")
		lines := c.multi()
		c.say("QUIT")
		c.expect("+OK goodbye")
		for i, l := range lines {
			n, id, _ := strings.Cut(l, " ")
			if n != fmt.Sprint(i+1) || !regexp.MustCompile(`^[!-~]{1,70}$`).MatchString(id) {
				t.Fatalf("%q is no unique id", l)
			}
			lines[i] = id
		}
		return lines
	}
	before := ids()
	w.inbox(t, w.ann, func(s *mailbox.Session, f mailbox.Folder) {
		trash, _ := s.FolderByRole(mailbox.Trash)
		moved, _, err := s.Move(t.Context(), f.ID, []mailbox.UID{1}, trash.ID)
		check(t, err)
		_, _, err = s.Move(t.Context(), trash.ID, []mailbox.UID{moved[0].To}, f.ID)
		check(t, err)
		_, _, err = s.Copy(t.Context(), f.ID, []mailbox.UID{2}, f.ID)
		check(t, err)
	})
	after := ids() // 2, 1 (back again), copy of 2
	if len(before) != 2 || len(after) != 3 || after[0] != before[1] || after[1] != before[0] || after[2] == before[0] || after[2] == before[1] {
		t.Errorf("%q became %q", before, after)
	}
	check(t, w.store.Delete(t.Context(), w.ann))
	w.pass(time.Minute)
	check(t, w.store.Create(t.Context(), w.ann, mailbox.Usage{}))
	w.put(t, w.ann, "Subject: 1\r\n\r\n")
	if got := ids(); got[0] == before[0] {
		t.Errorf("a new mailbox has the old one's id %s", got[0])
	}
}

func TestOnlyQuitDeletes(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, "Subject: 1\r\n\r\n")
	c := w.enter(t)
	c.ask("DELE 1")
	c.conn.Close()
	for { // the lock is given back when the session has ended
		if d := w.dial(t, "192.0.2.1"); d.line() != "" {
			d.ask("USER ann@example.org")
			if strings.HasPrefix(d.ask("PASS secret"), "+OK 1 ") {
				return
			}
			d.conn.Close()
		}
		runtime.Gosched()
	}
}

func TestLargeMaildropsAndMessages(t *testing.T) {
	w := newWorld(t, plain, nil)
	var texts []string
	for i := range 3000 {
		texts = append(texts, fmt.Sprintf("Subject: %d\r\n\r\n.%d\r\n", i, i))
	}
	big := "Subject: big\r\n\r\n" + strings.Repeat(".0123456789abcdef\r\n", 300_000)
	w.put(t, w.ann, append(texts, big)...)
	c := w.enter(t)
	for _, cmd := range []string{"LIST", "UIDL"} {
		c.say(cmd)
		if got := c.multi(); len(got) != 3001 {
			t.Errorf("%s has %d lines", cmd, len(got))
		}
	}
	c.say("RETR 3001")
	if got := strings.Join(c.multi(), "\r\n") + "\r\n"; got != big {
		t.Error("the message differs")
	}
	c.say("TOP 3001 1")
	if got := c.multi(); len(got) != 3 {
		t.Errorf("TOP gave %q", got)
	}
	go io.WriteString(c.conn, "RETR 1\r\nRETR 2\r\nDELE 3\r\nRETR 3000\r\nQUIT\r\n")
	for _, i := range []int{0, 1, -1, 2999} {
		if i < 0 {
			c.expect("+OK it will be deleted at QUIT")
		} else if got := strings.Join(c.multi(), "\r\n") + "\r\n"; got != texts[i] {
			t.Errorf("message %d is %q", i, got)
		}
	}
	c.expect("+OK goodbye")
	if got := w.Stats(); got.Retrieved != 4 || got.Deleted != 1 {
		t.Errorf("%+v", got)
	}
}

// Long lines: at the limit, above and far beyond it.
func TestLongLines(t *testing.T) {
	w := newWorld(t, plain, nil)
	c := w.dial(t, "192.0.2.1")
	c.line()
	for length, want := range map[int]string{
		maxLine: "+OK now the password", maxLine + 1: "-ERR the line is too long", 60_000: "-ERR the line is too long",
	} {
		if got := c.ask("USER " + strings.Repeat("a", length-7)); got != want {
			t.Errorf("%d octets: %s", length, got)
		}
	}
	// An initial response may be longer (RFC 5034 §4), and a response.
	response := base64.StdEncoding.EncodeToString([]byte("\x00ann@example.org\x00" + strings.Repeat("x", 1000)))
	if got := c.ask("AUTH PLAIN " + response); got != "-ERR [AUTH] wrong name or password" {
		t.Error(got)
	}
	if got := c.ask("AUTH PLAIN " + strings.Repeat("A", maxSASLLine)); got != "-ERR the line is too long" {
		t.Error(got)
	}
	c.ask("AUTH PLAIN")
	if got := c.ask(response); got != "-ERR [AUTH] wrong name or password" {
		t.Error(got)
	}
	c.ask("AUTH PLAIN")
	if got := c.ask(strings.Repeat("A", maxSASLLine)); got != "-ERR the response can't be read" {
		t.Error(got)
	}
	go io.WriteString(c.conn, strings.Repeat("A", 10*maxSkipped))
	c.expect("-ERR the line is too long")
	c.closed()
}

func TestScram(t *testing.T) {
	w := newWorld(t, ListenerOptions{}, nil)
	client, err := scram.SHA256.NewClient("ann@example.org", "secret", "")
	check(t, err)
	talk := client.NewConversation()
	c := w.dial(t, "192.0.2.1")
	c.line()
	first, err := talk.Step("")
	check(t, err)
	answer := c.ask("AUTH SCRAM-SHA-256 " + base64.StdEncoding.EncodeToString([]byte(first)))
	for range 2 {
		challenge, ok := strings.CutPrefix(answer, "+ ")
		if !ok {
			t.Fatal(answer)
		}
		raw, err := base64.StdEncoding.DecodeString(challenge)
		check(t, err)
		response, err := talk.Step(string(raw))
		check(t, err)
		answer = c.ask(base64.StdEncoding.EncodeToString([]byte(response)))
	}
	if answer != "+OK 0 messages (0 octets)" || !talk.Valid() {
		t.Error(answer)
	}
}

// RFC 1939 §7: the password is all that follows PASS and a space.
func TestPasswordsWithSpaces(t *testing.T) {
	w := newWorld(t, plain, nil)
	check(t, w.dir.SetPassword(t.Context(), w.ann, " a  b "))
	c := w.dial(t, "192.0.2.1")
	c.line()
	c.ask("USER ann@example.org")
	c.expectAsk("PASS a b", "-ERR [AUTH] wrong name or password")
	c.ask("USER ann@example.org")
	c.expectAsk("PASS  a  b ", "+OK 0 messages (0 octets)")
}

func TestImplicitTLS(t *testing.T) {
	w := newWorld(t, ListenerOptions{ImplicitTLS: true}, withTLS(t))
	c := w.dial(t, "192.0.2.1")
	c.startTLS()
	c.expect("+OK mail.example.org Postroad POP3 ready")
	c.ask("USER ann@example.org")
	if got := c.ask("PASS secret"); got != "+OK 0 messages (0 octets)" {
		t.Error(got)
	}
	c.ask("QUIT")
	c.closed()
	d := w.dial(t, "192.0.2.1") // one that doesn't speak TLS
	go io.WriteString(d.conn, "USER ann@example.org\r\n")
	io.Copy(io.Discard, d.conn)
}

func TestConnectionsAreLimited(t *testing.T) {
	few := func(c *Config) { c.Limits.Connections, c.Limits.ConnectionsPerAddress = 5, 2 }
	inFakeTime(t, few, testConnectionsAreLimited)
}

func testConnectionsAreLimited(t *testing.T, w *world) {
	open := func(from, want string) *client {
		t.Helper()
		synctest.Wait() // who was sent away has left
		c := w.dial(t, from)
		c.expect(want)
		return c
	}
	const ready = "+OK mail.example.org Postroad POP3 ready"
	first := open("192.0.2.1", ready)
	open("192.0.2.1", ready)
	open("192.0.2.1", "-ERR [SYS/TEMP] too many connections from your address").closed()
	open("2001:db8::1", ready)
	open("2001:db8::2", ready)
	open("2001:db8::3", "-ERR [SYS/TEMP] too many connections from your address").closed()
	open("127.0.0.1", ready)
	open("127.0.0.1", "-ERR [SYS/TEMP] too many connections").closed()
	first.ask("QUIT")
	first.closed()
	open("192.0.2.1", ready)
	if got := w.Stats(); got.Refused != 3 || got.Connections != 8 {
		t.Errorf("%+v", got)
	}
}

func TestFaultsOfOursEndOneSession(t *testing.T) {
	w := newWorld(t, plain, nil)
	other := w.enter(t)
	w.commands["BOOM"] = command{always, func(*session, []byte) { panic("boom") }}
	c := w.dial(t, "192.0.2.1")
	c.line()
	c.say("BOOM")
	c.closed()
	if got := other.ask("NOOP"); got != "+OK still here" {
		t.Error(got)
	}
	if w.panics = 1; !strings.Contains(w.log.String(), "panic=boom") {
		t.Error("the panic isn't logged")
	}
}

func TestShutdownTakesLeave(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, "Subject: 1\r\n\r\n")
	idle, stranger := w.enter(t), w.dial(t, "192.0.2.1")
	stranger.line()
	idle.ask("DELE 1")
	done := make(chan error)
	go func() { done <- w.Shutdown(context.Background()) }()
	idle.expect("-ERR [SYS/TEMP] shutting down")
	idle.closed()
	stranger.expect("-ERR [SYS/TEMP] shutting down")
	check(t, <-done)
	if n := w.count(t, w.ann); n != 1 {
		t.Error("a message was deleted without QUIT")
	}
	check(t, w.Serve(t.Context(), w.listen(t), plain)) // at once
}

func TestShutdownCutsThoseWhoDontListen(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, strings.Repeat("x\r\n", 100_000))
	c := w.enter(t)
	c.say("RETR 1") // and nobody reads
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestServeTellsWhyItEnds(t *testing.T) {
	w := newWorld(t, plain, nil)
	if err := w.Serve(t.Context(), broken{}, plain); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, err := new(memnet.Network).Listen("pop3")
	check(t, err)
	check(t, w.Serve(ctx, l, plain))
}

// broken is a listener that fails.
type broken struct{}

func (broken) Accept() (net.Conn, error) { return nil, errors.New("boom") }
func (broken) Close() error              { return nil }
func (broken) Addr() net.Addr            { return &net.UnixAddr{Name: "broken", Net: "mem"} }

// inFakeTime runs a test with clients that take theirs. Nothing lies on the way to them: what they don't read, the server can't write.
func inFakeTime(t *testing.T, change func(*Config), fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain, change)
		w.net.Window = 1
		fn(t, w)
	})
}

func TestSilentClients(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, w *world) {
		began := time.Now()
		stranger := w.dial(t, "192.0.2.1")
		stranger.line()
		stranger.expect("-ERR you were silent for too long")
		stranger.closed()
		if got := time.Since(began); got != 3*time.Minute {
			t.Errorf("a stranger may be silent for %v", got)
		}
		c := w.enter(t)
		time.Sleep(9 * time.Minute)
		c.expectAsk("NOOP", "+OK still here")
		began = time.Now()
		c.expect("-ERR you were silent for too long")
		c.closed()
		if got := time.Since(began); got != 10*time.Minute {
			t.Errorf("a client may be silent for %v", got)
		}
	})
}

// One byte a second keeps nobody's connection open for longer.
func TestSlowClients(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, w *world) {
		stranger := w.dial(t, "192.0.2.1")
		stranger.line()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, err := io.WriteString(stranger.conn, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		began := time.Now()
		for line := ""; line != "-ERR you were silent for too long"; {
			line = stranger.line()
		}
		stranger.closed()
		<-ended
		if got := time.Since(began); got < 3*time.Minute || got > 3*time.Minute+time.Second {
			t.Errorf("it took %v", got)
		}
	})
}

// One who reads a byte a second of a long message is cut off.
func TestSlowReaders(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, w *world) {
		w.put(t, w.ann, strings.Repeat("0123456789\r\n", 100_000))
		c := w.enter(t)
		c.say("RETR 1")
		began := time.Now()
		n := 0
		for b := make([]byte, 1); ; n++ {
			if _, err := c.conn.Read(b); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if got := time.Since(began); got > 5*time.Minute || n > 5*60 {
			t.Errorf("%d bytes in %v", n, got)
		}
	})
}

// Half-open connections: nothing comes, not even an end.
func TestHalfOpenConnections(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, w *world) {
		for range 50 {
			w.dial(t, "127.0.0.1").line()
		}
		synctest.Wait()
		if got := w.Stats().Open; got != 50 {
			t.Errorf("%d sessions", got)
		}
		// Who says goodbye to them waits for a reader, for as long as Limits.Write says.
		time.Sleep(3*time.Minute + 2*time.Minute + time.Second)
		synctest.Wait()
		if got := w.Stats().Open; got != 0 {
			t.Errorf("%d sessions are left", got)
		}
	})
}

// One who guesses in a loop, coming again and again, is soon refused unseen.
// Somebody else, also at that address, isn't disturbed.
func TestWrongPasswordsInALoop(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.enter(t).ask("QUIT") // her password is known
	wrong, refused := 0, 0
	for range 20 {
		c := w.dial(t, "192.0.2.1")
		go io.WriteString(c.conn, strings.Repeat("USER bob@example.org\r\nPASS wrong\r\n", 10))
		heard, _ := io.ReadAll(c.r)
		wrong += strings.Count(string(heard), "-ERR [AUTH] wrong name or password\r\n")
		refused += strings.Count(string(heard), "-ERR [SYS/TEMP] too many failed sign-ins")
		if !strings.HasSuffix(string(heard), "-ERR too many errors\r\n") {
			t.Fatalf("heard %q", heard)
		}
	}
	if wrong != 5 || refused != 195 {
		t.Errorf("%d guesses were looked at, %d refused", wrong, refused)
	}
	w.enter(t)
}

func (c *client) expectAsk(say, want string) {
	c.t.Helper()
	c.say(say)
	c.expect(want)
}

// Over a real network as well: addresses, deadlines, closing.
func TestTCP(t *testing.T) {
	w := newWorld(t, plain, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ended := make(chan error, 1)
	go func() { ended <- w.Serve(t.Context(), l, plain) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	c := &client{t: t, conn: conn, r: bufio.NewReader(conn)}
	c.expect("+OK mail.example.org Postroad POP3 ready")
	c.ask("USER ann@example.org")
	c.expectAsk("PASS secret", "+OK 0 messages (0 octets)")
	c.expectAsk("QUIT", "+OK goodbye")
	c.closed()
	l.Close()
	check(t, <-ended)
}

func FuzzSession(f *testing.F) {
	w := newWorld(f, plain, func(c *Config) { c.Limits.Errors = 1000 })
	w.put(f, w.ann, "Subject: 1\r\n\r\n.\r\n", "x\n.\n", "")
	f.Add([]byte("CAPA\r\nSTAT\r\nLIST\r\nLIST 1\r\nUIDL\r\nRETR 1\r\nRETR 2\r\nRETR 3\r\nTOP 1 1\r\nDELE 9\r\nRSET\r\nNOOP\r\n"), uint8(1))
	f.Add([]byte("AUTH PLAIN\r\n*\r\nAUTH LOGIN =\r\nUSER x\r\nPASS y\r\n"), uint8(0))
	f.Add([]byte("LANG *\r\nUTF8\r\nSTLS\r\n\x00\r\n"+strings.Repeat("a", 300)+"\r\n"), uint8(7))
	f.Fuzz(func(t *testing.T, said []byte, portion uint8) {
		near := w.dial(t, "192.0.2.1").conn
		go func() {
			head := "USER ann@example.org\r\nPASS secret\r\n"
			if portion%2 == 0 {
				head = ""
			}
			r := strings.NewReader(head + string(said) + "\r\nRSET" + strings.Repeat("\r\nQUIT", 5) + "\r\n") // an exchange may eat some
			io.CopyBuffer(near, struct{ io.Reader }{&portions{r, int(portion) + 1}}, make([]byte, 512))
		}()
		heard, _ := io.ReadAll(near)
		if !strings.HasPrefix(string(heard), "+OK mail.example.org") {
			t.Fatalf("heard %q", heard)
		}
		if w.Stats().Panics > 0 {
			t.Fatal(w.log.String())
		}
	})
}

func BenchmarkRetr(b *testing.B) {
	w := newWorld(b, plain, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	go w.Serve(context.Background(), l, plain)
	defer l.Close()
	text := "Subject: 1\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n", 375)
	w.put(b, w.ann, text)
	conn, err := net.Dial("tcp", l.Addr().String())
	check(b, err)
	defer conn.Close()
	c := &client{t: b, conn: conn, r: bufio.NewReader(conn)}
	c.line()
	c.ask("USER ann@example.org")
	c.ask("PASS secret")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	ask, answer := []byte("RETR 1\r\n"), make([]byte, len("+OK the message follows\r\n")+len(text)+len(".\r\n"))
	for b.Loop() {
		conn.Write(ask)
		if _, err := io.ReadFull(conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSession(b *testing.B) {
	w := newWorld(b, plain, nil)
	w.put(b, w.ann, "Subject: 1\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		c := w.enter(b)
		c.expectAsk("STAT", "+OK 1 14")
		c.expectAsk("QUIT", "+OK goodbye")
		c.closed()
	}
}
