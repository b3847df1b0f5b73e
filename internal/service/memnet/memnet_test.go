package memnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pair(t *testing.T, n *Network) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen("imap")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() { c, _ := l.Accept(); accepted <- c }()
	client, err = n.DialFrom(context.Background(), "2001:db8::1", "imap")
	if err != nil {
		t.Fatal(err)
	}
	return client, <-accepted
}

func TestBytesArriveInOrder(t *testing.T) {
	var n Network
	client, server := pair(t, &n)
	want := bytes.Repeat([]byte("0123456789abcdef"), 3*defaultWindow/16)
	go func() { client.Write(want); client.Close() }()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if a := server.RemoteAddr().(*net.TCPAddr); a.IP.String() != "2001:db8::1" {
		t.Error(a)
	}
	if _, err := server.Write([]byte("x")); err == nil {
		t.Error("wrote to a closed peer")
	}
	server.Close()
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(name("a"), name("b"))
		defer a.Close()
		defer b.Close()
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Minute))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Error(err, time.Since(start))
		}
		a.SetWriteDeadline(time.Now().Add(time.Minute))
		if k, err := a.Write(make([]byte, 2*defaultWindow)); k != defaultWindow || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(k, err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a passed deadline was forgotten", err)
		}
		// Moving the deadline into the past wakes whoever reads.
		a.SetDeadline(time.Time{})
		go func() { time.Sleep(time.Second); a.SetReadDeadline(time.Unix(1, 0)) }()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		a.SetReadDeadline(time.Time{})
		go b.Write([]byte("x"))
		if k, err := a.Read(make([]byte, 9)); k != 1 || err != nil {
			t.Error(k, err)
		}
	})
}

func TestListeners(t *testing.T) {
	var n Network
	l, _ := n.Listen("x")
	if _, err := n.Listen("x"); !fault.Is(err, fault.InUse) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.Dial(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	l.Close()
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := n.Dial(context.Background(), "x"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if l, err := n.Listen("x"); err != nil {
		t.Error(err)
	} else {
		l.Close()
	}
}
