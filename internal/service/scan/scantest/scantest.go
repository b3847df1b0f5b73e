// Package scantest proves scanners against programs that misbehave: they don't listen, say nothing, break off, talk nonsense, or
// never come to an end. Whatever they do, mail must go the way that the administrator has chosen, in time.
package scantest

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/service/scan"
)

// Dial connects to a program.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Serve is a Dial to a program inside the test. serve has each connection for itself, and it is closed when serve returns.
func Serve(serve func(net.Conn)) Dial {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			serve(server)
		}()
		return client, nil
	}
}

// Message is a message to show, of at least n bytes.
func Message(n int) *scan.Message {
	text := "From: <ann@example.org>\r\nTo: <bob@example.test>\r\nSubject: hello\r\n\r\nHello.\r\n"
	if more := n - len(text); more > 0 {
		text += strings.Repeat("0123456789abcdef\r\n", more/18+1)
	}
	return &scan.Message{ID: "id1", From: "ann@example.org", To: []string{"bob@example.test", "carol@example.test"}, Helo: "mail.example.org",
		Hostname: "mail.example.test", Content: strings.NewReader(text), Size: int64(len(text))}
}

// Program is what Misbehave needs to know.
type Program struct {
	// New makes the scanner.
	New func(Dial) scan.Scanner
	// Answer is a right answer, of which it will send but a part.
	Answer string
}

const timeout = 20 * time.Second

var errRefused = errors.New("connection refused")

// Misbehave shows messages to the program in every bad mood.
func Misbehave(t *testing.T, p Program) {
	t.Helper()
	half := p.Answer[:len(p.Answer)/2]
	for name, serve := range map[string]func(net.Conn){
		"refuses":      nil,
		"hangs up":     func(net.Conn) {},
		"deaf":         func(c net.Conn) { wait(c) },
		"dumb":         func(c net.Conn) { drain(c) },
		"half listens": func(c net.Conn) { io.CopyN(io.Discard, c, 100) },
		"garbage":      talking(func(c net.Conn) { io.WriteString(c, "\xff\x00\xfe 250 OK \r\n{\x00\x00\x00\x00\x00\r\n\r\n") }),
		"half answer":  talking(func(c net.Conn) { io.WriteString(c, half) }),
		"half, waits":  talking(func(c net.Conn) { io.WriteString(c, half); wait(c) }),
		"endless": talking(func(c net.Conn) {
			for b := []byte(strings.Repeat("A", 64<<10)); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}),
		"zeros": talking(func(c net.Conn) {
			for b := make([]byte, 64<<10); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}),
		"drips": talking(func(c net.Conn) {
			for i := range len(p.Answer) {
				time.Sleep(timeout / 5)
				if _, err := c.Write([]byte(p.Answer[i : i+1])); err != nil {
					return
				}
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, onFailure := range []scan.Action{scan.Accept, scan.TempFail} {
				synctest.Test(t, func(t *testing.T) { misbehave(t, p, serve, onFailure) })
			}
		})
	}
}

func misbehave(t *testing.T, p Program, serve func(net.Conn), onFailure scan.Action) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }
	if serve != nil {
		dial = Serve(serve)
	}
	scanner := p.New(dial)
	defer func() {
		Close(scanner)
		time.Sleep(20 * timeout) // the program is done then
		synctest.Wait()
	}()
	set := scan.New([]scan.Program{{Name: "one", Scanner: scanner, Timeout: timeout, OnFailure: onFailure, Virus: scan.Reject, Most: scan.Reject}}, scan.Options{})
	began := time.Now()
	r := set.Scan(t.Context(), Message(200_000), nil)
	if took := time.Since(began); took > timeout {
		t.Errorf("it took %v", took)
	}
	if f := r.Findings[0]; !f.Failed || f.Action != onFailure || f.Reason == "" || r.Action() != onFailure {
		t.Errorf("on failure %v: %+v", onFailure, f)
	}
}

// talking reads all that comes, beside what speak does.
func talking(speak func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		io.ReadFull(c, make([]byte, 10)) //nolint:errcheck // so much the worse
		done := make(chan struct{})
		go func() {
			defer close(done)
			drain(c)
		}()
		speak(c)
		c.Close() //nolint:errcheck // it is one that misbehaves
		<-done
	}
}

func drain(c net.Conn) { io.Copy(io.Discard, c) } //nolint:errcheck // until it ends

// wait waits until the other side hangs up, without reading what it says first.
func wait(c net.Conn) {
	time.Sleep(10 * timeout)
}

// Close closes what a scanner holds, if it can be.
func Close(s scan.Scanner) {
	if c, ok := s.(io.Closer); ok {
		c.Close() //nolint:errcheck // as far as it goes
	}
}
