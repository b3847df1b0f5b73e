package managesieve

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/xdg-go/scram"

	"postroad/internal/model/mailbox"
)

const signIn = "AUTHENTICATE \"PLAIN\" \"AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ=\"\r\n"

var open = ListenerOptions{PlainAllowed: true}

// Those who make too many errors are sent away.
func TestTooManyErrors(t *testing.T) {
	w := newWorld(t, open, func(c *Config) { c.Limits.Errors = 3 })
	c := w.dial(t, "192.0.2.1")
	c.reply()
	for range 2 {
		c.send("NONSENSE\r\n")
		if got := c.reply(); !strings.HasPrefix(got, "NO ") {
			t.Error(got)
		}
	}
	c.send("AUTHENTICATE \"PLAIN\" \"" + base64.StdEncoding.EncodeToString([]byte("\x00ann@example.org\x00wrong")) + "\"\r\n")
	if got := c.reply(); !strings.HasPrefix(got, "NO ") {
		t.Error(got)
	}
	if got := c.line() + c.line(); got != `BYE "too many errors"(hangs up)` {
		t.Error(got)
	}
}

// Connections are limited, in all and for each client.
func TestConnectionLimits(t *testing.T) {
	w := newWorld(t, open, func(c *Config) { c.Limits.Connections, c.Limits.ConnectionsPerAddress = 3, 2 })
	for range 2 {
		w.dial(t, "192.0.2.1").reply()
	}
	c := w.dial(t, "192.0.2.1")
	if got := c.line() + c.line(); got != `BYE (TRYLATER) "too many connections from your address"(hangs up)` {
		t.Error(got)
	}
	w.dial(t, "192.0.2.2").reply()
	if got := w.dial(t, "192.0.2.3").line(); got != `BYE (TRYLATER) "too many connections"` {
		t.Error(got)
	}
}

// Scripts are limited: at, above and far beyond. What is too long is read to its end, unless it is far too long.
func TestScriptSizes(t *testing.T) {
	w := newWorld(t, open, nil)
	c := w.dial(t, "192.0.2.1")
	c.reply()
	put := func(n int) string {
		go io.WriteString(c.conn, fmt.Sprintf("PUTSCRIPT \"x\" {%d+}\r\n#%s\r\n", n, strings.Repeat("x", n-1)))
		return c.reply()
	}
	if got := put(maxEarly + 1); !strings.HasPrefix(got, "NO (QUOTA/MAXSIZE) ") {
		t.Errorf("a stranger: %s", got)
	}
	c.send(signIn)
	c.reply()
	for n, want := range map[int]string{mailbox.MaxScriptBytes: "OK ", mailbox.MaxScriptBytes + 1: "NO (QUOTA/MAXSIZE) ", 4 << 20: "NO (QUOTA/MAXSIZE) ", 10 << 20: "NO (QUOTA/MAXSIZE) "} {
		if got := put(n); !strings.HasPrefix(got, want) {
			t.Errorf("%d: %s", n, got)
		}
	}
	c.send("LISTSCRIPTS\r\n")
	if got := c.reply(); got != "\"x\"\nOK" {
		t.Errorf("out of step: %s", got)
	}
	c.send(fmt.Sprintf("PUTSCRIPT \"x\" {%d+}\r\n", maxDiscarded+1))
	if got := c.reply(); got != `BYE "that is far too long"` {
		t.Error(got)
	}
}

// What the server has to say with success comes in the SASL code: RFC 5804 §1.3.
func TestSCRAMSaysLast(t *testing.T) {
	w := newWorld(t, open, nil)
	c := w.dial(t, "192.0.2.1")
	if got := c.reply(); !strings.Contains(got, "SCRAM-SHA-256") {
		t.Error(got)
	}
	client, err := scram.SHA256.NewClient("ann@example.org", "secret", "")
	check(t, err)
	talk := client.NewConversation()
	first, err := talk.Step("")
	check(t, err)
	c.send("AUTHENTICATE \"SCRAM-SHA-256\" \"" + base64.StdEncoding.EncodeToString([]byte(first)) + "\"\r\n")
	challenge, err := base64.StdEncoding.DecodeString(strings.Trim(c.line(), `"`))
	check(t, err)
	final, err := talk.Step(string(challenge))
	check(t, err)
	c.send("\"" + base64.StdEncoding.EncodeToString([]byte(final)) + "\"\r\n")
	last, ok := strings.CutPrefix(c.line(), `OK (SASL "`)
	last, _, _ = strings.Cut(last, `"`)
	proof, err := base64.StdEncoding.DecodeString(last)
	check(t, err)
	if _, err := talk.Step(string(proof)); !ok || err != nil || !talk.Valid() {
		t.Errorf("%q: %v", last, err)
	}
}

// Implicit TLS: RFC 8314 §3.
func TestImplicitTLS(t *testing.T) {
	w := newWorld(t, ListenerOptions{ImplicitTLS: true}, withTLS(t))
	c := w.dial(t, "192.0.2.1")
	c.startTLS()
	if got := c.reply(); !strings.Contains(got, "\"SASL\" \"") || strings.Contains(got, "STARTTLS") {
		t.Error(got)
	}
	c.send(signIn)
	if got := c.reply(); !strings.HasPrefix(got, "OK") {
		t.Error(got)
	}
}

// Input in the worst portions is read as in the best.
func TestByteByByte(t *testing.T) {
	text := "NOOP \"a\\\"b\"\r\nPUTSCRIPT {1+}\r\nx {5+}\r\nkeep;\r\n"
	d := decoder{r: bufio.NewReader(iotest.OneByteReader(strings.NewReader(text)))}
	d.begin(100)
	d.word()
	d.sp()
	if s := d.str(); s != `a"b` || d.end() != nil {
		t.Errorf("%q %v", s, d.err)
	}
	d.begin(100)
	name, _ := d.word(), 0
	d.sp()
	a := d.str()
	d.sp()
	b := d.str()
	if err := d.end(); err != nil || name != "PUTSCRIPT" || a != "x" || b != "keep;" {
		t.Errorf("%q %q %q %v", name, a, b, err)
	}
}

// Whatever comes, the decoder ends, and after an error that it calls harmless it stands at the beginning of a line.
func FuzzDecoder(f *testing.F) {
	f.Add("PUTSCRIPT \"a\" {3+}\r\nabc\r\nNOOP\r\n")
	f.Add("X {2}\r\n\r\n\r\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		d := decoder{r: bufio.NewReader(strings.NewReader(text))}
		for range 100 {
			d.begin(64)
			if c, ok := commands[d.word()]; ok && d.err == nil {
				c.parse(&d)
			} else {
				d.fail(errSyntax)
			}
			err := d.end()
			if err != nil && !errors.Is(err, errSyntax) && !errors.Is(err, errTooLong) {
				return
			}
			if !d.ended && err == nil {
				t.Fatal("a command without an end")
			}
		}
	})
}
