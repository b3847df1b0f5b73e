// Package rspamd asks rspamd for its opinion of messages, by HTTP: the message is posted to /checkv2 as it is, with what is
// known of its envelope in header fields, and the answer is a JSON object (rspamd's documentation, "Protocol").
//
// What rspamd wants becomes a scan.Finding: its score, its symbols as reasons, and of its actions "add header" and "rewrite
// subject" are junk, "soft reject" is to come again later, "reject" a refusal, "discard" and "quarantine" what they say.
// "greylist" alone is nothing: rspamd's own greylisting says "soft reject" when it means it. A subject isn't rewritten, and
// fields of the message aren't removed: its bytes stay as they came. Fields that rspamd adds go in front.
package rspamd

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/ask"
)

// Options say where rspamd is.
type Options struct {
	// URL is its normal worker's (port 11333), or that of a proxy: http://127.0.0.1:11333, https://..., unix:/path.
	URL string
	// Password is sent if rspamd wants one; "": none.
	Password string
	// Dial connects. It is required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots verify https; nil: the system's.
	Roots *x509.CertPool
	// Connections is how many are kept open; 0: the usual.
	Connections int
}

// Scanner is a scan.Scanner.
type Scanner struct {
	password string
	client   *ask.Client
}

// New makes a Scanner. Errors: fault.Invalid, the URL is none.
func New(o Options) (*Scanner, error) {
	c, err := ask.New(ask.Options{URL: o.URL, Dial: o.Dial, Roots: o.Roots, Connections: o.Connections})
	return &Scanner{o.Password, c}, err
}

// Close closes connections that aren't in use.
func (s *Scanner) Close() error { return s.client.Close() }

// Scan implements scan.Scanner.
func (s *Scanner) Scan(ctx context.Context, m *scan.Message) (scan.Finding, error) {
	a, err := s.client.Ask(ctx, ask.Question{Path: "/checkv2", Header: s.header(m), Body: func() io.Reader { return m.Reader() }, Size: m.Size})
	if err != nil {
		return scan.Finding{}, err
	}
	return parse(a.Body)
}

// Ping implements scan.Scanner. The workers that check mail don't tell their version, only that they are there.
func (s *Scanner) Ping(ctx context.Context) (string, error) {
	a, err := s.client.Ask(ctx, ask.Question{Path: "/ping"})
	if err != nil {
		return "", err
	}
	if a.Text() != "pong" {
		return "", fault.New(fault.Unavailable, "it doesn't answer as rspamd does")
	}
	return "rspamd", nil
}

// header tells the envelope.
func (s *Scanner) header(m *scan.Message) http.Header {
	h := http.Header{}
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{oneLine(value)}
		}
	}
	h["From"] = []string{"<" + oneLine(m.From) + ">"}
	for _, to := range m.To {
		h["Rcpt"] = append(h["Rcpt"], oneLine(to))
	}
	if m.Client.IsValid() {
		set("IP", m.Client.Unmap().WithZone("").String())
	}
	set("Helo", m.Helo)
	set("Hostname", m.Name())
	set("User", m.Login)
	set("Queue-Id", m.ID)
	set("MTA-Name", m.Hostname)
	set("TLS-Version", m.TLSVersion)
	set("TLS-Cipher", m.Cipher)
	set("Password", s.password)
	set("User-Agent", "Postroad")
	set("Content-Type", "application/octet-stream")
	return h
}

// oneLine keeps what strangers say from being more than one field.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return '?'
		}
		return r
	}, s)
}

// answer is what rspamd says.
type answer struct {
	Skipped  bool              `json:"is_skipped"`
	Score    *float64          `json:"score"`
	Required float64           `json:"required_score"`
	Limits   thresholds        `json:"thresholds"`
	Action   string            `json:"action"`
	Symbols  map[string]symbol `json:"symbols"`
	Messages messages          `json:"messages"`
	Milter   struct {
		Add    map[string]additions `json:"add_headers"`
		Remove map[string]removals  `json:"remove_headers"`
	} `json:"milter"`
	Error string `json:"error"`
}

type symbol struct {
	Score       float64  `json:"score"`
	Description string   `json:"description"`
	Options     []string `json:"options"`
}

// thresholds are the scores at which actions begin; what isn't a number is left out.
type thresholds map[string]json.RawMessage

// of is the threshold of an action; 0: it has none.
func (t thresholds) of(action string) float64 {
	n, err := strconv.ParseFloat(string(t[action]), 64)
	if err != nil {
		return 0
	}
	return n
}

// messages may be an object or, if there are none, a list.
type messages struct {
	SMTP string
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *messages) UnmarshalJSON(b []byte) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) == nil {
		json.Unmarshal(object["smtp_message"], &m.SMTP) //nolint:errcheck // else there is none
	}
	return nil
}

// additions are the values of a field: one or several, bare or with the place among others.
type additions []addition

type addition struct {
	Value string `json:"value"`
	Order int    `json:"order"`
}

// UnmarshalJSON implements json.Unmarshaler. What it doesn't know is left out.
func (a *additions) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		list = []json.RawMessage{b}
	}
	for _, raw := range list {
		var one addition
		if json.Unmarshal(raw, &one.Value) == nil || json.Unmarshal(raw, &one) == nil {
			*a = append(*a, one)
		}
	}
	return nil
}

// removals are places of fields of a name: 1 is the first, -1 the last, 0 all. One, or several.
type removals []int

// UnmarshalJSON implements json.Unmarshaler. What it doesn't know is left out.
func (r *removals) UnmarshalJSON(b []byte) error {
	var one int
	if json.Unmarshal(b, &one) == nil {
		*r = removals{one}
		return nil
	}
	var all []int
	if json.Unmarshal(b, &all) == nil {
		*r = all
	}
	return nil
}

// removed are the fields that rspamd wants out of the header: those that others might take for its own.
func (a *answer) removed() (all []scan.HeaderChange) {
	for name, places := range a.Milter.Remove {
		for _, n := range places {
			all = append(all, scan.HeaderChange{Name: name, Place: n, Do: scan.RemoveField})
		}
	}
	slices.SortFunc(all, func(a, b scan.HeaderChange) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Place, b.Place))
	})
	return all
}

// parse reads an answer.
func parse(body []byte) (scan.Finding, error) {
	var a answer
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&a); err != nil {
		return scan.Finding{}, fault.New(fault.Unavailable, "it doesn't answer as rspamd does")
	}
	switch {
	case a.Error != "":
		return scan.Finding{}, fault.New(fault.Unsupported, "rspamd has an error: %s", scan.Printable(a.Error, 200))
	case a.Skipped && (a.Action == "" || a.Action == "no action"): // its test pattern skips what looks, and yet decides
		return scan.Finding{Skipped: true, Reason: "rspamd skips it"}, nil
	case a.Action == "" || a.Score == nil:
		return scan.Finding{}, fault.New(fault.Unavailable, "rspamd's answer has no action or score")
	}
	f := scan.Finding{Scored: true, Score: *a.Score, Required: cmp.Or(a.Limits.of("add header"), a.Limits.of("rewrite subject"), a.Required)}
	f.Fields, f.Symbols = a.fields(), a.symbols()
	if c := a.removed(); len(c) > 0 {
		f.Changes = &scan.Changes{Header: c}
	}
	a.act(&f)
	return f, nil
}

// act does what the action wants.
func (a *answer) act(f *scan.Finding) {
	switch strings.ReplaceAll(a.Action, "_", " ") {
	case "add header", "rewrite subject":
		f.Action = scan.Junk
	case "soft reject":
		f.Action, f.Text = scan.TempFail, a.Messages.SMTP
		f.Reason = "soft reject"
	case "reject":
		f.Action, f.Text = scan.Reject, a.Messages.SMTP
	case "discard":
		f.Action = scan.Discard
	case "quarantine":
		f.Action = scan.Quarantine
	}
	if f.Text != "" {
		f.Reason = f.Text
	}
}

// symbols are the reasons, the greatest first; those that count nothing say nothing of the score.
func (a *answer) symbols() (all []scan.Symbol) {
	for name, s := range a.Symbols {
		if s.Score == 0 {
			continue
		}
		text := s.Description
		if text == "" && len(s.Options) > 0 {
			text = s.Options[0]
		}
		all = append(all, scan.Symbol{Name: name, Score: s.Score, Text: text})
	}
	slices.SortFunc(all, func(a, b scan.Symbol) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// fields are those that rspamd adds, in the order that it wants.
func (a *answer) fields() []scan.Field {
	type placed struct {
		scan.Field
		order int
	}
	var all []placed
	for name, values := range a.Milter.Add {
		for _, v := range values {
			all = append(all, placed{scan.Field{Name: name, Value: v.Value}, v.Order})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.Name, b.Name))
	})
	fields := make([]scan.Field, len(all))
	for i := range all {
		fields[i] = all[i].Field
	}
	return fields
}
