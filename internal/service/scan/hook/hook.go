// Package hook shows messages to a program that the administrator has written, by HTTP.
//
// Each message is a POST with two parts (multipart/form-data): "envelope", a JSON object with what is known of the message
// (see Envelope), and "message", its bytes as they came (message/rfc822). With a secret the request is signed:
//
//	Postroad-Signature: t=1773500966,v1=HEX
//
// where HEX is the HMAC-SHA256 (RFC 2104) by the secret of the time, a dot, and the whole body. The answer is 204 (the message is
// fine), or 200 with a JSON object (see Answer). All else is a failure. Redirects aren't followed.
//
// To find out whether the program is there, it is sent a HEAD request; whatever it answers, below 500, is good.
package hook

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/ask"
)

// Options say where the program is.
type Options struct {
	// URL is where to post: http://host:port/path, https://..., unix:/path.
	URL string
	// Secret signs requests; "": they aren't signed.
	Secret string
	// Dial connects. It is required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots verify https; nil: the system's.
	Roots *x509.CertPool
	// Connections is how many are kept open; 0: the usual.
	Connections int
	// Now tells the time for signatures, Rand makes what parts the body; nil: time.Now, crypto/rand.
	Now  func() time.Time
	Rand io.Reader
}

// Scanner is a scan.Scanner.
type Scanner struct {
	o      Options
	client *ask.Client
}

// New makes a Scanner. Errors: fault.Invalid, the URL is none.
func New(o Options) (*Scanner, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	c, err := ask.New(ask.Options{URL: o.URL, Dial: o.Dial, Roots: o.Roots, Connections: o.Connections})
	return &Scanner{o, c}, err
}

// Close closes connections that aren't in use.
func (s *Scanner) Close() error { return s.client.Close() }

// Envelope is what the program is told of a message. What isn't known is left out.
type Envelope struct {
	ID        string   `json:"id"`
	Direction string   `json:"direction"` // incoming, relayed or outgoing
	From      string   `json:"from"`      // the reverse-path; "": the null path
	To        []string `json:"to"`
	Client    string   `json:"client,omitempty"`      // an IP address
	Name      string   `json:"client_name,omitempty"` // in the DNS
	Helo      string   `json:"helo,omitempty"`
	TLS       string   `json:"tls,omitempty"`
	Cipher    string   `json:"cipher,omitempty"`
	Protocol  string   `json:"protocol,omitempty"`
	Login     string   `json:"login,omitempty"` // who has signed in
	Hostname  string   `json:"hostname"`        // ours
	Size      int64    `json:"size"`
}

// Answer is what the program says. All is optional.
type Answer struct {
	// Action is accept (default), junk, tempfail, discard, quarantine or reject.
	Action string `json:"action"`
	// Code, Status and Text are the reply with which the message is refused or put off: 550, "5.7.1".
	Code   int    `json:"code"`
	Status string `json:"status"`
	Text   string `json:"text"`
	// Reason says why, for the history and the quarantine.
	Reason string `json:"reason"`
	// Virus is one that was found; Clean: none was, and somebody has looked.
	Virus string `json:"virus"`
	Clean bool   `json:"clean"`
	// Score and Required: a score, and what makes the message junk; Symbols its parts.
	Score    *float64 `json:"score"`
	Required float64  `json:"required"`
	Symbols  []struct {
		Name  string  `json:"name"`
		Score float64 `json:"score"`
		Text  string  `json:"text"`
	} `json:"symbols"`
	// Fields are to stand in front of the message.
	Fields []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"fields"`
	// Remove names fields that are to go: all of a name.
	Remove []string `json:"remove"`
}

// Scan implements scan.Scanner.
func (s *Scanner) Scan(ctx context.Context, m *scan.Message) (scan.Finding, error) {
	q, err := s.question(m)
	if err != nil {
		return scan.Finding{}, err
	}
	a, err := s.client.Ask(ctx, q)
	switch {
	case err != nil:
		return scan.Finding{}, err
	case a.Status == http.StatusNoContent:
		return scan.Finding{}, nil
	}
	return parse(a.Body)
}

// Ping implements scan.Scanner.
func (s *Scanner) Ping(ctx context.Context) (string, error) { return s.client.Alive(ctx) }

var directions = map[scan.Direction]string{scan.Incoming: "incoming", scan.Relayed: "relayed", scan.Outgoing: "outgoing"}

// question is a message as the program gets it.
func (s *Scanner) question(m *scan.Message) (q ask.Question, err error) {
	e := Envelope{ID: m.ID, Direction: directions[m.Direction], From: m.From, To: m.To, Name: m.Name(), Helo: m.Helo, TLS: m.TLSVersion, Cipher: m.Cipher,
		Protocol: m.Protocol, Login: m.Login, Hostname: m.Hostname, Size: m.Size}
	if m.Client.IsValid() {
		e.Client = m.Client.Unmap().String()
	}
	about, err := json.Marshal(e)
	if err != nil {
		return q, fault.Wrap(fault.Internal, err, "")
	}
	var random [16]byte // a message that knew it could pretend to be several parts
	if _, err := io.ReadFull(s.o.Rand, random[:]); err != nil {
		return q, fault.Wrap(fault.Internal, err, "")
	}
	boundary := hex.EncodeToString(random[:])
	front := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"envelope\"\r\nContent-Type: application/json\r\n\r\n" + string(about) +
		"\r\n--" + boundary + "\r\nContent-Disposition: form-data; name=\"message\"; filename=\"message.eml\"\r\nContent-Type: message/rfc822\r\n\r\n"
	back := "\r\n--" + boundary + "--\r\n"
	q.Body = func() io.Reader { return io.MultiReader(strings.NewReader(front), m.Reader(), strings.NewReader(back)) }
	q.Size = int64(len(front)) + m.Size + int64(len(back))
	q.Header = http.Header{"Content-Type": {"multipart/form-data; boundary=" + boundary}, "User-Agent": {"Postroad"}}
	return q, s.sign(&q)
}

// SignatureField is the header field with a request's signature.
const SignatureField = "Postroad-Signature"

// sign signs a request.
func (s *Scanner) sign(q *ask.Question) error {
	if s.o.Secret == "" {
		return nil
	}
	at := fmt.Sprint(s.o.Now().Unix())
	h := hmac.New(sha256.New, []byte(s.o.Secret))
	io.WriteString(h, at+".") //nolint:errcheck // it never fails
	if _, err := io.Copy(h, q.Body()); err != nil {
		return err
	}
	q.Header.Set(SignatureField, "t="+at+",v1="+hex.EncodeToString(h.Sum(nil)))
	return nil
}

// parse reads an answer.
func parse(body []byte) (f scan.Finding, err error) {
	var a *Answer
	if err := json.Unmarshal(body, &a); err != nil || a == nil {
		return f, fault.New(fault.Unavailable, "the answer isn't a JSON object as it should be")
	}
	action, ok := scan.ActionOf(a.Action)
	if !ok && a.Action != "" {
		return f, fault.New(fault.Unavailable, "the answer's action isn't known: %s", scan.Printable(a.Action, 50))
	}
	f = scan.Finding{Action: action, Code: a.Code, Status: a.Status, Text: a.Text, Reason: a.Reason, Virus: a.Virus, Required: a.Required}
	if a.Virus != "" {
		f.Certainty = scan.Infected
	} else if a.Clean {
		f.Certainty = scan.Clean
	}
	if a.Score != nil {
		f.Scored, f.Score = true, *a.Score
	}
	for _, y := range a.Symbols {
		f.Symbols = append(f.Symbols, scan.Symbol{Name: y.Name, Score: y.Score, Text: y.Text})
	}
	for _, x := range a.Fields {
		f.Fields = append(f.Fields, scan.Field{Name: x.Name, Value: x.Value})
	}
	if len(a.Remove) > 0 {
		f.Changes = &scan.Changes{}
		for _, name := range a.Remove {
			f.Changes.Header = append(f.Changes.Header, scan.HeaderChange{Name: name, Do: scan.RemoveField})
		}
	}
	return f, nil
}
