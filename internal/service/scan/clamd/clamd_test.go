package clamd

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
)

func scanner(dial scantest.Dial) scan.Scanner {
	return New(Options{Network: "unix", Address: "/clamd.sock", Dial: dial})
}

func TestMisbehaviour(t *testing.T) {
	scantest.Misbehave(t, scantest.Program{New: scanner, Answer: "stream: OK\x00"})
}

// daemon answers as clamd does: EICAR is what it knows, and it takes no more than most bytes.
func daemon(t *testing.T, most int) scantest.Dial {
	return scantest.Serve(func(c net.Conn) {
		r := bufio.NewReader(c)
		switch command, _ := r.ReadString(0); command {
		case "zVERSION\x00":
			io.WriteString(c, "ClamAV 1.4.3/27450/Sat Nov 21 09:30:00 2026\x00")
			return
		case "zINSTREAM\x00":
		default:
			t.Errorf("command %q", command)
			return
		}
		var all []byte
		for {
			var head [4]byte
			if _, err := io.ReadFull(r, head[:]); err != nil {
				t.Error(err)
				return
			}
			n := binary.BigEndian.Uint32(head[:])
			if n == 0 {
				break
			}
			if len(all)+int(n) > most {
				io.WriteString(c, "INSTREAM size limit exceeded. ERROR\x00") // and listens no more
				return
			}
			b := make([]byte, n)
			io.ReadFull(r, b)
			all = append(all, b...)
		}
		if strings.Contains(string(all), "EICAR") {
			io.WriteString(c, "stream: Eicar-Test-Signature FOUND\x00")
			return
		}
		io.WriteString(c, "stream: OK\x00")
	})
}

func TestScan(t *testing.T) {
	s := scanner(daemon(t, 1<<20))
	for _, size := range []int{0, chunk - 1, chunk, chunk + 1, 5 * chunk} {
		f, err := s.Scan(t.Context(), scantest.Message(size))
		if err != nil || f.Certainty != scan.Clean || f.Action != scan.Accept {
			t.Fatalf("%d bytes: %+v, %v", size, f, err)
		}
	}
	m := scantest.Message(3 * chunk)
	text := make([]byte, m.Size)
	m.Content.ReadAt(text, 0)
	m.Content = strings.NewReader(string(text[:m.Size-100]) + "EICAR" + string(text[m.Size-95:]))
	f, err := s.Scan(t.Context(), m)
	if err != nil || f.Virus != "Eicar-Test-Signature" || f.Certainty != scan.Infected {
		t.Fatalf("%+v, %v", f, err)
	}
	if v, err := s.Ping(t.Context()); err != nil || !strings.HasPrefix(v, "ClamAV 1.4.3") {
		t.Fatal(v, err)
	}
}

// A message that is too large for the daemon isn't one that it has looked at, nor a failure.
func TestTooLargeForClamd(t *testing.T) {
	f, err := scanner(daemon(t, chunk)).Scan(t.Context(), scantest.Message(10*chunk))
	if err != nil || !f.Skipped || f.Certainty != scan.Untested {
		t.Fatalf("%+v, %v", f, err)
	}
}

func TestParse(t *testing.T) {
	for line, want := range map[string]scan.Finding{
		"stream: OK":                         {Certainty: scan.Clean},
		"stream: Win.Test.EICAR_HDB-1 FOUND": {Action: scan.Reject, Virus: "Win.Test.EICAR_HDB-1", Certainty: scan.Infected},
		"stream: Heuristics.Phishing.Email.SpoofedDomain FOUND": {Action: scan.Reject, Virus: "Heuristics.Phishing.Email.SpoofedDomain", Certainty: scan.Suspected},
	} {
		if f, err := parse(line); err != nil || f.Virus != want.Virus || f.Certainty != want.Certainty || f.Action != want.Action {
			t.Errorf("%q: %+v, %v", line, f, err)
		}
	}
	for _, line := range []string{"", "stream: ", "stream: FOUND", " FOUND", "OK", "stream: OK FOUNDED", "stream: Can't allocate memory ERROR", "UNKNOWN COMMAND", strings.Repeat("x", 5000)} {
		if f, err := parse(line); !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsupported) {
			t.Errorf("%q: %+v, %v", line, f, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("stream: OK")
	f.Add("stream: x FOUND")
	f.Fuzz(func(t *testing.T, line string) {
		found, err := parse(line)
		if err == nil && !found.Skipped && found.Virus == "" && line != "stream: OK" && strings.TrimSpace(line) != "stream: OK" {
			t.Errorf("%q is taken for clean", line)
		}
	})
}

func TestPingOfSomethingElse(t *testing.T) {
	s := scanner(scantest.Serve(func(c net.Conn) {
		bufio.NewReader(c).ReadString(0)
		io.WriteString(c, "220 hello\x00")
	}))
	if _, err := s.Ping(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
}
