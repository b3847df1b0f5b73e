package transcript

import (
	"net"
	"regexp"
	"strconv"
	"testing"
)

// World is what a conversation is held with.
type World struct {
	// Given makes something so. Lines come in order; nil: nothing can be given here, or it has been read already.
	Given func(Line)
	// Dial connects a client.
	Dial func(name string) net.Conn
	// Entered, if set, is called for a new client that speaks first.
	Entered func(c *Client)
	// Do does what a line with a word of the protocol's own says; false: it is no such word.
	Do func(Line) bool
	// Wild stands for anything in what the server says; default "*".
	Wild string
}

// player plays one conversation.
type player struct {
	World
	t       testing.TB
	clients map[string]*Client
}

// Play holds a conversation. The test fails where it doesn't go as written.
func (w World) Play(t testing.TB, s Script) {
	t.Helper()
	if w.Wild == "" {
		w.Wild = "*"
	}
	p := &player{World: w, t: t, clients: map[string]*Client{}}
	for _, l := range s {
		p.step(l)
	}
	p.flush(nil)
}

// said is the form of lines that are a client's.
var said = regexp.MustCompile(`^([CS!])([0-9a-z]*)[:>]$`)

func (p *player) step(l Line) {
	p.t.Helper()
	m := said.FindStringSubmatch(l.Word)
	switch {
	case l.Word == "given":
		if p.Given != nil {
			p.Given(l)
		}
		return
	case l.Word == "TLS":
		p.client(l, "", true).startTLS(l)
		return
	case m == nil:
		p.flush(nil)
		if p.Do == nil || !p.Do(l) {
			p.t.Fatalf("%s: what is %q?", l.At, l.Word)
		}
		return
	}
	c := p.client(l, m[2], m[1] == "C")
	switch m[1] {
	case "C":
		p.flush(c)
		c.say(l)
	case "!":
		c.forbidden = append(c.forbidden, l.Rest)
	default:
		p.flush(nil)
		c.expect(l, p.Wild)
	}
}

// client finds a client, or connects it.
func (p *player) client(l Line, name string, speaks bool) *Client {
	p.t.Helper()
	c := p.clients[name]
	if c == nil {
		c = newClient(p.t, name, p.Dial(name))
		p.clients[name] = c
		if speaks && p.Entered != nil {
			p.Entered(c)
		}
	}
	return c
}

// flush lets all clients but one say what they have gathered.
func (p *player) flush(but *Client) {
	p.t.Helper()
	for _, c := range p.clients {
		if c != but {
			c.flush()
		}
	}
}

// bytesOf is what a C: or C> line says.
func bytesOf(l Line) (string, error) {
	if l.Word[len(l.Word)-1] == '>' {
		return strconv.Unquote(l.Rest)
	}
	return l.Rest + "\r\n", nil
}
