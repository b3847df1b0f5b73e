package move

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/dialer"
	"postroad/internal/service/imapclient"
)

// moody is a server with ten messages in INBOX and a folder Gone, whose moods are functions of a command without its tag: they give what is said
// instead of an answer ("": nothing, the answer as usual), and an end of the connection ("end").
type moody struct {
	listener net.Listener
	serving  sync.WaitGroup
	mood     func(command string) string
	greeting func() string // nil: OK
}

func newMoody(t *testing.T, mood func(command string) string) *moody {
	return newGreeting(t, nil, mood)
}

// newGreeting is newMoody for a server that greets so.
func newGreeting(t *testing.T, greeting func() string, mood func(command string) string) *moody {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &moody{listener: l, mood: mood, greeting: greeting}
	m.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.serve(c) // one after the other
		}
	})
	t.Cleanup(func() {
		l.Close()
		m.serving.Wait()
	})
	return m
}

func (m *moody) serve(c net.Conn) {
	defer c.Close()
	greeting := "* OK hello"
	if m.greeting != nil {
		greeting = m.greeting()
	}
	fmt.Fprintf(c, "%s\r\n", greeting)
	lines := bufio.NewScanner(c)
	for strings.HasPrefix(greeting, "* OK") && lines.Scan() {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		switch said := m.mood(command); said {
		case "end":
			return
		case "":
			m.answer(c, command)
			fmt.Fprintf(c, "%s OK done\r\n", tag)
		default:
			fmt.Fprintf(c, "%s %s\r\n", tag, said)
		}
	}
}

// answer says what belongs in front of OK.
func (m *moody) answer(c net.Conn, command string) {
	word, rest, _ := strings.Cut(command, " ")
	switch word {
	case "CAPABILITY":
		fmt.Fprint(c, "* CAPABILITY IMAP4rev1\r\n")
	case "LIST":
		fmt.Fprint(c, "* LIST () \"/\" INBOX\r\n* LIST () \"/\" Gone\r\n")
	case "EXAMINE":
		fmt.Fprint(c, "* 10 EXISTS\r\n* OK [UIDVALIDITY 7] so\r\n")
	case "UID":
		words := strings.Fields(rest)
		for n, uid := range uidsIn(words[1]) {
			switch {
			case words[2] == "(UID)":
				fmt.Fprintf(c, "* %d FETCH (UID %d)\r\n", n+1, uid)
			case words[2] == "(UID" && words[3] == "FLAGS":
				fmt.Fprintf(c, "* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE \"09-Sep-2001 01:46:40 +0000\" RFC822.SIZE 15)\r\n", n+1, uid)
			default:
				fmt.Fprintf(c, "* %d FETCH (UID %d BODY[] {15}\r\nSubject: %02d\r\n\r\n)\r\n", n+1, uid, uid)
			}
		}
	}
}

func uidsIn(set string) (all []int) {
	for part := range strings.SplitSeq(set, ",") {
		from, to, _ := strings.Cut(part, ":")
		lo, _ := strconv.Atoi(from)
		hi, err := strconv.Atoi(to)
		if to == "*" {
			hi = 10
		} else if err != nil {
			hi = lo
		}
		for n := lo; n <= hi; n++ {
			all = append(all, n)
		}
	}
	return all
}

// bring imports from it, and tells what came of INBOX, what was said, and how long it was waited.
func (m *moody) bring(w *world) (uids []string, warned []string, left int, pauses []time.Duration, err error) {
	_, err = Import(w.ctx, w.store, w.session(1), nil, FromIMAP(IMAP{
		Account: "ann@moody",
		Connect: func(ctx context.Context) (*imapclient.Client, error) {
			c, err := imapclient.Dial(ctx, imapclient.Options{Options: dialer.Options{Address: m.listener.Addr().String(), Security: dialer.Plain}})
			if err != nil {
				return nil, err
			}
			return c, c.Login("ann", "secret")
		},
		Exclude: []string{"Gone"},
		Pause:   func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil },
		Warn:    func(text string) { warned = append(warned, text) },
		LeftOut: func() { left++ },
	}))
	for _, x := range messages(w.brought()) {
		uids = append(uids, strings.TrimSpace(strings.TrimPrefix(x.Body, "Subject: ")))
		if x.Received != 1e9 || x.Flags == 0 {
			uids[len(uids)-1] += "?"
		}
	}
	slices.Sort(uids)
	return uids, warned, left, pauses, err
}

const tenMessages = "01 02 03 04 05 06 07 08 09 10"

// A server that has too much to do is left alone for as long as it wants, and then nothing is missing.
func TestThrottledServer(t *testing.T) {
	for said, want := range map[string]time.Duration{
		"BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds": 5 * time.Minute,
		"NO [THROTTLED] slowly":            2 * time.Second,
		"NO [LIMIT] too much":              2 * time.Second,
		"NO [unavailable] later":           2 * time.Second,
		"BAD Suggested Backoff Time: x ms": 2 * time.Second,
		"NO Request is throttled. Suggested Backoff Time: 99999999 milliseconds": longestPause,
	} {
		for _, at := range []string{"LIST", "EXAMINE", "UID FETCH 1:*", "UID FETCH 1:10 (UID FLAGS", "UID FETCH 1:10 (UID BODY"} {
			w, asked := newWorld(t), false
			m := newMoody(t, func(command string) string {
				if !asked && strings.HasPrefix(command, at) {
					asked = true
					return said
				}
				return ""
			})
			uids, warned, left, pauses, err := m.bring(w)
			if strings.Join(uids, " ") != tenMessages || err != nil || left != 0 || !slices.Equal(pauses, []time.Duration{want}) || len(warned) != 1 {
				t.Errorf("%s at %s: %v, %v, %q, %d left out, pauses %v", said, at, uids, err, warned, left, pauses)
			}
		}
	}
}

// One that stays so is given up.
func TestServerThatIsAlwaysThrottled(t *testing.T) {
	w := newWorld(t)
	m := newMoody(t, func(command string) string {
		if strings.Contains(command, "(UID BODY") {
			return "NO [THROTTLED] no"
		}
		return ""
	})
	uids, _, left, pauses, err := m.bring(w)
	if len(uids) != 0 || left != 0 || err == nil || !strings.Contains(err.Error(), "THROTTLED") || len(pauses) != imapTries-1 {
		t.Errorf("%v, %d left out, %v after %v", uids, left, err, pauses)
	}
}

// has reports whether a command asks for a message's body, or what is known of it.
func has(command, what string, uid int) bool {
	words := strings.Fields(command)
	return len(words) > 4 && words[0] == "UID" && words[3] == "(UID" && strings.HasPrefix(words[4], what) && slices.Contains(uidsIn(words[2]), uid)
}

// A message that the server can't give, or that it falls at, is left out alone, and told; one of which it doesn't tell what is known, comes.
func TestMessagesThatMakeTrouble(t *testing.T) {
	for _, c := range []struct {
		what, said, uids, warning string
		left                      int
	}{
		{"BODY", "NO [SERVERBUG] damaged", "01 02 03 05 06 07 08 09 10", "message 4 in INBOX doesn't come (the server says: [SERVERBUG] damaged): left out", 1},
		{"BODY", "end", "01 02 03 05 06 07 08 09 10", "the connection breaks at message 4 in INBOX: left out", 1},
		{"FLAGS", "NO what?", "01 02 03 04? 05 06 07 08 09 10", "message 4 in INBOX comes without flags and date: the server says: what?", 0},
		{"FLAGS", "end", "01 02 03 05 06 07 08 09 10", "the connection breaks at message 4 in INBOX: left out", 1},
	} {
		w := newWorld(t)
		m := newMoody(t, func(command string) string {
			if has(command, c.what, 4) {
				return c.said
			}
			return ""
		})
		uids, warned, left, _, err := m.bring(w)
		if d := cmp.Diff(c.uids, strings.Join(uids, " ")); d != "" || err != nil || left != c.left || !slices.Contains(warned, c.warning) {
			t.Errorf("%s %s: %v, %d left out, %q: %s", c.what, c.said, err, left, warned, d)
		}
	}
}

// When a connection has broken a server may turn the next one away for a while; a password that isn't taken any more is tried thrice.
func TestConnectionsThatAreTurnedAway(t *testing.T) {
	for _, c := range []struct {
		greeting, login string
		times, pauses   int
		kind            fault.Kind
	}{
		{"* BYE too many connections", "", 3, 4, 0},
		{"* BYE too many connections", "", 100, imapTries - 1, fault.Denied},
		{"", "NO [LIMIT] too many connections", 3, 4, 0},
		{"", "NO wrong", 2, 3, 0},
		{"", "NO wrong", 100, signInTries, fault.Unauthenticated},
	} {
		w, broken, turned := newWorld(t), false, 0
		turn := func(said, usual string) string {
			if !broken || said == "" || turned == c.times {
				return usual
			}
			turned++
			return said
		}
		greeting := func() string { return turn(c.greeting, "* OK hello") }
		m := newGreeting(t, greeting, func(command string) string {
			switch {
			case strings.HasPrefix(command, "LOGIN"):
				return turn(c.login, "")
			case strings.HasPrefix(command, "EXAMINE") && !broken:
				broken = true
				return "end"
			}
			return ""
		})
		uids, warned, _, pauses, err := m.bring(w)
		if (strings.Join(uids, " ") == tenMessages) != (c.kind == 0) || fault.KindOf(err) != c.kind && c.kind != 0 || (err != nil) != (c.kind != 0) || len(pauses) != c.pauses {
			t.Errorf("%s%s %d times: %v, %v, %q, pauses %v", c.greeting, c.login, c.times, uids, err, warned, pauses)
		}
	}
}
