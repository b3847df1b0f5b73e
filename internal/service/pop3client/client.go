// Package pop3client collects mail from other servers by POP3.
//
// A Client is one session: Dial, Login, then List, Retrieve, Delete; Quit makes the deletions happen (RFC 1939 §6), Close
// drops them. Messages are streamed.
//
// The server may be anybody's: lines and lists are bounded, each wait has a limit, and what makes no sense is an error.
//
// Implements the client's side of RFC 1939 but for APOP, of RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH PLAIN), RFC 7628 (OAUTHBEARER), and
// reads RFC 3206's response codes.
package pop3client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/dialer"
)

// Options say where the server is.
type Options = dialer.Options

// Limits of what is read.
const (
	maxLine     = 2048      // bytes of a reply or a line of a list
	maxMessages = 1_000_000 // in a maildrop
	maxCaps     = 200
	maxUID      = 256     // bytes; 70 are allowed (RFC 1939 §7)
	maxSkip     = 1 << 30 // bytes of a message that nobody wants
)

// Client is a session. It is not safe for concurrent use.
type Client struct {
	o    Options
	conn *dialer.Conn
	in   *bufio.Reader
	caps map[string]string
	more bool // the last reply was a challenge
}

// Dial connects and reads the greeting. The session ends when ctx does. Errors: fault.Unavailable if the server can't be
// reached or is no POP3 server, fault.Denied if it turns us away or has no TLS.
func Dial(ctx context.Context, o Options) (*Client, error) {
	conn, err := dialer.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, conn: conn, in: bufio.NewReaderSize(conn, 16<<10), caps: map[string]string{}}
	if err := c.begin(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) begin(ctx context.Context) error {
	if _, err := c.reply(); err != nil {
		if IsRefusal(err) {
			return fault.Wrap(fault.Denied, err, c.o.Address+" turns us away")
		}
		return err
	}
	if c.o.Security == dialer.StartTLS {
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	return c.askCapabilities()
}

func (c *Client) startTLS(ctx context.Context) error {
	if _, err := c.ask("STLS"); err != nil {
		if IsRefusal(err) {
			return fault.Wrap(fault.Denied, err, c.o.Address+" offers no TLS")
		}
		return err
	}
	if c.in.Buffered() > 0 { // put in by somebody who stands between
		return fault.New(fault.Denied, "%s: more came before TLS than should", c.o.Address)
	}
	return c.conn.Secure(ctx) // what is read ahead is nothing, so the reader can stay
}

// Close ends the session without deleting anything.
func (c *Client) Close() error { return c.conn.Close() }

// Quit deletes what was to be deleted, and ends the session. After an error it isn't known whether it was.
func (c *Client) Quit() error {
	_, err := c.ask("QUIT")
	c.Close() // the server may have been first
	return err
}

// askCapabilities reads CAPA; a server without it has none.
func (c *Client) askCapabilities() error {
	clear(c.caps)
	if _, err := c.ask("CAPA"); err != nil {
		if IsRefusal(err) {
			return nil
		}
		return err
	}
	n := 0
	return c.list(func(line string) error {
		name, args, _ := strings.Cut(line, " ")
		c.caps[strings.ToUpper(name)] = strings.ToUpper(args)
		if n++; n > maxCaps {
			return fault.New(fault.TooLarge, "%s has too many capabilities", c.o.Address)
		}
		return nil
	})
}

// refusal is a reply of -ERR: the session goes on.
type refusal struct{ text string }

func (r *refusal) Error() string { return "the server says: " + r.text }

// IsRefusal reports whether err is the server's answer to one command, and the session is all right.
func IsRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// IsTemporary reports whether err is a refusal that the server says may be another answer later (RFC 3206 §3, RFC 2449 §8.1).
func IsTemporary(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	code, _, _ := strings.Cut(strings.ToUpper(r.text), "]")
	return code == "[SYS/TEMP" || code == "[IN-USE" || code == "[LOGIN-DELAY"
}

// ask gives a command and reads the first line of the reply.
func (c *Client) ask(command string) (string, error) {
	if _, err := io.WriteString(c.conn, command+"\r\n"); err != nil {
		return "", c.broken(err)
	}
	return c.reply()
}

func (c *Client) reply() (string, error) {
	line, err := c.line()
	if err != nil {
		return "", err
	}
	status, text, _ := strings.Cut(line, " ")
	c.more = status == "+"
	switch status {
	case "+OK":
		return text, nil
	case "-ERR":
		return "", &refusal{dialer.Shown(text)}
	case "+":
		return "", nil
	}
	return "", fault.New(fault.Unavailable, "%s doesn't speak POP3", c.o.Address)
}

// line reads one, which isn't longer than maxLine.
func (c *Client) line() (string, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return "", c.broken(err)
	}
	if len(line) > maxLine {
		return "", fault.New(fault.TooLarge, "%s sends a line that is too long", c.o.Address)
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}

// list reads the lines of a reply up to the dot.
func (c *Client) list(fn func(line string) error) error {
	for {
		line, err := c.line()
		if err != nil || line == "." {
			return err
		}
		if err := fn(strings.TrimPrefix(line, ".")); err != nil {
			return err
		}
	}
}

func (c *Client) broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fault.Wrap(fault.Unavailable, err, "the connection to "+c.o.Address+" broke")
}

// Login signs in by a password. Errors: fault.Unauthenticated, or fault.Unavailable if it may
// work later (RFC 3206, RFC 2449 §8.1.1).
func (c *Client) Login(user, password string) error {
	response, err := dialer.Password(user, password)
	if err != nil {
		return err
	}
	if c.hasMechanism("PLAIN") {
		return c.signedIn(c.authenticate("PLAIN", response))
	}
	if _, err := c.ask("USER " + user); err != nil {
		return c.signedIn(err)
	}
	_, err = c.ask("PASS " + password)
	return c.signedIn(err)
}

// LoginToken signs in by an OAuth 2.0 access token.
func (c *Client) LoginToken(user, token string) error {
	mechanism, response, err := c.o.Token(user, token, c.hasMechanism)
	if err != nil {
		return err
	}
	return c.signedIn(c.authenticate(mechanism, response))
}

func (c *Client) hasMechanism(name string) bool {
	return strings.Contains(" "+c.caps["SASL"]+" ", " "+name+" ")
}

// authenticate gives a SASL mechanism's one response, on a line of its own, since it may be long (RFC 5034 §4).
func (c *Client) authenticate(mechanism, response string) error {
	if _, err := c.ask("AUTH " + mechanism); err != nil {
		return err
	}
	if c.more {
		if _, err := c.ask(base64.StdEncoding.EncodeToString([]byte(response))); err != nil || !c.more {
			return err
		}
		if _, err := c.ask("*"); err != nil { // it tells why it won't, and wants to hear that we give up
			return err
		}
	}
	return fault.New(fault.Unavailable, "%s doesn't know how to sign in", c.o.Address)
}

func (c *Client) signedIn(err error) error {
	var r *refusal
	switch {
	case !errors.As(err, &r):
		return err
	case strings.HasPrefix(r.text, "[IN-USE]"), strings.HasPrefix(r.text, "[SYS/TEMP]"), strings.HasPrefix(r.text, "[LOGIN-DELAY]"):
		return fault.Wrap(fault.Unavailable, err, c.o.Address+" wants us to come later")
	}
	return fault.Wrap(fault.Unauthenticated, err, c.o.Address+" doesn't let us in")
}

// Message is one in the maildrop.
type Message struct {
	Number int
	UID    string // by UIDL; empty: the server has none
	Size   int64
}

// List lists the messages, in the order of their numbers.
func (c *Client) List() ([]Message, error) {
	var all []Message
	if _, err := c.ask("LIST"); err != nil {
		return nil, asked(err)
	}
	err := c.list(func(line string) error {
		number, rest, _ := strings.Cut(line, " ")
		size, _, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		s, failed := strconv.ParseInt(size, 10, 64)
		if err != nil || failed != nil || n <= 0 || s < 0 || len(all) >= maxMessages || len(all) > 0 && n <= all[len(all)-1].Number {
			return fault.New(fault.Unavailable, "%s sends a list that makes no sense", c.o.Address)
		}
		all = append(all, Message{Number: n, Size: s})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, c.addUIDs(all)
}

func (c *Client) addUIDs(all []Message) error {
	if _, err := c.ask("UIDL"); err != nil {
		if IsRefusal(err) {
			return nil
		}
		return err
	}
	at, lines := 0, 0
	return c.list(func(line string) error {
		number, uid, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		if lines++; err != nil || uid == "" || len(uid) > maxUID || lines > maxMessages {
			return fault.New(fault.Unavailable, "%s sends a list that makes no sense", c.o.Address)
		}
		for at < len(all) && all[at].Number < n {
			at++
		}
		if at < len(all) && all[at].Number == n {
			all[at].UID = uid
		}
		return nil
	})
}

func asked(err error) error {
	if IsRefusal(err) {
		return fault.Wrap(fault.Unavailable, err, "the server refuses")
	}
	return err
}

// Retrieve gives a message to fn, whose lines end with CRLF. If fn doesn't read it all the rest is skipped.
func (c *Client) Retrieve(number int, fn func(body io.Reader) error) error {
	if _, err := c.ask(fmt.Sprintf("RETR %d", number)); err != nil {
		return err
	}
	d := &dotReader{c: c, start: true}
	failed := fn(d)
	n, err := io.Copy(io.Discard, io.LimitReader(d, maxSkip))
	if err == nil && n == maxSkip {
		c.conn.Close() // or the rest would be taken for replies
		err = fault.New(fault.Unavailable, "%s sends a message that has no end", c.o.Address)
	}
	if err != nil {
		return errors.Join(err, failed)
	}
	return failed
}

// Delete marks a message; it is deleted by Quit.
func (c *Client) Delete(number int) error {
	_, err := c.ask(fmt.Sprintf("DELE %d", number))
	return err
}

// dotReader reads a message up to the line with a dot (RFC 1939 §3).
type dotReader struct {
	c     *Client
	start bool // at the beginning of a line
	left  []byte
	err   error
}

func (d *dotReader) Read(p []byte) (int, error) {
	for len(d.left) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.next()
	}
	n := copy(p, d.left)
	d.left = d.left[n:]
	return n, nil
}

// next reads a line, or a part of a long one.
func (d *dotReader) next() {
	part, err := d.c.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		d.err = d.c.broken(err)
		return
	}
	if d.start && len(part) > 0 && part[0] == '.' {
		if part = part[1:]; string(part) == "\r\n" || string(part) == "\n" {
			d.err = io.EOF
			return
		}
	}
	d.start = err == nil
	d.left = part
}
