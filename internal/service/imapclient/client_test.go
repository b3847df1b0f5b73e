package imapclient

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/service/dialer"
	"postroad/internal/service/dialer/dialertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial connects to a server that plays a script, in the clear unless the options say otherwise.
func dial(t *testing.T, o Options, lines ...string) (*Client, error) {
	t.Helper()
	o.Address, o.Dial = "mail.example.org:143", dialertest.Script(t, lines...)
	if o.Security == dialer.Implicit {
		o.Security = dialer.Plain
	}
	c, err := Dial(t.Context(), o)
	t.Cleanup(func() {
		if c != nil {
			c.Close()
		}
	})
	return c, err
}

// greeting is how sessions begin.
func greeting(caps string) []string {
	return []string{"* OK hello\r\n", "C: TAG CAPABILITY", "* CAPABILITY IMAP4rev1 " + caps + "\r\nTAG OK done\r\n"}
}

func session(t *testing.T, caps string, lines ...string) *Client {
	t.Helper()
	c, err := dial(t, Options{}, append(greeting(caps), lines...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The ways to sign in.
func TestLogin(t *testing.T) {
	again := []string{"C: TAG CAPABILITY", "* CAPABILITY IMAP4rev1 UIDPLUS\r\nTAG OK done\r\n"}
	for _, x := range []struct {
		name, caps string
		token      bool
		lines      []string
		kind       fault.Kind // of the error
		ok         bool
	}{
		{"plain at once", "AUTH=PLAIN SASL-IR", false, append([]string{"C: TAG AUTHENTICATE PLAIN AGFubgBweA==", "TAG OK in\r\n"}, again...), 0, true},
		{"plain in two steps", "AUTH=PLAIN", false, append([]string{"C: TAG AUTHENTICATE PLAIN", "+ \r\n", "C: AGFubgBweA==", "* 3 EXISTS\r\nTAG OK in\r\n"}, again...), 0, true},
		{"login", "", false, append([]string{`C: TAG LOGIN "ann" "px"`, "TAG OK in\r\n"}, again...), 0, true},
		{"oauthbearer", "AUTH=OAUTHBEARER AUTH=XOAUTH2 SASL-IR", true, append([]string{"C: TAG AUTHENTICATE OAUTHBEARER bixhPWFubiwBYXV0aD1CZWFyZXIgcHgBAQ==", "TAG OK in\r\n"}, again...), 0, true},
		{"xoauth2", "AUTH=XOAUTH2 SASL-IR", true, append([]string{"C: TAG AUTHENTICATE XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgcHgBAQ==", "TAG OK in\r\n"}, again...), 0, true},
		{"wrong token", "AUTH=XOAUTH2 SASL-IR", true, []string{"C: TAG AUTHENTICATE XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgcHgBAQ==", "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n", "C: *", "TAG NO bad token\r\n"}, fault.Unauthenticated, false},
		{"wrong password", "AUTH=PLAIN SASL-IR", false, []string{"C: TAG AUTHENTICATE PLAIN AGFubgBweA==", "TAG NO [AUTHENTICATIONFAILED] no\r\n"}, fault.Unauthenticated, false},
		{"no passwords", "LOGINDISABLED", false, nil, fault.Denied, false},
		{"no tokens", "AUTH=PLAIN", true, nil, fault.Unsupported, false},
		{"asks for ever", "AUTH=XOAUTH2 SASL-IR", true, []string{"C: TAG AUTHENTICATE XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgcHgBAQ==", "+ x\r\n", "C: *", "+ x\r\n", "C: *", "+ x\r\n", "C: *", "+ x\r\n"}, fault.Unavailable, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := session(t, x.caps, x.lines...)
			login := c.Login
			if x.token {
				login = c.LoginToken
			}
			err := login("ann", "px")
			if x.ok && (err != nil || !c.Has("UIDPLUS")) || !x.ok && !fault.Is(err, x.kind) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), "px") {
				t.Errorf("the secret is in %v", err)
			}
		})
	}
}

// No TLS is no connection, where TLS is wanted; and what was put in front of it is not believed.
func TestStartTLSIsDemanded(t *testing.T) {
	for name, lines := range map[string][]string{
		"not offered": greeting("AUTH=PLAIN"),
		"preauth":     {"* PREAUTH come in\r\n"},
		"refused":     append(greeting("STARTTLS"), "C: TAG STARTTLS", "TAG NO later\r\n"),
		"injected":    append(greeting("STARTTLS"), "C: TAG STARTTLS", "TAG OK go on\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"),
		"turned away": {"* BYE too many\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := dial(t, Options{Options: dialer.Options{Security: dialer.StartTLS}}, lines...)
			if err == nil {
				c.Close()
				t.Error("it connected")
			}
		})
	}
}

func TestMailboxes(t *testing.T) {
	c := session(t, "NAMESPACE SPECIAL-USE LIST-EXTENDED",
		"C: TAG NAMESPACE", "* NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\")) NIL\r\nTAG OK done\r\n",
		`C: TAG LIST "" "*" RETURN (SPECIAL-USE)`,
		"* LIST (\\HasNoChildren \\Sent) \"/\" \"Gesen\\\"det\"\r\n* LIST () NIL {5}\r\na {b}\r\n* STATUS x (MESSAGES 3)\r\n* LIST (\\Noselect) \".\" INBOX.[Gmail]\r\nTAG OK done\r\n",
		`C: TAG EXAMINE "Gesen\"det"`, "* 7 EXISTS\r\n* OK [UIDVALIDITY 99] ok\r\n* OK [UIDNEXT 8]\r\nTAG OK [READ-ONLY] done\r\n",
		`C: TAG EXAMINE "no"`, "TAG NO there is none\r\n",
	)
	spaces, err := c.Namespaces()
	if d := cmp.Diff(Namespaces{[]string{"INBOX."}, []string{"user."}}, spaces); d != "" || err != nil {
		t.Error(d, err)
	}
	all, err := c.List()
	want := []Mailbox{{`Gesen"det`, "/", []string{`\HASNOCHILDREN`, `\SENT`}}, {"a {b}", "", nil}, {"INBOX.[Gmail]", ".", []string{`\NOSELECT`}}}
	if d := cmp.Diff(want, all); d != "" || err != nil {
		t.Error(d, err)
	}
	if s, err := c.Examine(`Gesen"det`); s != (Status{7, 99}) || err != nil {
		t.Error(s, err)
	}
	if _, err := c.Examine("no"); !IsRefusal(err) {
		t.Error(err)
	}
}

// Items come in any order, messages as literals, strings or not at all, and other news in between.
func TestFetch(t *testing.T) {
	c := session(t, "X-GM-EXT-1",
		"C: TAG UID FETCH 1:* (UID X-GM-MSGID)", "* 1 FETCH (X-GM-MSGID 1278455344230334865 UID 4)\r\n* 2 FETCH (UID 7)\r\nTAG OK done\r\n",
		"C: TAG UID FETCH 4,7:9 (UID FLAGS INTERNALDATE RFC822.SIZE)",
		"* 1 FETCH (UID 4 FLAGS (\\Seen $Work \\Recent) INTERNALDATE \" 1-Feb-2024 03:04:05 +0100\" RFC822.SIZE 12)\r\n* 2 FETCH (FLAGS () UID 7 RFC822.SIZE 3 X-OTHER (a (b {2}\r\n)) \"c\")))\r\nTAG OK done\r\n",
		"C: TAG UID FETCH 4,7:9 (UID BODY.PEEK[])",
		"* 1 FETCH (UID 4 BODY[] {12}\r\nline\r\n)\r\nend)\r\n", "* 9 FETCH (FLAGS (\\Seen))\r\n", "* 2 FETCH (BODY[] {3}\r\nabc UID 7)\r\n",
		"* 3 FETCH (UID 8 BODY[] NIL)\r\n* 4 FETCH (UID 9 BODY[] \"short\")\r\n* EXPUNGE 3\r\nTAG OK done\r\n",
	)
	ids := map[uint32]uint64{}
	if err := c.UIDs(true, func(uid uint32, id uint64) { ids[uid] = id }); err != nil || ids[4] != 1278455344230334865 || len(ids) != 2 {
		t.Error(ids, err)
	}
	about := ""
	err := c.Describe([]uint32{4, 7, 8, 9}, func(m *Message) error {
		about += fmt.Sprint(m.UID, m.Flags, m.Received.UTC().Format(time.RFC3339), m.Size, "; ")
		return nil
	})
	if want := "4 [\\Seen $Work \\Recent]2024-02-01T02:04:05Z12; 7 []0001-01-01T00:00:00Z3; "; about != want || err != nil {
		t.Errorf("%q, %v", about, err)
	}
	bodies := ""
	err = c.Bodies([]uint32{4, 7, 8, 9}, func(m *Message) error {
		if m.Body == nil {
			bodies += fmt.Sprint(m.UID, " none; ")
			return nil
		}
		b, err := io.ReadAll(m.Body)
		bodies += fmt.Sprintf("%d %q; ", m.UID, b)
		return err
	})
	if want := `4 "line\r\n)\r\nend"; 7 "abc"; 8 none; 9 "short"; `; bodies != want || err != nil {
		t.Errorf("%s, %v", bodies, err)
	}
}

// What a message's taker leaves is skipped.
func TestBodyThatNobodyReads(t *testing.T) {
	c := session(t, "", "C: TAG UID FETCH 1 (UID BODY.PEEK[])", "* 1 FETCH (UID 1 BODY[] {8}\r\n12345678)\r\nTAG OK done\r\n", `C: TAG EXAMINE "a"`, "TAG OK done\r\n")
	if err := c.Bodies([]uint32{1}, func(*Message) error { return nil }); err != nil {
		t.Error(err)
	}
	if _, err := c.Examine("a"); err != nil {
		t.Error(err)
	}
}

// Servers that mean harm, or aren't any: an error, soon, and in bounded memory.
func TestHostileServers(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for name, lines := range map[string][]string{
		"endless word":         {"* LIST (" + long},
		"endless string":       {`* LIST () "/" "` + long},
		"large name":           {"* LIST () \"/\" {99999999999}\r\n"},
		"deep":                 {"* LIST " + strings.Repeat("(", 10_000)},
		"many values":          {"* LIST (" + strings.Repeat("a ", 20_000) + ")"},
		"many long values":     {"* LIST (" + strings.Repeat(long[:60_000]+" ", 20) + ") \"/\" a\r\nTAG OK\r\n"},
		"no list":              {"* LIST\r\n"},
		"stranger's tag":       {"p77 OK done\r\n"},
		"continuation":         {"+ go on\r\n"},
		"bye":                  {"* BYE I am tired\r\n"},
		"other protocol":       {"HTTP/1.1 400 Bad Request\r\n"},
		"cut":                  {"* LIST () \"/\" a"},
		"empty line":           {"\r\n"},
		"literal without end":  {"* LIST () \"/\" {5\r\n"},
		"negative literal":     {"* LIST () \"/\" {-5}\r\n"},
		"huge number":          {"* 99999999999999999999 EXISTS\r\n"},
		"string over the line": {"* LIST () \"/\" \"a\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			go func() {
				defer there.Close()
				in := bufio.NewReader(there)
				for _, line := range append(greeting(""), "C: ") {
					if strings.HasPrefix(line, "C: ") {
						in.ReadString('\n')
					} else {
						io.WriteString(there, strings.ReplaceAll(line, "TAG", "p1"))
					}
				}
				for _, line := range lines {
					io.WriteString(there, strings.ReplaceAll(line, "TAG", "p2"))
				}
			}()
			c, err := Dial(t.Context(), Options{Options: dialer.Options{Address: "mail.example.org:143", Security: dialer.Plain, Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if boxes, err := c.List(); err == nil || IsRefusal(err) {
				t.Errorf("%d mailboxes, %v", len(boxes), err)
			}
		})
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A literal so long that the sum of what was skipped would be less than nothing is not waited for.
func TestEndlessLiteral(t *testing.T) {
	r := newReader(io.MultiReader(strings.NewReader("{9223372036854775807}\r\n"), zeros{}))
	r.done = false
	if err := r.skipLine(); !fault.Is(err, fault.TooLarge) {
		t.Error(err)
	}
}

// A silent server doesn't hold us.
func TestSilentServer(t *testing.T) {
	c := session(t, "")
	c.conn.Idle = time.Millisecond
	if _, err := c.List(); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// The end of a context ends what waits.
func TestContextEnds(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := Dial(ctx, Options{Options: dialer.Options{Address: "mail.example.org:143", Security: dialer.Plain, Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }}})
		failed <- err
	}()
	cancel()
	if err := <-failed; err == nil {
		t.Error("it connected")
	}
}

func FuzzServer(f *testing.F) {
	f.Add("* 1 FETCH (UID 4 BODY[] {12}\r\nline\r\n)\r\nend FLAGS (a))\r\n* LIST (\\x) \"/\" {1}\r\na\r\np1 OK\r\n")
	f.Add("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n* OK [UIDVALIDITY 7] x\r\np1 NO x\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		for _, ask := range []func(c *Client) error{
			func(c *Client) error { _, err := c.List(); return err },
			func(c *Client) error { _, err := c.Examine("a"); return err },
			func(c *Client) error { c.caps["NAMESPACE"] = true; _, err := c.Namespaces(); return err },
			func(c *Client) error {
				return c.Bodies([]uint32{1}, func(m *Message) error {
					if m.Body == nil {
						return nil
					}
					n, err := io.Copy(io.Discard, m.Body)
					if n > int64(len(said)) {
						t.Error("more bytes than were sent")
					}
					return err
				})
			},
			func(c *Client) error { return c.Login("a", "b") },
		} {
			c := &Client{o: Options{SpoolDir: t.TempDir()}, conn: &dialer.Conn{Conn: deaf{}, Idle: time.Minute}, in: newReader(strings.NewReader(said)), out: bufio.NewWriter(io.Discard), caps: map[string]bool{}}
			_ = ask(c)
		}
	})
}

// deaf is a connection to which can be written.
type deaf struct{ net.Conn }

func (deaf) SetWriteDeadline(time.Time) error { return nil }
