package pop3

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/transcript"
)

// TestTranscripts plays testdata/*.txt, conversations that specify the server. Beside what package transcript says:
//
//	given FILE.eml ...       these messages, from testdata, lie in ann's INBOX
//	given clear              the listener takes no passwords without TLS
//	given delay 60s          LOGIN-DELAY
//	then deliver FILE.eml    a message comes into ann's INBOX
//	then expunge 1 2         another program removes the messages with these UIDs from it
//	then wait 60s            time passes
//	then count 2             so many messages are in ann's INBOX
func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T, s transcript.Script) {
		p := &player{t: t}
		p.begin(s)
		transcript.World{Dial: func(string) net.Conn { return p.w.dial(t, "192.0.2.1").conn }, Do: p.do}.Play(t, s)
	})
}

// player makes what happens in a conversation beside it.
type player struct {
	t *testing.T
	w *world
}

// begin makes the world that is given.
func (p *player) begin(s transcript.Script) {
	o := plain
	var delay time.Duration
	var messages []string
	for _, l := range s.Given() {
		switch d, isDelay := strings.CutPrefix(l.Rest, "delay "); {
		case l.Rest == "clear":
			o.PlainAllowed = false
		case isDelay:
			delay, _ = time.ParseDuration(d)
		default:
			messages = append(messages, strings.Fields(l.Rest)...)
		}
	}
	p.w = newWorld(p.t, o, func(c *Config) {
		withTLS(p.t)(c)
		c.LoginDelay = delay
	})
	for _, m := range messages {
		p.deliver(m)
	}
}

func (p *player) deliver(file string) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	check(p.t, err)
	p.w.put(p.t, p.w.ann, string(text))
}

func (p *player) do(l transcript.Line) bool {
	words := strings.Fields(l.Rest)
	if l.Word != "then" || len(words) < 2 {
		return false
	}
	switch words[0] {
	case "deliver":
		p.deliver(words[1])
	case "expunge":
		p.expunge(words[1:])
	case "wait":
		d, err := time.ParseDuration(words[1])
		check(p.t, err)
		p.w.pass(d)
	case "count":
		if got := strconv.Itoa(p.w.count(p.t, p.w.ann)); got != words[1] {
			p.t.Errorf("%s: %s messages are left, want %s", l.At, got, words[1])
		}
	default:
		return false
	}
	return true
}

func (p *player) expunge(uids []string) {
	p.t.Helper()
	for _, w := range uids {
		uid, err := strconv.ParseUint(w, 10, 32)
		check(p.t, err)
		p.w.expunge(p.t, p.w.ann, mailbox.UID(uid))
	}
}
