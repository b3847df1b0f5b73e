package proxyproto

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// v2 makes a version 2 header.
func v2(command, family byte, body ...byte) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return string(append(b, body...))
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

var (
	body4 = unhex("c0000207 c6336401 9c40 0019") // 192.0.2.7:40000 to 198.51.100.1:25
	body6 = unhex("20010db8000000000000000000000007 20010db8000000000000000000000001 9c40 0019")
)

// withChecksum appends a CRC32C TLV to the body and fills it in.
func withChecksum(body []byte) string {
	h := []byte(v2(proxy, tcp4, append(bytes.Clone(body), 3, 0, 4, 0, 0, 0, 0)...))
	binary.BigEndian.PutUint32(h[len(h)-4:], crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)))
	return string(h)
}

func TestHeaders(t *testing.T) {
	summed := withChecksum(body4)
	for _, tc := range []struct {
		in, source, destination string
		bad                     bool
	}{
		{in: "PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", source: "192.0.2.7:40000", destination: "198.51.100.1:25"},
		{in: "PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n", source: "[2001:db8::7]:0", destination: "[2001:db8::1]:65535"},
		{in: "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", source: "192.0.2.7:1", destination: "[::1]:2"},
		{in: "PROXY UNKNOWN\r\n"},
		{in: "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"},
		{in: "PROXY \r\n", bad: true},
		{in: "PROXY TCP4\r\n", bad: true},
		{in: "PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n", bad: true},
		{in: "PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 x\r\n", bad: true},
		{in: "PROXY TCP4  192.0.2.7 198.51.100.1 40000 25\r\n", bad: true},
		{in: "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", bad: true},
		{in: "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", bad: true},
		{in: "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", bad: true},
		{in: "PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n", bad: true},
		{in: "PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n", bad: true},
		{in: "PROXY TCP4 192.0.2.7 198.51.100.1 +1 25\r\n", bad: true},
		{in: "PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n", bad: true},
		{in: "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n", bad: true},
		{in: "PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n"},
		{in: "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", bad: true},
		{in: "PROXY UNKNOWN " + strings.Repeat("x", 100_000), bad: true},
		{in: "EHLO client.example\r\n", bad: true},
		{in: "proxy UNKNOWN\r\n", bad: true},
		{in: "\r\n\r\n\x00\r\nQUIT\r", bad: true},

		{in: v2(proxy, tcp4, body4...), source: "192.0.2.7:40000", destination: "198.51.100.1:25"},
		{in: v2(proxy, tcp6, body6...), source: "[2001:db8::7]:40000", destination: "[2001:db8::1]:25"},
		{in: v2(proxy, tcp4, append(bytes.Clone(body4), 0x20, 0, 1, 7, 4, 0, 0)...), source: "192.0.2.7:40000", destination: "198.51.100.1:25"},
		{in: summed, source: "192.0.2.7:40000", destination: "198.51.100.1:25"},
		{in: strings.Replace(summed, "\x9c\x40", "\x9c\x41", 1), bad: true},
		{in: v2(proxy, tcp4, append(bytes.Clone(body4), 3, 0, 2, 0, 0)...), bad: true},
		{in: v2(proxy, tcp4, append(bytes.Clone(body4), 4, 0, 1)...), bad: true},
		{in: v2(proxy, tcp4, append(bytes.Clone(body4), 4)...), bad: true},
		{in: v2(proxy, tcp4, body4[:11]...), bad: true},
		{in: v2(proxy, tcp6, body4...), bad: true},
		{in: v2(proxy, unspecified)},
		{in: v2(proxy, unspecified, 1, 2, 3)},
		{in: v2(proxy, unixStream, make([]byte, 216)...)},
		{in: v2(proxy, unixStream, make([]byte, 215)...), bad: true},
		{in: v2(proxy, 0x12, body4...), bad: true},
		{in: v2(local, unspecified)},
		{in: v2(local, tcp4, body4...)},
		{in: v2(0x22, tcp4, body4...), bad: true},
		{in: v2(0x11, tcp4, body4...), bad: true},
		{in: v2(local, unspecified, make([]byte, maxV2)...)},
		{in: v2(local, unspecified, make([]byte, maxV2+1)...), bad: true},
		{in: v2(local, unspecified, make([]byte, 65535)...), bad: true},
	} {
		h, n, err := parse([]byte(tc.in + "rest"))
		if tc.bad {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%.80q: %v, %v", tc.in, h, err)
			}
			continue
		}
		if err != nil || n != len(tc.in) || text(h.source) != tc.source || text(h.destination) != tc.destination {
			t.Errorf("%.80q: %v, %d, %v", tc.in, h, n, err)
		}
		for cut := range len(tc.in) { // it comes in pieces
			if _, _, err := parse([]byte(tc.in[:cut])); err != errIncomplete {
				t.Errorf("the first %d bytes of %.80q: %v", cut, tc.in, err)
			}
		}
	}
}

func text(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// one is a listener with one connection.
type one struct {
	net.Listener
	conn net.Conn
}

func (l one) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	return l.conn, nil
}

type addressed struct {
	net.Conn
	remote net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.remote }

// accept gives both ends of a connection from the address.
func accept(t *testing.T, from string) (client, server net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	remote := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
	l := New(one{conn: addressed{far, remote}}, Options{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, server
}

func TestTrustedPeer(t *testing.T) {
	for _, header := range []string{"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", v2(proxy, tcp4, body4...)} {
		for size := 1; size <= len(header)+5; size += 7 {
			client, server := accept(t, "[::ffff:10.1.2.3]:1")
			go func() {
				for all := header + "hello"; all != ""; all = all[min(size, len(all)):] {
					io.WriteString(client, all[:min(size, len(all))])
				}
				client.Close()
			}()
			if got := server.RemoteAddr().String(); got != "192.0.2.7:40000" {
				t.Errorf("in pieces of %d: from %s", size, got)
			}
			if got := server.LocalAddr().String(); got != "198.51.100.1:25" {
				t.Errorf("in pieces of %d: to %s", size, got)
			}
			if got, err := io.ReadAll(server); string(got) != "hello" || err != nil {
				t.Errorf("in pieces of %d: %q, %v", size, got, err)
			}
		}
	}
}

// TestStranger: who isn't trusted can't pretend.
func TestStranger(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"
	client, server := accept(t, "192.0.2.99:1")
	go func() {
		io.WriteString(client, header)
		client.Close()
	}()
	if got := server.RemoteAddr().String(); got != "192.0.2.99:1" {
		t.Errorf("from %s", got)
	}
	if got, err := io.ReadAll(server); string(got) != header || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLocalCommand(t *testing.T) {
	client, server := accept(t, "[fd00::1]:7")
	go io.WriteString(client, v2(local, unspecified))
	if got := server.RemoteAddr().String(); got != "[fd00::1]:7" {
		t.Errorf("from %s", got)
	}
}

func TestBadHeader(t *testing.T) {
	client, server := accept(t, "10.0.0.1:1")
	go io.WriteString(client, "EHLO client.example\r\n")
	if got := server.RemoteAddr().String(); got != "10.0.0.1:1" {
		t.Errorf("from %s", got)
	}
	if _, err := server.Read(make([]byte, 1)); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := server.Write([]byte("220 hello\r\n")); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestSlowHeader: the header has its own time, and the deadline set meanwhile holds afterwards.
func TestSlowHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := accept(t, "10.0.0.1:1")
		began := time.Now()
		server.RemoteAddr()
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}

		client, server := accept(t, "10.0.0.1:1")
		server.SetDeadline(time.Now().Add(time.Minute))
		began = time.Now()
		go io.WriteString(client, "PROXY UNKNOWN\r\n")
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestAcceptFails(t *testing.T) {
	if _, err := New(one{}, Options{}).Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\nrest"))
	f.Add([]byte(v2(proxy, tcp4, body4...)))
	f.Add([]byte(withChecksum(body4)))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parse(b)
		switch {
		case err != nil && (n != 0 || h != header{}):
			t.Fatalf("%q: %v, %d with %v", b, h, n, err)
		case err == nil && (n < len("PROXY UNKNOWN\r\n") || n > len(b) || n > fixedV2+maxV2):
			t.Fatalf("%q: length %d", b, n)
		case err == nil && h.source.IsValid() != h.destination.IsValid():
			t.Fatalf("%q: %v", b, h)
		case err == errIncomplete && len(b) >= fixedV2+maxV2:
			t.Fatalf("%d bytes are not enough", len(b))
		}
	})
}
