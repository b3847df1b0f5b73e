package imap

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"postroad/internal/format/inflate"
)

// squeezed is a client's end of a connection with COMPRESS.
type squeezed struct {
	net.Conn
	w *flate.Writer
	r io.Reader
}

func squeezeConn(t testing.TB, c net.Conn) *squeezed {
	w, err := flate.NewWriter(c, 6)
	must(t, err)
	return &squeezed{c, w, flate.NewReader(c)}
}

func (s *squeezed) Read(p []byte) (int, error) { return s.r.Read(p) }

func (s *squeezed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err == nil {
		err = s.w.Flush()
	}
	return n, err
}

// readTo reads byte by byte up to a text.
func readTo(t testing.TB, r io.Reader, text string) string {
	t.Helper()
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte(text)); {
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got = append(got, b[0])
	}
	return string(got)
}

// say sends without waiting for the other side to read.
func say(c net.Conn, text string) { go io.WriteString(c, text) }

func (w *world) compressed() (net.Conn, *squeezed) {
	conn := w.pipe()
	readTo(w.t, conn, "ready\r\n")
	say(conn, "a LOGIN ann@demo.test secret\r\n")
	readTo(w.t, conn, "logged in\r\n")
	say(conn, "b COMPRESS DEFLATE\r\n")
	if got := readTo(w.t, conn, "\r\n"); got != "b OK DEFLATE active\r\n" {
		w.t.Fatal(got)
	}
	return conn, squeezeConn(w.t, conn)
}

// TestPartialFlush: zlib's Z_PARTIAL_FLUSH ends what is sent by an empty block of fixed codes, of which the last bits may be
// missing. mbsync 1.4 does so. The bytes are zlib's for "c NOOP\r\n".
func TestPartialFlush(t *testing.T) {
	w := newWorld(t)
	conn, s := w.compressed()
	defer conn.Close()
	say(s.Conn, "\x4a\x56\xf0\xf3\xf7\x0f\xe0\xe5\x02\x08")
	readTo(t, s.r, "c OK that was nothing\r\n")
}

// RFC 4978 §3.
func TestCompress(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "big", 300, 5000)
	conn, s := w.compressed()
	c := newClient(t, s)
	if caps := c.ok("CAPABILITY"); strings.Contains(caps[0], "COMPRESS") {
		t.Error(caps)
	}
	if _, done := c.do("COMPRESS DEFLATE"); !strings.HasPrefix(done, "BAD") {
		t.Error(done)
	}
	c.ok("SELECT big")
	if got := c.ok("FETCH 1:* (UID BODY.PEEK[])"); len(strings.Join(got, "\r\n")) < 300*5000 {
		t.Error(len(got))
	}
	text := strings.Repeat("a line of text that comes again and again\r\n", 5000)
	c.ok(fmt.Sprintf("APPEND big {%d+}\r\n%s", len(text), text))
	got := c.ok("FETCH * (BODY.PEEK[])")
	if strings.Join(got[1:len(got)-1], "\r\n")+"\r\n" != text {
		t.Error("what was appended comes back as something else")
	}
	c.send("i1 IDLE\r\n")
	if l := c.line(); l != "+ idling" {
		t.Fatal(l)
	}
	c.send("DONE\r\n")
	if l := c.line(); !strings.HasPrefix(l, "i1 OK") {
		t.Fatal(l)
	}
	conn.Close()
}

// Commands sent before the answer are not compressed, so there is nothing to inflate (RFC 4978 §3).
func TestNothingFollowsCompress(t *testing.T) {
	w := newWorld(t)
	out := string(w.sessionOf([]byte("a LOGIN ann@demo.test secret\r\nb COMPRESS DEFLATE\r\nc NOOP\r\n")))
	if !strings.Contains(out, "\r\nb BAD ") || !strings.HasSuffix(out, "c OK that was nothing\r\n") {
		t.Errorf("%q", out)
	}
}

// However the bytes are cut, the same commands come out; and the commands of a client that flushes take little memory.
func TestInflateInPortions(t *testing.T) {
	var all bytes.Buffer
	fw, err := flate.NewWriter(&all, 9)
	must(t, err)
	var want []string
	for i := range 400 {
		want = append(want, fmt.Sprintf("t%d NOOP %s", i, strings.Repeat("x", i%300)))
		io.WriteString(fw, want[i]+"\r\n")
		if i%3 != 0 {
			must(t, fw.Flush())
		}
	}
	must(t, fw.Flush())
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(all.Bytes()), "bytes": iotest.OneByteReader(bytes.NewReader(all.Bytes())), "halves": iotest.HalfReader(bytes.NewReader(all.Bytes())),
	} {
		for _, size := range []int{1, 7, 256, 4096} {
			d := newDeflated(&readConn{r: r}, &buffers{})
			if name != "whole" && size != 256 {
				continue
			}
			var got []byte
			for p := make([]byte, size); ; {
				n, err := d.Read(p)
				if got = append(got, p[:n]...); err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					break
				}
			}
			if string(got) != strings.Join(want, "\r\n")+"\r\n" {
				t.Errorf("%s by %d: something else came out", name, size)
			}
			if d.big != nil || d.inflate.Memory() > inflate.Window*3/2 {
				t.Errorf("%s by %d: it holds more than it needs", name, size)
			}
			r = bytes.NewReader(all.Bytes())
		}
	}
}

// Rubbish instead of compressed commands ends the connection, and no more.
func TestCompressedRubbish(t *testing.T) {
	w := newWorld(t)
	_, s := w.compressed()
	say(s.Conn, strings.Repeat("\xff\x07rubbish", 100))
	if b, err := io.ReadAll(s.Conn); err != nil && err != io.ErrClosedPipe {
		t.Error(err, b)
	}
	w.user("ann").ok("NOOP")
}

// RFC 8437 §4.1: the compression ends too, the client's with or without a last block.
func TestUnauthenticateEndsCompression(t *testing.T) {
	for _, last := range []bool{false, true} {
		w := newWorld(t)
		conn, s := w.compressed()
		go func() {
			io.WriteString(s, "c UNAUTHENTICATE\r\n")
			if last {
				s.w.Close()
			}
			io.WriteString(conn, "d LOGIN bob@demo.test secret\r\n")
		}()
		readTo(t, s.r, "c OK who are you?\r\n")
		got := readTo(t, conn, "logged in\r\n")
		if !strings.HasPrefix(got, "d OK [CAPABILITY ") || !strings.Contains(got, "COMPRESS=DEFLATE") {
			t.Errorf("%q", got)
		}
		conn.Close()
	}
}

// FuzzInflate: whatever comes, it ends, and what was understood is what flate understands.
func FuzzInflate(f *testing.F) {
	var all bytes.Buffer
	fw, _ := flate.NewWriter(&all, 9)
	io.WriteString(fw, "a NOOP\r\n")
	fw.Flush()
	io.WriteString(fw, "b NOOP\r\n")
	fw.Close()
	f.Add(all.Bytes())
	f.Add([]byte{0x00, 0x00, 0x00, 0xff, 0xff, 0x03, 0x00, 'x'})
	f.Fuzz(func(t *testing.T, in []byte) {
		d := newDeflated(&readConn{r: iotest.OneByteReader(bytes.NewReader(in))}, &buffers{})
		got, _ := io.ReadAll(io.LimitReader(d, 1<<20))
		want, _ := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(in)), 1<<20))
		if n := min(len(want), len(got)); !bytes.Equal(got[:n], want[:n]) {
			t.Errorf("%q, not %q", got, want)
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	w := newWorld(b)
	w.fill(b, "big", 2000, 2000)
	s := w.bench("SELECT big")
	s.deflated = newDeflated(s.conn, &w.server.bufs)
	s.session.out.conn = s.deflated
	for _, c := range []struct{ name, command string }{
		{"bodies-2KB", "FETCH 1:* (UID BODY.PEEK[])"}, {"first-sync", "UID FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)"}, {"noop", "NOOP"},
	} {
		b.Run(c.name, func(b *testing.B) {
			s.session.out.conn = s.conn
			plain := s.do(b, c.command)
			s.session.out.conn = s.deflated
			b.SetBytes(plain)
			b.ReportAllocs()
			var packed int64
			for b.Loop() {
				packed = s.do(b, c.command)
			}
			b.ReportMetric(float64(packed)/float64(plain), "ratio")
		})
	}
	s.session.out.conn = s.conn
	s.deflated = nil
}
