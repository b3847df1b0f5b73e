package talk

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/service/auth"
	"postroad/internal/service/certtest"
	"postroad/internal/service/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a protocol: what the client says comes back, but for words that mean something.
type echo struct {
	*Conn
	in       *bufio.Scanner
	stranger bool
	ends     *atomic.Int32
}

func (e *echo) Run() {
	fmt.Fprintf(e, "hello %s %v\n", e.Peer().Protocol, e.Peer().TLS != nil)
	for e.Arm(e.stranger) == nil && e.in.Scan() {
		e.Command()
		switch e.in.Text() {
		case "panic":
			panic("boom")
		case "enter":
			e.stranger = false
		case "wrong":
			if e.Blame() {
				fmt.Fprintln(e, "too many")
				return
			}
		case "tls":
			if !e.MayStartTLS() || !e.StartTLS() {
				return
			}
		}
		fmt.Fprintf(e, "%s %v\n", e.in.Text(), e.MayShowPassword())
	}
	if errors.Is(e.in.Err(), os.ErrDeadlineExceeded) {
		fmt.Fprintf(e, "silent, closing %v\n", e.Closing())
	}
}

func (e *echo) End() { e.ends.Add(1) }

// world is a Server of echo.
type world struct {
	*Server
	net  memnet.Network
	ends atomic.Int32 // sessions that were told to end
}

func newWorld(t *testing.T, o ListenerOptions, limits Limits) *world {
	t.Helper()
	dir, _ := directorytest.Open(t, directory.Options{})
	w := &world{}
	w.Server = New(Config{
		Name: "Echo", Auth: auth.New(dir, auth.Options{}), Limits: limits,
		TLS:     &tls.Config{Certificates: []tls.Certificate{certtest.Server(t, "mail.example.org")}},
		Session: func(c *Conn) Session { return &echo{c, bufio.NewScanner(c), true, &w.ends} },
		Refusal: func(why string) string { return "go away: " + why + "\n" },
	})
	l, err := w.net.Listen("echo")
	check(t, err)
	served := make(chan error, 1)
	go func() { served <- w.Serve(context.Background(), l, o) }()
	t.Cleanup(func() {
		check(t, w.Shutdown(context.Background()))
		check(t, <-served)
		if st := w.Stats(); st.Open != 0 || st.Clients != 0 {
			t.Errorf("%+v", st)
		}
	})
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hear connects, says all at once and gives all that comes, until the server hangs up.
func (w *world) hear(t *testing.T, from, text string) string {
	t.Helper()
	conn, err := w.net.DialFrom(t.Context(), from, "echo")
	check(t, err)
	defer conn.Close()
	io.WriteString(conn, text)
	all, err := io.ReadAll(conn)
	check(t, err)
	return string(all)
}

func TestErrors(t *testing.T) {
	w := newWorld(t, ListenerOptions{}, Limits{Errors: 2})
	if got := w.hear(t, "192.0.2.1", "a\nwrong\nwrong\nb\n"); got != "hello echo false\na false\nwrong false\ntoo many\n" {
		t.Error(got)
	}
	if got := w.hear(t, "192.0.2.1", "panic\n"); got != "hello echo false\n" {
		t.Error(got)
	}
	check(t, w.Shutdown(t.Context()))
	if st := w.Stats(); st.Connections != 2 || st.Commands != 4 || st.Errors != 2 || st.Panics != 1 || w.ends.Load() != 2 {
		t.Errorf("%+v, %d ends", st, w.ends.Load())
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, ListenerOptions{}, Limits{Connections: 2, ConnectionsPerAddress: 1})
	stay := func(from string) net.Conn {
		conn, err := w.net.DialFrom(t.Context(), from, "echo")
		check(t, err)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if check(t, err); !strings.HasPrefix(line, "hello") {
			t.Error(line)
		}
		return conn
	}
	defer stay("192.0.2.1").Close()
	if got := w.hear(t, "192.0.2.1", ""); got != "go away: too many connections from your address\n" {
		t.Error(got)
	}
	defer stay("192.0.2.2").Close()
	if got := w.hear(t, "192.0.2.3", ""); got != "go away: too many connections\n" {
		t.Error(got)
	}
	if st := w.Stats(); st.Refused != 2 || st.Open != 2 || st.Clients != 2 {
		t.Errorf("%+v", st)
	}
}

func TestTLS(t *testing.T) {
	w := newWorld(t, ListenerOptions{ImplicitTLS: true}, Limits{})
	conn, err := w.net.Dial(t.Context(), "echo")
	check(t, err)
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	defer c.Close()
	io.WriteString(c, "a\ntls\n")
	if all, err := io.ReadAll(c); err != nil || string(all) != "hello echo true\na true\n" { // no TLS within TLS
		t.Errorf("%q %v", all, err)
	}
}

// Strangers have Login in all, others Idle for each command.
func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Minute, "a\nb\n": time.Minute, "enter\n": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, ListenerOptions{}, Limits{Login: time.Minute, Idle: time.Hour})
			began := time.Now()
			got := w.hear(t, "192.0.2.1", text)
			if took := time.Since(began); took != want || !strings.HasSuffix(got, "silent, closing false\n") {
				t.Errorf("%q: %v %s", text, took, got)
			}
		})
	}
}

// Shutdown is heard by who waits.
func TestShutdown(t *testing.T) {
	w := newWorld(t, ListenerOptions{}, Limits{})
	conn, err := w.net.Dial(t.Context(), "echo")
	check(t, err)
	defer conn.Close()
	in := bufio.NewReader(conn)
	_, err = in.ReadString('\n')
	check(t, err)
	check(t, w.Shutdown(t.Context()))
	if got, err := in.ReadString('\n'); err != nil || got != "silent, closing true\n" {
		t.Error(got, err)
	}
}
