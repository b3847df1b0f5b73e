package smtp

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
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
					runTranscript(t, file, strings.Count(string(text[:strings.Index(string(text), part)]), "\n"), body)
				})
			}
		})
	}
}

// script is a transcript being played.
type script struct {
	t     *testing.T
	world *world
	conf  Config
	opts  ListenerOptions
	conn  net.Conn
	in    *bufio.Reader
	skip  bool // "..." was the last expectation

	pending strings.Builder // what the client says next, in one piece
	sent    chan struct{}
	at      string // file:line
}

func runTranscript(t *testing.T, file string, line int, body string) {
	s := &script{t: t, world: &world{fail: map[string]error{}}}
	for i, text := range strings.Split(body, "\n") {
		s.at = fmt.Sprintf("%s:%d", file, line+i+2)
		s.step(strings.TrimRight(text, " "))
	}
	s.send()
	if s.conn != nil {
		s.conn.Close()
		<-s.sent
	}
}

func (s *script) step(text string) {
	s.t.Helper()
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "", "#":
	case "given":
		s.given(strings.Fields(rest))
	case "C:":
		s.connect()
		s.pending.WriteString(rest + "\r\n")
	case "C>":
		s.connect()
		raw, err := strconv.Unquote(rest)
		if err != nil {
			s.t.Fatalf("%s: %v", s.at, err)
		}
		s.pending.WriteString(raw)
	case "S:":
		s.expect(rest)
	case "TLS":
		s.send()
		<-s.sent
		s.conn = tls.Client(s.conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS13})
		s.in = bufio.NewReader(s.conn)
	case "closed":
		s.closed()
	case "delivered":
		s.delivered(rest)
	case "|":
		s.contains(rest)
	default:
		s.t.Fatalf("%s: what is %q?", s.at, text)
	}
}

// given changes the world before the connection: see testdata/README.
func (s *script) given(words []string) {
	limits := map[string]*int{
		"recipients": &s.conf.Limits.Recipients, "errors": &s.conf.Limits.Errors, "line": &s.conf.Limits.CommandLine,
		"messages": &s.conf.Limits.Messages, "logins": &s.conf.Limits.AuthFailures, "hops": &s.conf.Limits.Hops,
		"text": &s.conf.Limits.TextLine, "refused": &s.conf.Limits.RefusedRecipients,
		"idle": &s.conf.Limits.IdleCommands,
	}
	switch words[0] {
	case "submission":
		s.opts.Mode = Submission
	case "lmtp":
		s.opts.Mode = LMTP
	case "implicit-tls":
		s.opts.ImplicitTLS = true
	case "plain-allowed":
		s.opts.PlainAllowed = true
	case "auth-offered":
		s.opts.OfferAuth = true
	case "no-tls":
		s.opts.PlainAllowed = true
		s.conf.Hostname = "-"
	case "urls":
		s.conf.URLs = theURLs
	case "normalise":
		s.conf.BareLineEndings = NormaliseBare
	case "gate": // "gate STEP HOW": it refuses the step, or the address
		g, err := refusals(words)
		g.no = map[string]error{words[1]: err}
		s.conf.Gate = g
	case "authors": // "authors RULE"
		s.conf.Gate = authorsGate(s.t, words[1])
	case "policy": // "policy KIND PATTERN ACTION [DOMAIN]", or "policy size BYTES DIRECTION"
		if s.conf.Policies == nil {
			s.conf.Policies = noPolicies(s.t)
		}
		addPolicy(s.t, s.conf.Policies, words[1:])
	case "failing":
		s.world.fail[words[1]] = fault.New(kindNamed(words[2]), "as the transcript says")
	case "limit":
		n, err := strconv.Atoi(words[2])
		if err != nil {
			s.t.Fatalf("%s: %v", s.at, err)
		}
		if words[1] == "size" {
			s.conf.Limits.MessageBytes = int64(n)
			return
		}
		*limits[words[1]] = n
	default:
		s.t.Fatalf("%s: given what?", s.at)
	}
}

func kindNamed(name string) fault.Kind {
	for _, k := range fault.Kinds() {
		if strings.ReplaceAll(k.String(), " ", "-") == name {
			return k
		}
	}
	return fault.Internal
}

func (s *script) connect() {
	if s.conn != nil {
		return
	}
	server := s.world.server(s.t, func(c *Config) {
		c.Limits, c.BareLineEndings, c.Gate = s.conf.Limits, s.conf.BareLineEndings, s.conf.Gate
		c.URLs, c.Policies = s.conf.URLs, s.conf.Policies
		if s.conf.Hostname == "-" {
			c.TLS = nil
		}
	})
	s.conn = serve(s.t, server, s.opts).dial("192.0.2.7:40000")
	s.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if s.opts.ImplicitTLS {
		s.conn = tls.Client(s.conn, &tls.Config{InsecureSkipVerify: true})
	}
	s.in = bufio.NewReader(s.conn)
	s.sent = make(chan struct{})
	close(s.sent)
}

// send lets the client say what has gathered, in one write.
func (s *script) send() {
	if s.pending.Len() == 0 {
		return
	}
	<-s.sent
	text := s.pending.String()
	s.pending.Reset()
	s.sent = make(chan struct{})
	go func(conn net.Conn, sent chan struct{}) {
		defer close(sent)
		conn.Write([]byte(text))
	}(s.conn, s.sent)
}

func (s *script) expect(want string) {
	s.t.Helper()
	s.connect()
	s.send()
	if want == "..." {
		s.skip = true
		return
	}
	for {
		got, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s: want %q, got %q and %v", s.at, want, got, err)
		}
		line, crlf := strings.CutSuffix(got, "\r\n")
		if !crlf {
			s.t.Fatalf("%s: line ends badly: %q", s.at, got)
		}
		if matches(want, line) {
			s.skip = false
			return
		}
		if !s.skip {
			s.t.Fatalf("%s:\nwant S: %s\n got S: %s", s.at, want, line)
		}
	}
}

// matches compares; a "*" in want stands for anything.
func matches(want, got string) bool {
	parts := strings.Split(want, "*")
	if !strings.HasPrefix(got, parts[0]) {
		return false
	}
	if len(parts) == 1 {
		return want == got
	}
	got = got[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(got, p)
		if i < 0 {
			return false
		}
		got = got[i+len(p):]
	}
	return strings.HasSuffix(got, parts[len(parts)-1])
}

func (s *script) closed() {
	s.t.Helper()
	s.send()
	if got, err := s.in.ReadString('\n'); err == nil {
		s.t.Fatalf("%s: not closed, but %q", s.at, got)
	}
}

// delivered compares the last delivery's envelope: "delivered N" counts them all,
// "delivered FROM to RCPT..." tells the last one's.
func (s *script) delivered(want string) {
	s.t.Helper()
	s.send()
	if n, err := strconv.Atoi(want); err == nil {
		if got := s.world.count(); got != n {
			s.t.Fatalf("%s: %d delivered, want %d", s.at, got, n)
		}
		return
	}
	e := s.world.last(s.t).Envelope
	got := "<" + e.From + "> to"
	for _, r := range e.Recipients {
		got += " <" + r.Address + ">"
		if r.Notify != 0 {
			got += fmt.Sprintf(" notify %d", r.Notify)
		}
		if r.Original != "" {
			got += " orcpt " + r.OriginalType + ";" + r.Original
		}
	}
	if e.EnvelopeID != "" {
		got += " envid " + e.EnvelopeID
	}
	if e.Return != 0 {
		got += fmt.Sprintf(" ret %d", e.Return)
	}
	if !e.HoldUntil.IsZero() {
		got += " held until " + e.HoldUntil.UTC().Format(time.RFC3339)
	}
	if !e.Deadline.IsZero() {
		got += " by " + e.Deadline.UTC().Format(time.RFC3339)
		if e.NotifyLate {
			got += " or told"
		}
		if e.ByTrace {
			got += " traced"
		}
	}
	if e.Priority != 0 {
		got += fmt.Sprintf(" priority %d", e.Priority)
	}
	if e.RequireTLS {
		got += " over TLS"
	}
	if got != want {
		s.t.Fatalf("%s:\nwant %s\n got %s", s.at, want, got)
	}
}

// contains demands a line of the last message; lines must come in order of the message.
func (s *script) contains(want string) {
	s.t.Helper()
	for _, line := range strings.SplitAfter(s.world.last(s.t).Text, "\n") {
		line = strings.TrimSuffix(line, "\r\n")
		if matches(want, strings.ReplaceAll(line, "\t", "    ")) {
			return
		}
	}
	s.t.Fatalf("%s: no line %q in\n%s", s.at, want, s.world.last(s.t).Text)
}
