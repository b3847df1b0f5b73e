package server_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dns/dnstest"
)

// bazaar has two senders of whose mail SPF and DMARC say that it is theirs, one that nobody vouches for, and no other mail server.
func bazaar(t *testing.T) *dnstest.World {
	return dnstest.New(t, `
		pills.example.              TXT "v=spf1 ip4:203.0.113.0/24 -all"
		_dmarc.pills.example.       TXT "v=DMARC1; p=none"
		mail.pills.example.         A 203.0.113.9
		9.113.0.203.in-addr.arpa.   PTR mail.pills.example.
		friend.example.             TXT "v=spf1 ip4:198.51.100.0/24 -all"
		_dmarc.friend.example.      TXT "v=DMARC1; p=none"
		mail.friend.example.        A 198.51.100.7
		7.100.51.198.in-addr.arpa.  PTR mail.friend.example.
		mail.elsewhere.example.     A 192.0.2.5
		5.2.0.192.in-addr.arpa.     PTR mail.elsewhere.example.
	`)
}

const (
	pillsIP, friendIP, elsewhereIP = "203.0.113.9", "198.51.100.7", "192.0.2.5"
)

// pills is junk to some and not to others; each is a little different.
func pills(n int) string {
	return fmt.Sprintf("From: Garden News <news@pills.example>\r\nTo: you@example.test\r\nSubject: Garden news, issue %d\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <pills%d@pills.example>\r\n\r\n"+
		"The roses are in bloom again, and number %d of our magazine tells how to cut them. Read on at http://pills.example/issues/%d as usual.\r\n", n, n, n, n)
}

// lunch is good.
func lunch(n int) string {
	return fmt.Sprintf("From: Fred Friend <fred@friend.example>\r\nTo: you@example.test\r\nSubject: Lunch on Monday? (%d)\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <lunch%d@friend.example>\r\n\r\n"+
		"Hi, shall we meet for lunch on Monday, and talk about the report for meeting number %d?\r\nFred\r\n", n, n, n)
}

// market is a server with its people.
type market struct {
	*servertest.Server
	t *testing.T
}

func newMarket(t *testing.T, o servertest.Options, people ...string) *market {
	t.Helper()
	if o.DNS == nil {
		o.DNS = bazaar(t)
	}
	m := &market{servertest.Start(t, filtering(o)), t}
	for _, p := range people {
		m.AddAccount(p)
	}
	return m
}

// filtering switches the filter on.
func filtering(o servertest.Options) servertest.Options {
	change := o.Change
	o.Change = func(c *config.Config) {
		c.Junk.Filter = config.Normal
		if change != nil {
			change(c)
		}
	}
	return o
}

// brings brings a message, which must be taken.
func (m *market) brings(ip, sender, to, msg string) {
	m.t.Helper()
	if got := from(m.t, m.Server, ip, sender, to, msg); !strings.HasPrefix(got, "250 ") {
		m.t.Fatalf("%s: %s", sender, got)
	}
}

func (m *market) pills(to string, ns ...int) {
	m.t.Helper()
	for _, n := range ns {
		m.brings(pillsIP, "bounce@pills.example", to, pills(n))
	}
}

func (m *market) lunch(to string, ns ...int) {
	m.t.Helper()
	for _, n := range ns {
		m.brings(friendIP, "fred@friend.example", to, lunch(n))
	}
}

// learns has the server learn now from what somebody has done.
func (m *market) learns(who string) {
	m.t.Helper()
	a, err := m.Store().Directory.AccountByAddress(m.t.Context(), who+"@"+servertest.Domain)
	must(m.t, err)
	must(m.t, m.Store().Junk.Learn(m.t.Context(), a.ID))
}

// lies are the subjects in a folder, with $Junk and $NotJunk.
func lies(t testing.TB, c *imapclient.Client, folder string) (all []string) {
	t.Helper()
	data, err := c.Select(folder, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if data.NumMessages == 0 {
		return nil
	}
	msgs, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Envelope: true, Flags: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, msg := range msgs {
		s := msg.Envelope.Subject
		for _, f := range msg.Flags {
			if f == "$Junk" || f == "$NotJunk" {
				s += " " + string(f)
			}
		}
		all = append(all, s)
	}
	return all
}

// moves moves all messages of a folder whose subject begins so.
func moves(t testing.TB, c *imapclient.Client, from, to, subject string) {
	t.Helper()
	var which imap.SeqSet
	for i, s := range lies(t, c, from) {
		if strings.HasPrefix(s, subject) {
			which.AddNum(uint32(i + 1))
		}
	}
	if len(which) == 0 {
		t.Fatalf("nothing to move in %s", from)
	}
	if _, err := c.Move(which, to).Wait(); err != nil {
		t.Fatal(err)
	}
}

// expects demands what lies in a folder.
func expects(t testing.TB, c *imapclient.Client, folder string, want ...string) {
	t.Helper()
	if got := lies(t, c, folder); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s has %q, want %q", folder, got, want)
	}
}

// taught has ann say of some messages that they are junk, and of others nothing.
func taught(t *testing.T, o servertest.Options, people ...string) (*market, *imapclient.Client) {
	t.Helper()
	m := newMarket(t, o, append([]string{"ann"}, people...)...)
	m.lunch("ann", 1, 2, 3)
	m.pills("ann", 1, 2, 3, 4, 5, 6)
	c := m.IMAP("ann", nil)
	moves(t, c, "INBOX", "Junk", "Garden news")
	m.learns("ann")
	return m, c
}

// TestLearnsByMoving: what somebody moves to the junk is junk for them, and for nobody else; what they move out is good again.
func TestLearnsByMoving(t *testing.T) {
	m, ann := taught(t, servertest.Options{}, "bob")
	bob := m.IMAP("bob", nil)
	m.pills("ann", 11)
	m.pills("bob", 11)
	m.lunch("ann", 11)
	m.lunch("bob", 11)
	var before []string
	for n := 1; n <= 6; n++ {
		before = append(before, fmt.Sprintf("Garden news, issue %d $Junk", n))
	}
	expects(t, ann, "Junk", append(before, "Garden news, issue 11 $Junk")...)
	expects(t, ann, "INBOX", "Lunch on Monday? (1)", "Lunch on Monday? (2)", "Lunch on Monday? (3)", "Lunch on Monday? (11)")
	expects(t, bob, "INBOX", "Garden news, issue 11", "Lunch on Monday? (11)")
	expects(t, bob, "Junk")

	// She has thought again: all of it is good.
	moves(t, ann, "Junk", "INBOX", "Garden news")
	m.learns("ann")
	m.pills("ann", 12)
	expects(t, ann, "Junk")
	got := lies(t, ann, "INBOX")
	if len(got) != 12 || got[4] != "Garden news, issue 1 $NotJunk" || got[11] != "Garden news, issue 12" {
		t.Errorf("%q", got)
	}
	m.Check()
}

// TestExplainingField: the field says why; that of a stranger is removed, and what goes on to others hasn't any.
func TestExplainingField(t *testing.T) {
	m, ann := taught(t, servertest.Options{})
	m.brings(pillsIP, "bounce@pills.example", "ann", "X-Postroad-Junk: no; score=0; limit=1\r\n\tand more\r\n"+pills(21))
	got := bytesIn(t, ann, "Junk", 7)
	if strings.Count(got, "X-Postroad-Junk:") != 1 || strings.Contains(got, "and more") || !strings.HasPrefix(got, "Return-Path: <bounce@pills.example>\r\nX-Postroad-Junk: yes; score=") {
		t.Error(got)
	}
	contains(t, got, "; limit=99", "why=\"")
	for line := range strings.Lines(got[:strings.Index(got, "\r\n\r\n")]) {
		if len(line) > 100 {
			t.Errorf("a line of %d: %s", len(line), line)
		}
	}
}

// TestLearnsFromOtherPrograms: COPY and EXPUNGE, and the keywords of Thunderbird and Apple Mail.
func TestLearnsFromOtherPrograms(t *testing.T) {
	flag := func(t *testing.T, c *imapclient.Client, folder, subject string, op imap.StoreFlagsOp, flags ...imap.Flag) {
		t.Helper()
		var which imap.SeqSet
		for i, s := range lies(t, c, folder) {
			if strings.HasPrefix(s, subject) {
				which.AddNum(uint32(i + 1))
			}
		}
		if err := c.Store(which, &imap.StoreFlags{Op: op, Flags: flags}, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(t *testing.T, c *imapclient.Client, from, to, subject string) {
		t.Helper()
		var which imap.SeqSet
		for i, s := range lies(t, c, from) {
			if strings.HasPrefix(s, subject) {
				which.AddNum(uint32(i + 1))
			}
		}
		if _, err := c.Copy(which, to).Wait(); err != nil {
			t.Fatal(err)
		}
		if err := c.Store(which, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Expunge().Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, way := range map[string]struct {
		junk, good func(*testing.T, *imapclient.Client)
	}{
		"copy and expunge": {
			func(t *testing.T, c *imapclient.Client) { cut(t, c, "INBOX", "Junk", "Garden news") },
			func(t *testing.T, c *imapclient.Client) { cut(t, c, "Junk", "INBOX", "Garden news") },
		},
		"thunderbird": {
			func(t *testing.T, c *imapclient.Client) {
				flag(t, c, "INBOX", "Garden news", imap.StoreFlagsAdd, "Junk")
			},
			func(t *testing.T, c *imapclient.Client) {
				flag(t, c, "INBOX", "Garden news", imap.StoreFlagsAdd, "NonJunk")
				flag(t, c, "INBOX", "Garden news", imap.StoreFlagsDel, "Junk")
			},
		},
		"apple mail": {
			func(t *testing.T, c *imapclient.Client) {
				flag(t, c, "INBOX", "Garden news", imap.StoreFlagsAdd, "$Junk")
			},
			func(t *testing.T, c *imapclient.Client) {
				flag(t, c, "INBOX", "Garden news", imap.StoreFlagsAdd, "$NotJunk")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarket(t, servertest.Options{}, "ann")
			c := m.IMAP("ann", nil)
			m.lunch("ann", 1, 2, 3)
			m.pills("ann", 1, 2, 3, 4, 5, 6)
			way.junk(t, c)
			m.learns("ann")
			m.pills("ann", 7)
			if got := lies(t, c, "Junk"); len(got) == 0 || got[len(got)-1] != "Garden news, issue 7 $Junk" {
				t.Fatalf("%q", got)
			}
			moves(t, c, "Junk", "INBOX", "Garden news, issue 7")
			way.good(t, c)
			m.learns("ann")
			m.pills("ann", 8)
			if got := lies(t, c, "INBOX"); got[len(got)-1] != "Garden news, issue 8" {
				t.Fatalf("%q", got)
			}
			m.Check()
		})
	}
}

// TestKnownPeople never are junk, whoever tells it: sent mail shows whom one knows; a forger isn't them.
func TestKnownPeople(t *testing.T) {
	for name, write := range map[string]func(*testing.T, *market){
		"by a copy in Sent": func(t *testing.T, m *market) {
			c := m.IMAP("ann", nil)
			msg := "From: ann@example.test\r\nTo: Garden News <News@Pills.example>\r\nSubject: my order\r\n\r\nHello.\r\n"
			cmd := c.Append("Sent", int64(len(msg)), nil)
			io.WriteString(cmd, msg)
			must(t, cmd.Close())
			_, err := cmd.Wait()
			must(t, err)
		},
		"by submission": func(t *testing.T, m *market) {
			l := m.Line(servertest.Submission)
			l.Ask("EHLO me")
			l.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
			l.Ask("MAIL FROM:<ann@%s>", servertest.Domain)
			l.Ask("RCPT TO:<NEWS@pills.example>")
			l.Ask("DATA")
			l.Ask("From: ann@%s\r\n\r\nHello.\r\n.", servertest.Domain)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, ann := taught(t, servertest.Options{Send: (&outside{make(chan string, 10)}).send})
			m.pills("ann", 9)
			if got := lies(t, ann, "Junk"); got[len(got)-1] != "Garden news, issue 9 $Junk" {
				t.Fatalf("%q", got)
			}
			write(t, m)
			m.learns("ann")
			m.pills("ann", 9)
			if got := lies(t, ann, "INBOX"); got[len(got)-1] != "Garden news, issue 9" {
				t.Errorf("%q", got)
			}
			if got := bytesIn(t, ann, "INBOX", 10); !strings.Contains(got, "; because=known\r\n") {
				t.Error(got)
			}
			before := len(lies(t, ann, "Junk"))
			m.brings(elsewhereIP, "x@elsewhere.example", "ann", pills(9))
			if got := lies(t, ann, "Junk"); len(got) != before+1 {
				t.Errorf("forged: %q", got)
			}
			m.Check()
		})
	}
}

// TestLearningLasts: over a restart, and so does what happened while nobody looked; nothing is learned twice.
func TestLearningLasts(t *testing.T) {
	m, _ := taught(t, servertest.Options{})
	learned := func(m *market) string {
		t.Helper()
		box := m.openBox("ann")
		defer box.Close()
		k, err := m.Store().Junk.Knowledge(t.Context(), box)
		must(t, err)
		return fmt.Sprintf("%d junk, %d good", k.Junk, k.Good)
	}
	if got := learned(m); got != "6 junk, 0 good" {
		t.Fatal(got)
	}
	m.pills("ann", 31)
	m.brings(friendIP, "fred@friend.example", "ann", strings.Replace(pills(32), "Garden news", "News", 1))
	must(t, m.Stop())
	again := &market{servertest.Start(t, filtering(servertest.Options{Files: m.Files, Folder: m.Folder, DNS: bazaar(t)})), t}
	if again.learns("ann"); learned(again) != "6 junk, 0 good" {
		t.Error(learned(again))
	}
	again.pills("ann", 33)
	c := again.IMAP("ann", nil)
	if got := lies(t, c, "Junk"); got[len(got)-1] != "Garden news, issue 33 $Junk" {
		t.Errorf("%q", got)
	}
	again.Check()
}

// TestSessionsRace: several programs move and flag at once while the server learns; what it knows fits what is there in the end.
func TestSessionsRace(t *testing.T) {
	m := newMarket(t, servertest.Options{}, "ann")
	m.pills("ann", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	var wg sync.WaitGroup
	for k := range 2 {
		c := m.IMAP("ann", nil)
		wg.Go(func() {
			for i := range 10 {
				from, to := "INBOX", "Junk"
				if (i+k)%2 == 1 {
					from, to = to, from
				}
				if data, err := c.Select(from, nil).Wait(); err != nil || data.NumMessages == 0 {
					continue
				}
				c.Move(imap.SeqSet{{Start: 1, Stop: 3}}, to).Wait()
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			m.learns("ann")
		}
	})
	wg.Wait()
	m.learns("ann")
	c := m.IMAP("ann", nil)
	junk, all := lies(t, c, "Junk"), append(lies(t, c, "Junk"), lies(t, c, "INBOX")...)
	if len(all) != 10 {
		t.Errorf("%q", all)
	}
	box := m.openBox("ann")
	defer box.Close()
	k, err := m.Store().Junk.Knowledge(t.Context(), box)
	must(t, err)
	if k.Junk != len(junk) || k.Junk+k.Good > 10 {
		t.Errorf("%d in the junk; learned %d and %d", len(junk), k.Junk, k.Good)
	}
	for _, s := range junk {
		if !strings.HasSuffix(s, "$Junk") {
			t.Errorf("%s", s)
		}
	}
	m.Check()
}

// TestFilterOff: nothing is judged, and the sender's policy still is.
func TestFilterOff(t *testing.T) {
	m, ann := taught(t, servertest.Options{Change: func(c *config.Config) { c.Junk.Filter = config.SwitchOff }})
	m.pills("ann", 7)
	if got := lies(t, ann, "INBOX"); got[len(got)-1] != "Garden news, issue 7" {
		t.Errorf("%q", got)
	}
	if got := bytesIn(t, ann, "INBOX", 10); strings.Contains(got, "X-Postroad-Junk") {
		t.Error(got)
	}
}

// TestAccountOff: one account isn't judged; it has learned all the same.
func TestAccountOff(t *testing.T) {
	m, ann := taught(t, servertest.Options{})
	a, err := m.Store().Directory.AccountByAddress(t.Context(), "ann@"+servertest.Domain)
	must(t, err)
	for i, off := range []bool{true, false} {
		must(t, m.Store().Junk.SetOff(t.Context(), a.ID, off))
		m.pills("ann", 41+i)
	}
	if got := lies(t, ann, "INBOX"); got[len(got)-1] != "Garden news, issue 41" {
		t.Errorf("%q", got)
	}
	if got := lies(t, ann, "Junk"); got[len(got)-1] != "Garden news, issue 42 $Junk" {
		t.Errorf("%q", got)
	}
	must(t, m.Store().Junk.Forget(t.Context(), a.ID))
	m.learns("ann")
	m.pills("ann", 43)
	if got := lies(t, ann, "INBOX"); got[len(got)-1] != "Garden news, issue 43" {
		t.Errorf("forgotten: %q", got)
	}
}

// TestOldJunkGoes when it has lain there for as long as is set, and what is flagged stays.
func TestOldJunkGoes(t *testing.T) {
	m, ann := taught(t, servertest.Options{Change: func(c *config.Config) { c.Junk.Keep = new(config.Duration(48 * time.Hour)) }})
	must(t, ann.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close())
	lies(t, ann, "Junk")
	must(t, ann.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close())
	m.Clock.Advance(47 * time.Hour)
	must(t, m.Store().Junk.Tidy(t.Context()))
	if got := lies(t, ann, "Junk"); len(got) != 6 {
		t.Errorf("%q", got)
	}
	m.Clock.Advance(2 * time.Hour)
	m.pills("ann", 50)
	must(t, m.Store().Junk.Tidy(t.Context()))
	expects(t, ann, "Junk", "Garden news, issue 2 $Junk", "Garden news, issue 50 $Junk")
	expects(t, ann, "INBOX", "Lunch on Monday? (1)", "Lunch on Monday? (2)", "Lunch on Monday? (3)")
	m.Check()
}

// openBox opens somebody's mailbox.
func (m *market) openBox(who string) *mailbox.Session {
	m.t.Helper()
	a, err := m.Store().Directory.AccountByAddress(m.t.Context(), who+"@"+servertest.Domain)
	must(m.t, err)
	box, err := m.Store().Mailboxes.Open(m.t.Context(), a.ID, ident.System())
	must(m.t, err)
	return box
}
