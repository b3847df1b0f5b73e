package pop3

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"postroad/internal/model/mailbox"
)

// TestTranscripts plays testdata/*.txt, conversations that specify the server.
//
//	# comment
//	given FILE.eml ...       these messages, from testdata, lie in ann's INBOX (before the first client comes)
//	given clear              the listener takes no passwords without TLS
//	given delay 60s          LOGIN-DELAY
//	C: text                  the client says a line (C2:, C3: other clients)
//	C+ "text"                the client sends just these bytes, quoted as in Go
//	S: text                  the server says that line (S2:, S3: to other clients); * in it stands for anything
//	S: ...                   the server says any number of lines, up to one that fits the next S: line
//	S: (hangs up)            the server closes the connection
//	TLS                      the client does its handshake
//	then deliver FILE.eml    a message comes into ann's INBOX
//	then expunge 1 2         another program removes the messages with these UIDs from it
//	then wait 60s            time passes
//	then count 2             so many messages are in ann's INBOX
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, f)
		})
	}
}

// player plays one transcript.
type player struct {
	t       *testing.T
	w       *world
	clients map[string]*client
	skip    bool
	at      int
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	check(t, err)
	p := &player{t: t, clients: map[string]*client{}}
	lines := strings.Split(string(text), "\n")
	p.begin(lines)
	for i, l := range lines {
		p.at = i + 1
		if l != "" && l[0] != '#' && !strings.HasPrefix(l, "given ") {
			p.step(l)
		}
	}
}

func (p *player) begin(lines []string) {
	o := plain
	var delay time.Duration
	var messages []string
	for _, l := range lines {
		rest, ok := strings.CutPrefix(l, "given ")
		switch d, isDelay := strings.CutPrefix(rest, "delay "); {
		case !ok:
		case rest == "clear":
			o.PlainAllowed = false
		case isDelay:
			delay, _ = time.ParseDuration(d)
		default:
			messages = append(messages, strings.Fields(rest)...)
		}
	}
	p.w = newWorld(p.t, o, func(c *Config) {
		c.TLS = serverTLS(p.t)
		c.Limits.LoginDelay = delay
	})
	for _, m := range messages {
		p.deliver(m)
	}
}

func (p *player) deliver(file string) {
	text, err := os.ReadFile(filepath.Join("testdata", file))
	check(p.t, err)
	p.w.put(p.t, p.w.ann, string(text))
}

func (p *player) client(name string) *client {
	c := p.clients[name]
	if c == nil {
		c = p.w.dial(p.t, "192.0.2.1")
		p.clients[name] = c
	}
	return c
}

var lineForm = regexp.MustCompile(`^([CS])([0-9]*)(:|\+) ?(.*)$`)

func (p *player) step(l string) {
	if l == "TLS" {
		p.client("").startTLS()
		return
	}
	if rest, ok := strings.CutPrefix(l, "then "); ok {
		p.act(strings.Fields(rest))
		return
	}
	m := lineForm.FindStringSubmatch(l)
	if m == nil {
		p.t.Fatalf("line %d: %q is not the language of transcripts", p.at, l)
	}
	c := p.client(m[2])
	switch {
	case m[1] == "C" && m[3] == "+":
		text, err := strconv.Unquote(m[4])
		check(p.t, err)
		c.raw(text)
	case m[1] == "C":
		c.say(m[4])
	case m[4] == "...":
		p.skip = true
	case m[4] == "(hangs up)":
		c.closed()
	default:
		p.hear(c, m[4])
	}
}

func (p *player) hear(c *client, want string) {
	form := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*") + "$")
	for {
		got, err := c.r.ReadString('\n')
		if err != nil || !strings.HasSuffix(got, "\r\n") {
			p.t.Fatalf("line %d: got %q, %v; want %q", p.at, got, err, want)
		}
		if form.MatchString(strings.TrimSuffix(got, "\r\n")) {
			p.skip = false
			return
		}
		if !p.skip {
			p.t.Fatalf("line %d:\ngot  %q\nwant %q", p.at, got, want)
		}
	}
}

func (p *player) act(words []string) {
	switch words[0] {
	case "deliver":
		p.deliver(words[1])
	case "expunge":
		for _, w := range words[1:] {
			uid, err := strconv.ParseUint(w, 10, 32)
			check(p.t, err)
			p.w.expunge(p.t, p.w.ann, mailbox.UID(uid))
		}
	case "wait":
		d, err := time.ParseDuration(words[1])
		check(p.t, err)
		p.w.pass(d)
	case "count":
		if got := strconv.Itoa(p.w.count(p.t, p.w.ann)); got != words[1] {
			p.t.Errorf("line %d: %s messages are left, want %s", p.at, got, words[1])
		}
	default:
		p.t.Fatalf("line %d: what is %q?", p.at, words[0])
	}
}
