package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postroad/internal/service/certtest"
	"postroad/internal/service/transcript"
	"postroad/internal/service/transfer"
)

// TestTranscripts plays the conversations in testdata. See testdata/README.
func TestTranscripts(t *testing.T) { transcript.Run(t, play) }

// script is a transcript: what is given, what is said on each connection, and what comes of it.
type script struct {
	t     *testing.T
	peers *peers
	hops  []Hop
	job   transfer.Job
	limit Limits
	jobs  int
	cert  tls.Certificate // of all hops
}

func play(t *testing.T, lines transcript.Script) {
	s := &script{t: t, peers: newPeers(t), jobs: 1, job: letter("Subject: x\r\n\r\nhello\r\n", "bob@there.example"), cert: certificate(t)}
	s.hops = []Hop{hop(1)}
	var talk, outcomes transcript.Script
	at := 1
	end := func() {
		if talk != nil {
			said := talk
			s.peers.at(at, func(c net.Conn) { s.play(c, said) })
		}
		talk = nil
	}
	for _, l := range lines {
		switch l.Word {
		case "given":
			s.given(l)
		case "connection": // to the n-th host
			end()
			at, _ = strconv.Atoi(l.Rest)
			talk = transcript.Script{}
		case "=>":
			outcomes = append(outcomes, l)
		default:
			talk = append(talk, l)
		}
	}
	end()
	s.run(outcomes)
}

func (s *script) run(want transcript.Script) {
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
		if have := describe(&got[i]); !transcript.Fits(have, want[i].Rest, "*") {
			s.t.Errorf("%s:\n got %s\nwant %s", want[i].At, have, want[i].Rest)
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
	if o.Untimed {
		words = append(words, "untimed")
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

// given changes the world: see testdata/README.
func (s *script) given(l transcript.Line) {
	word, rest, _ := strings.Cut(l.Rest, " ")
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
			s.t.Fatal(l.At, err)
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
			s.t.Fatal(l.At, err)
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
		s.t.Fatal(l.At, ": given what?")
	}
}

// givenHops is the number of hops and what they are.
func (s *script) givenHops(l transcript.Line, words []string) {
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
				h.TLS = Policy{Mode: Verified, Config: &tls.Config{RootCAs: certtest.Roots(s.cert)}, Label: "MTA-STS"}
			case "distrusted":
				h.TLS = Policy{Mode: Verified}
			case "implicit":
				h.TLS.Implicit = true
			case "auth":
				h.Auth = &Credentials{User: "ann", Password: "sesame"}
			default:
				s.t.Fatal(l.At, ": what hop?")
			}
		}
		s.hops = append(s.hops, h)
	}
}

// play is the hop's side of a connection.
func (s *script) play(c net.Conn, lines transcript.Script) {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	out := ""
	for _, l := range lines {
		if l.Word != "S:" && l.Word != "S>" && out != "" {
			c.Write([]byte(out))
			out = ""
		}
		switch l.Word {
		case "S:", "S>":
			if in.Buffered() > 0 {
				rest, _ := in.Peek(in.Buffered())
				s.t.Errorf("%s: the client did not wait, but said %q", l.At, rest)
			}
			if text, err := strconv.Unquote(l.Rest); l.Word == "S>" && err == nil {
				out += text
			} else {
				out += l.Rest + "\r\n"
			}
		case "C:":
			got, err := in.ReadString('\n')
			if err != nil || !strings.HasSuffix(got, "\r\n") || !transcript.Fits(strings.TrimSuffix(got, "\r\n"), l.Rest, "*") {
				s.t.Errorf("%s: the client said %q (%v), want %q", l.At, got, err, l.Rest)
				return
			}
		case "C>":
			text, _ := strconv.Unquote(l.Rest)
			got := make([]byte, len(text))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != text {
				s.t.Errorf("%s: the client said %q (%v), want %q", l.At, got, err, text)
			}
		case "TLS":
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			if err := tc.Handshake(); err != nil {
				return // the client's outcome tells
			}
			c, in = tc, bufio.NewReader(tc)
		case "closed":
			if got, err := in.ReadString('\n'); err == nil {
				s.t.Errorf("%s: the client said %q, and should have closed", l.At, got)
			}
		case "close":
			return
		default:
			s.t.Errorf("%s: what is %q?", l.At, l.Word)
		}
	}
	if out != "" {
		c.Write([]byte(out))
	}
}
