package smtp

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/transcript"
)

// TestTranscripts plays the conversations in testdata, whose README says what package transcript doesn't.
func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T, lines transcript.Script) {
		s := &script{t: t, world: &world{fail: map[string]error{}}}
		transcript.World{Given: s.given, Dial: s.dial, Do: s.do}.Play(t, lines)
	})
}

// script is what a conversation has said of its world.
type script struct {
	t     *testing.T
	world *world
	conf  Config
	opts  ListenerOptions
}

func (s *script) do(l transcript.Line) bool {
	s.t.Helper()
	switch l.Word {
	case "delivered":
		s.delivered(l)
	case "|":
		s.contains(l)
	default:
		return false
	}
	return true
}

// given changes the world before the connection: see testdata/README.
func (s *script) given(l transcript.Line) {
	s.t.Helper()
	words := strings.Fields(l.Rest)
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
			s.t.Fatalf("%s: %v", l.At, err)
		}
		if words[1] == "size" {
			s.conf.Limits.MessageBytes = int64(n)
			return
		}
		*limits[words[1]] = n
	default:
		s.t.Fatalf("%s: given what?", l.At)
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

// dial starts the server with what has been given.
func (s *script) dial(string) net.Conn {
	s.t.Helper()
	server := s.world.server(s.t, func(c *Config) {
		c.Limits, c.BareLineEndings, c.Gate = s.conf.Limits, s.conf.BareLineEndings, s.conf.Gate
		c.URLs, c.Policies = s.conf.URLs, s.conf.Policies
		if s.conf.Hostname == "-" {
			c.TLS = nil
		}
	})
	conn := serve(s.t, server, s.opts).dial("192.0.2.7")
	if s.opts.ImplicitTLS {
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	return conn
}

// delivered compares the last delivery's envelope: "delivered N" counts them all,
// "delivered FROM to RCPT..." tells the last one's.
func (s *script) delivered(l transcript.Line) {
	s.t.Helper()
	if n, err := strconv.Atoi(l.Rest); err == nil {
		if got := s.world.count(); got != n {
			s.t.Fatalf("%s: %d delivered, want %d", l.At, got, n)
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
	if got != l.Rest {
		s.t.Fatalf("%s:\nwant %s\n got %s", l.At, l.Rest, got)
	}
}

// contains demands a line of the last message.
func (s *script) contains(l transcript.Line) {
	s.t.Helper()
	text := s.world.last(s.t).Text
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\r\n")
		if transcript.Fits(strings.ReplaceAll(line, "\t", "    "), l.Rest, "*") {
			return
		}
	}
	s.t.Fatalf("%s: no line %q in\n%s", l.At, l.Rest, text)
}
