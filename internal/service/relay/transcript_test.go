package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postroad/internal/service/transfer"
)

// TestTranscripts runs the conversations in testdata. See testdata/README.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, part := range strings.Split("\n"+string(text), "\n== ") {
				title, body, _ := strings.Cut(part, "\n")
				if i == 0 {
					continue // what stands before the first conversation is for the reader
				}
				t.Run(title, func(t *testing.T) {
					line := strings.Count(string(text[:strings.Index(string(text), part)]), "\n")
					runTranscript(t, file, line, body)
				})
			}
		})
	}
}

// line is one of a transcript, with its place.
type line struct{ at, word, rest string }

// script is a transcript: what is given, what is said on each connection, and what comes of it.
type script struct {
	t     *testing.T
	peers *peers
	hops  []Hop
	job   transfer.Job
	limit Limits
	jobs  int
}

func runTranscript(t *testing.T, file string, first int, body string) {
	s := &script{t: t, peers: newPeers(t), jobs: 1, job: letter("Subject: x\r\n\r\nhello\r\n", "bob@there.example")}
	s.hops = []Hop{hop(1)}
	var talk, outcomes []line
	at := 1
	end := func() {
		if talk != nil {
			said := talk
			s.peers.at(at, func(c net.Conn) { s.play(c, said) })
		}
		talk = nil
	}
	for i, text := range strings.Split(body, "\n") {
		word, rest, _ := strings.Cut(strings.TrimRight(text, " "), " ")
		l := line{fmt.Sprintf("%s:%d", file, first+i+2), word, rest}
		switch word {
		case "", "#":
		case "given":
			s.given(l)
		case "connection": // to the n-th host
			end()
			at, _ = strconv.Atoi(rest)
			talk = []line{}
		case "=>":
			outcomes = append(outcomes, l)
		default:
			talk = append(talk, l)
		}
	}
	end()
	s.run(outcomes)
}

func (s *script) run(want []line) {
	r := s.peers.relay(s.limit)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var got []transfer.Outcome
	for range s.jobs {
		got = append(got, r.Send(ctx, s.hops, s.job)...)
	}
	r.Close()
	s.peers.all.Wait()
	if len(got) != len(want) {
		s.t.Errorf("%d outcomes, want %d: %v", len(got), len(want), got)
		return
	}
	for i := range got {
		if have := describe(&got[i]); !like(have, want[i].rest) {
			s.t.Errorf("%s:\n got %s\nwant %s", want[i].at, have, want[i].rest)
		}
	}
	for a, left := range s.peers.serve {
		if len(left) > 0 {
			s.t.Errorf("%d connections to %s were never made", len(left), a)
		}
	}
}

func describe(o *transfer.Outcome) string {
	words := []string{[]string{"deferred", "delivered", "relayed", "failed"}[o.Result]}
	if o.HostWide {
		words = append(words, "hostwide")
	}
	if o.Remote != "" {
		words = append(words, o.Remote)
	}
	if o.TLS != "" {
		words = append(words, "("+o.TLS+")")
	}
	if o.Code != 0 {
		words = append(words, strconv.Itoa(o.Code))
	}
	return strings.Join(append(words, o.Status, o.Text), " ")
}

// like compares, where * stands for anything.
func like(have, want string) bool {
	pieces := strings.Split(want, "*")
	if len(pieces) == 1 {
		return have == want
	}
	rest, ok := strings.CutPrefix(have, pieces[0])
	for _, p := range pieces[1:] {
		i := strings.Index(rest, p)
		if p == "" {
			i = len(rest)
		}
		if !ok || i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return ok && rest == ""
}

// given changes the world: see testdata/README.
func (s *script) given(l line) {
	word, rest, _ := strings.Cut(l.rest, " ")
	words := strings.Fields(rest)
	e := &s.job.Envelope
	switch word {
	case "from":
		e.From = strings.Trim(rest, "<>")
	case "to":
		s.job.Recipients = nil
		for _, w := range words {
			s.job.Recipients = append(s.job.Recipients, transfer.Recipient{Address: w})
		}
	case "message":
		text, err := strconv.Unquote(rest)
		if err != nil {
			s.t.Fatal(l.at, err)
		}
		s.job.Content = strings.NewReader(text)
	case "longline":
		n, _ := strconv.Atoi(rest)
		s.job.Content = strings.NewReader("Subject: x\r\n\r\n" + strings.Repeat("x", n) + "\r\n")
	case "flags":
		e.Binary, e.UTF8, e.RequireTLS = slices.Contains(words, "binary"), slices.Contains(words, "utf8"), slices.Contains(words, "requiretls")
		e.NotifyLate = slices.Contains(words, "late")
	case "dsn":
		e.EnvelopeID, e.Return = "id=1", transfer.ReturnHeaders
		s.job.Recipients[0].Notify = transfer.NotifySuccess | transfer.NotifyDelay
		s.job.Recipients[0].OriginalType, s.job.Recipients[0].Original = words[0], words[1]
	case "priority":
		e.Priority, _ = strconv.Atoi(rest)
	case "deadline":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.t.Fatal(l.at, err)
		}
		e.Deadline = epoch.Add(d)
	case "traced":
		e.ByTrace = true
	case "hops":
		s.givenHops(l, words)
	case "limit":
		n, _ := strconv.Atoi(words[1])
		*map[string]*int{"recipients": &s.limit.Recipients, "messages": &s.limit.Messages, "sessions": &s.limit.Sessions}[words[0]] = n
	case "jobs":
		s.jobs, _ = strconv.Atoi(rest)
	default:
		s.t.Fatal(l.at, ": given what?")
	}
}

// givenHops is the number of hops and what they are.
func (s *script) givenHops(l line, words []string) {
	n, _ := strconv.Atoi(words[0])
	s.hops = nil
	for i := range n {
		h := hop(i + 1)
		for _, w := range words[1:] {
			switch w {
			case "lmtp":
				h.Protocol = LMTP
			case "opportunistic":
				h.TLS.Mode = Opportunistic
			case "required":
				h.TLS.Mode = Required
			case "verified":
				_, roots := certificate()
				h.TLS = Policy{Mode: Verified, Config: &tls.Config{RootCAs: roots}, Label: "MTA-STS"}
			case "distrusted":
				h.TLS = Policy{Mode: Verified}
			case "implicit":
				h.TLS.Implicit = true
			case "auth":
				h.Auth = &Credentials{User: "ann", Password: "sesame"}
			default:
				s.t.Fatal(l.at, ": what hop?")
			}
		}
		s.hops = append(s.hops, h)
	}
}

// play is the hop's side of a connection.
func (s *script) play(c net.Conn, lines []line) {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	out := ""
	for _, l := range lines {
		if l.word != "S:" && l.word != "S>" && out != "" {
			c.Write([]byte(out))
			out = ""
		}
		switch l.word {
		case "S:", "S>":
			if in.Buffered() > 0 {
				rest, _ := in.Peek(in.Buffered())
				s.t.Errorf("%s: the client did not wait, but said %q", l.at, rest)
			}
			if text, err := strconv.Unquote(l.rest); l.word == "S>" && err == nil {
				out += text
			} else {
				out += l.rest + "\r\n"
			}
		case "C:":
			got, err := in.ReadString('\n')
			if err != nil || !strings.HasSuffix(got, "\r\n") || !like(strings.TrimSuffix(got, "\r\n"), l.rest) {
				s.t.Errorf("%s: the client said %q (%v), want %q", l.at, got, err, l.rest)
				return
			}
		case "C>":
			text, _ := strconv.Unquote(l.rest)
			got := make([]byte, len(text))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != text {
				s.t.Errorf("%s: the client said %q (%v), want %q", l.at, got, err, text)
			}
		case "TLS":
			cert, _ := certificate()
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			if err := tc.Handshake(); err != nil {
				return // the client's outcome tells
			}
			c, in = tc, bufio.NewReader(tc)
		case "closed":
			if got, err := in.ReadString('\n'); err == nil {
				s.t.Errorf("%s: the client said %q, and should have closed", l.at, got)
			}
		case "close":
			return
		default:
			s.t.Errorf("%s: what is %q?", l.at, l.word)
		}
	}
	if out != "" {
		c.Write([]byte(out))
	}
}
