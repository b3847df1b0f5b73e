// Package clamd asks ClamAV's daemon for viruses, over TCP or a Unix socket, by its command INSTREAM: the message goes as
// chunks, each with its length (4 bytes, big-endian) in front, the last one empty; the answer is a line.
//
//	C: zINSTREAM\0 <length> <bytes> ... 0000
//	S: stream: OK\0  |  stream: Eicar-Test-Signature FOUND\0  |  INSTREAM size limit exceeded. ERROR\0
//
// See clamd(8), "COMMANDS".
package clamd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
)

// Options say where the daemon is.
type Options struct {
	// Network is "tcp" or "unix", Address host:port or the socket's path.
	Network, Address string
	// Dial connects. It is required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Scanner is a scan.Scanner. It makes a connection for each message, as the daemon wants it.
type Scanner struct{ o Options }

// New makes a Scanner.
func New(o Options) *Scanner { return &Scanner{o} }

// maxAnswer bounds the line that the daemon answers with.
const maxAnswer = 4096

// chunk is how much of a message goes at once.
const chunk = 64 << 10

// Scan implements scan.Scanner.
func (s *Scanner) Scan(ctx context.Context, m *scan.Message) (scan.Finding, error) {
	line, err := s.converse(ctx, func(c net.Conn) error { return send(c, m.Reader()) })
	if err != nil {
		return scan.Finding{}, err
	}
	return parse(line)
}

// Ping implements scan.Scanner: the answer is like "ClamAV 1.4.3/27450/Sat Nov 21 09:30:00 2026", with the date of the signatures.
func (s *Scanner) Ping(ctx context.Context) (string, error) {
	line, err := s.converse(ctx, func(c net.Conn) error {
		_, err := io.WriteString(c, "zVERSION\x00")
		return err
	})
	if err == nil && !strings.HasPrefix(line, "ClamAV") {
		err = fault.New(fault.Unavailable, "it doesn't answer as clamd does")
	}
	return line, err
}

// converse connects, says something, and returns the answer's line. It listens while it speaks: when a message is too large for the
// daemon, that says so and hangs up, and what it said is lost to those who only listen then.
func (s *Scanner) converse(ctx context.Context, say func(net.Conn) error) (string, error) {
	c, err := s.o.Dial(ctx, s.o.Network, s.o.Address)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "no connection")
	}
	defer c.Close()                                                           //nolint:errcheck // all was said
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // then nothing waits for it
	defer stop()
	type heard struct {
		line string
		err  error
	}
	ears := make(chan heard, 1)
	go func() {
		line, err := answer(c)
		c.SetWriteDeadline(time.Unix(1, 0)) //nolint:errcheck // there is nothing more to say
		ears <- heard{line, err}
	}()
	said := say(c)
	if said != nil && ctx.Err() == nil && !errors.Is(said, os.ErrDeadlineExceeded) {
		c.SetReadDeadline(time.Now().Add(afterwards)) //nolint:errcheck // it may have said why
	}
	h := <-ears
	if h.err != nil {
		return "", fault.Wrap(fault.Unavailable, errors.Join(ctx.Err(), said, h.err), "no answer")
	}
	return h.line, nil
}

// afterwards is how long an answer may still take when the daemon listens no more.
const afterwards = time.Second

// send sends a message.
func send(c net.Conn, r io.Reader) error {
	w := bufio.NewWriterSize(c, chunk+64)
	w.WriteString("zINSTREAM\x00") //nolint:errcheck // Flush tells
	b := make([]byte, 4+chunk)
	for {
		n, err := io.ReadFull(r, b[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(b, uint32(n))
			if _, werr := w.Write(b[:4+n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err // ours: the daemon sees a stream without an end, and says nothing
		}
	}
	w.Write([]byte{0, 0, 0, 0}) //nolint:errcheck // Flush tells
	return w.Flush()
}

// answer reads a line that ends with NUL.
func answer(c net.Conn) (string, error) {
	r := bufio.NewReader(io.LimitReader(c, maxAnswer))
	line, err := r.ReadString(0)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(line, "\x00"), nil
}

// parse reads the answer to INSTREAM.
func parse(line string) (scan.Finding, error) {
	line = strings.TrimSpace(line)
	name, found := strings.CutSuffix(line, " FOUND")
	switch _, rest, _ := strings.Cut(name, ": "); {
	case found && rest != "":
		return scan.Finding{Action: scan.Reject, Virus: rest, Certainty: certainty(rest)}, nil
	case line == "stream: OK":
		return scan.Finding{Certainty: scan.Clean}, nil
	case strings.HasPrefix(line, "INSTREAM size limit exceeded"):
		return scan.Finding{Skipped: true, Reason: "too large for clamd"}, nil
	case strings.HasSuffix(line, "ERROR"):
		return scan.Finding{}, fault.New(fault.Unsupported, "clamd has an error: %s", scan.Printable(line, 200))
	}
	return scan.Finding{}, fault.New(fault.Unavailable, "it doesn't answer as clamd does")
}

// certainty: what ClamAV guesses, and programs that only may be unwanted, aren't known viruses.
func certainty(name string) scan.Certainty {
	if strings.HasPrefix(name, "Heuristics.") || strings.HasPrefix(name, "PUA.") {
		return scan.Suspected
	}
	return scan.Infected
}
