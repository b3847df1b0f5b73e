// Package imapclient reads mail from other servers by IMAP: what a move to us needs, and no more.
//
// A Client is one connection: Dial, Login, then List, Examine, UIDs, Fetch. It writes only what Store and Expunge say;
// mailboxes are else opened by EXAMINE. Message bytes are streamed, never held, unless a server sends
// them before it says whose they are; then they wait in a file.
//
// The server may be anybody's: lines, literals, nesting, numbers of folders and messages are bounded, each wait has a limit,
// and what makes no sense ends the connection with an error.
//
// Implements the client's side of RFC 3501 (and RFC 9051, as far as servers of both speak it), RFC 2342 (NAMESPACE), RFC 4315
// (UID EXPUNGE), RFC 4959 (SASL-IR), RFC 6154 (SPECIAL-USE), RFC 7628 (OAUTHBEARER). Reads Gmail's X-GM-MSGID.
package imapclient

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dialer"
)

// Options say where the server is.
type Options struct {
	dialer.Options
	// SpoolDir is where messages wait in case; empty: the system's folder for temporary files.
	SpoolDir string
}

// Client is a connection. It is not safe for concurrent use.
type Client struct {
	o    Options
	conn *dialer.Conn
	in   *reader
	out  *bufio.Writer
	tag  int
	caps map[string]bool
}

// Dial connects, and reads the greeting. The connection ends when ctx does. Errors: fault.Unavailable if the server
// can't be reached or is no IMAP server, fault.Denied if it turns us away or has no TLS.
func Dial(ctx context.Context, o Options) (*Client, error) {
	conn, err := dialer.Dial(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, conn: conn, in: newReader(conn), out: bufio.NewWriter(conn), caps: map[string]bool{}}
	if err := c.begin(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) begin(ctx context.Context) error {
	r, err := c.in.response()
	if err != nil {
		return c.broken(err)
	}
	if r.tag != "*" || r.name != "OK" && r.name != "PREAUTH" {
		return fault.New(fault.Denied, "%s turns us away: %s", c.o.Address, dialer.Shown(r.text))
	}
	if c.o.Security != dialer.StartTLS {
		return c.askCapabilities()
	}
	if r.name == "PREAUTH" { // no STARTTLS is possible then (RFC 3501 §6.2.1): somebody may stand between
		return fault.New(fault.Denied, "%s offers no TLS", c.o.Address)
	}
	if err := c.askCapabilities(); err != nil {
		return err
	}
	if !c.caps["STARTTLS"] {
		return fault.New(fault.Denied, "%s offers no TLS", c.o.Address)
	}
	if err := c.run("STARTTLS", nil); err != nil {
		return err
	}
	// What came in the clear behind the reply is not the server's (RFC 9051 §6.2.1); and what it
	// said before may not be either.
	if c.in.b.Buffered() > 0 {
		return fault.New(fault.Denied, "%s: more came before TLS than should", c.o.Address)
	}
	if err := c.conn.Secure(ctx); err != nil { // what is read ahead is nothing, so the reader can stay
		return err
	}
	return c.askCapabilities()
}

// Close ends the connection. It doesn't wait for the server.
func (c *Client) Close() error { return c.conn.Close() }

// Logout says goodbye and ends the connection.
func (c *Client) Logout() {
	_ = c.run("LOGOUT", nil) // it ends either way
	c.Close()
}

// Has reports whether the server has a capability, in capitals.
func (c *Client) Has(capability string) bool { return c.caps[capability] }

func (c *Client) askCapabilities() error {
	c.caps = map[string]bool{}
	return c.run("CAPABILITY", func(r *response) error {
		if r.name != "CAPABILITY" {
			return nil
		}
		for _, word := range strings.Fields(r.text) {
			c.caps[strings.ToUpper(word)] = true
		}
		return nil
	})
}

// refusal is a tagged NO or BAD: the connection goes on.
type refusal struct {
	bad  bool
	text string
}

func (r *refusal) Error() string { return "the server says: " + r.text }

// IsRefusal reports whether err is the server's answer to one command, and the connection is all right.
func IsRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// IsTemporary reports whether err is a refusal that the server says may be another answer later (RFC 5530 §3).
func IsTemporary(err error) bool {
	_, busy := IsBusy(err)
	var r *refusal
	return busy || errors.As(err, &r) && r.code() == "SERVERBUG"
}

// IsBusy reports whether err is a refusal of a server that has too much to do, for us or at all, and how long it wants to be left alone;
// 0: it doesn't say. Exchange Online says "Request is throttled. Suggested Backoff Time: 299961 milliseconds", without a code.
func IsBusy(err error) (wait time.Duration, busy bool) {
	var r *refusal
	if !errors.As(err, &r) {
		return 0, false
	}
	if _, rest, ok := strings.Cut(r.text, "Suggested Backoff Time: "); ok {
		digits, _, _ := strings.Cut(rest, " ")
		if ms, err := strconv.ParseUint(digits, 10, 31); err == nil {
			wait = time.Duration(ms) * time.Millisecond
		}
		return wait, true
	}
	return 0, slices.Contains([]string{"UNAVAILABLE", "INUSE", "LIMIT", "THROTTLED"}, r.code())
}

// code is the response code (RFC 5530); "": none.
func (r *refusal) code() string {
	code, _, ok := strings.Cut(strings.ToUpper(r.text), "]")
	if !ok || !strings.HasPrefix(code, "[") {
		return ""
	}
	return code[1:]
}

// run gives a command and hands untagged responses to fn, which may be nil, until it is done.
func (c *Client) run(command string, fn func(*response) error) error {
	tag, err := c.send(command)
	if err != nil {
		return err
	}
	return c.finish(tag, fn)
}

func (c *Client) send(command string) (tag string, err error) {
	c.tag++
	tag = fmt.Sprintf("p%d", c.tag)
	return tag, c.write(tag + " " + command + "\r\n")
}

func (c *Client) write(line string) error {
	c.out.WriteString(line)
	if err := c.out.Flush(); err != nil {
		return c.broken(err)
	}
	return nil
}

// finish reads responses up to the tagged one.
func (c *Client) finish(tag string, fn func(*response) error) error {
	for {
		r, err := c.in.response()
		if err != nil {
			return c.broken(err)
		}
		switch {
		case r.tag == tag:
			return c.outcome(r)
		case r.tag == "+":
			return fault.New(fault.Unavailable, "%s waits for something that it was not promised", c.o.Address)
		case r.tag != "*":
			return fault.New(fault.Unavailable, "%s answers what it was not asked", c.o.Address)
		case r.name == "BYE" && tag != "":
			return fault.New(fault.Unavailable, "%s ends the connection: %s", c.o.Address, dialer.Shown(r.text))
		case fn != nil:
			if err := fn(r); err != nil {
				return err
			}
		}
		if err := c.in.skipLine(); err != nil {
			return c.broken(err)
		}
	}
}

func (c *Client) outcome(r *response) error {
	if err := c.in.skipLine(); err != nil {
		return c.broken(err)
	}
	if r.name == "OK" {
		return nil
	}
	return &refusal{r.name == "BAD", dialer.Shown(r.text)}
}

// broken says that the connection is of no use any more.
func (c *Client) broken(err error) error {
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the connection to "+c.o.Address+" broke")
}

// Login signs in by a password: SASL PLAIN where the server has it, since LOGIN's strings are ASCII only.
func (c *Client) Login(user, password string) error {
	response, err := dialer.Password(user, password)
	switch {
	case err != nil:
		return err
	case c.caps["AUTH=PLAIN"]:
		return c.signedIn(c.authenticate("PLAIN", response))
	case c.caps["LOGINDISABLED"]:
		return fault.New(fault.Denied, "%s takes no passwords on this connection", c.o.Address)
	}
	return c.signedIn(c.run("LOGIN "+quote(user)+" "+quote(password), nil))
}

// LoginToken signs in by an OAuth 2.0 access token.
func (c *Client) LoginToken(user, token string) error {
	mechanism, response, err := c.o.Token(user, token, func(m string) bool { return c.caps["AUTH="+m] })
	if err != nil {
		return err
	}
	return c.signedIn(c.authenticate(mechanism, response))
}

// signedIn ends a sign-in: what the server can do may be more now.
func (c *Client) signedIn(err error) error {
	if IsRefusal(err) {
		return fault.Wrap(fault.Unauthenticated, err, c.o.Address+" doesn't let us in")
	}
	if err != nil {
		return err
	}
	return c.askCapabilities()
}

// authenticate gives a SASL mechanism's one response.
func (c *Client) authenticate(mechanism, response string) error {
	coded := base64.StdEncoding.EncodeToString([]byte(response))
	command := "AUTHENTICATE " + mechanism
	if c.caps["SASL-IR"] {
		tag, err := c.send(command + " " + coded)
		if err != nil {
			return err
		}
		return c.afterResponse(tag)
	}
	tag, err := c.send(command)
	if err != nil {
		return err
	}
	r, err := c.nextOf(tag)
	if err != nil {
		return err
	}
	if r.tag == tag {
		return c.outcome(r)
	}
	if err := errors.Join(c.in.skipLine(), c.write(coded+"\r\n")); err != nil {
		return c.broken(err)
	}
	return c.afterResponse(tag)
}

// nextOf reads up to a continuation or the tagged response.
func (c *Client) nextOf(tag string) (*response, error) {
	for range maxUntagged {
		r, err := c.in.response()
		if err != nil {
			return nil, c.broken(err)
		}
		if r.tag == tag || r.tag == "+" {
			return r, nil
		}
		if err := c.in.skipLine(); err != nil {
			return nil, c.broken(err)
		}
	}
	return nil, fault.New(fault.Unavailable, "%s talks without end", c.o.Address)
}

// maxUntagged is how many responses a server may send in front of one that ends a step of a sign-in.
const maxUntagged = 1000

// afterResponse reads the outcome. A server may tell an error first (RFC 7628 §3.2.2), and then has to be told that we give up.
func (c *Client) afterResponse(tag string) error {
	for range 3 {
		r, err := c.nextOf(tag)
		if err != nil {
			return err
		}
		if r.tag == tag {
			return c.outcome(r)
		}
		if err := errors.Join(c.in.skipLine(), c.write("*\r\n")); err != nil {
			return c.broken(err)
		}
	}
	return fault.New(fault.Unavailable, "%s doesn't stop asking", c.o.Address)
}
