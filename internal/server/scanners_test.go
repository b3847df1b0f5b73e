package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-milter"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/memnet"
	"postroad/internal/service/setup"
	"postroad/internal/service/transfer"
)

// programs is a network with a virus scanner and a spam filter.
type programs struct {
	memnet.Network
	mu      sync.Mutex
	clamd   string // what the scanner answers; "": what it should
	rspamd  string // likewise
	asked   http.Header
	shown   string // the last message
	refuses bool   // nobody listens
}

func (p *programs) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// dial is the server's way to them.
func (p *programs) dial(ctx context.Context, _, address string) (net.Conn, error) {
	p.mu.Lock()
	refuses := p.refuses
	p.mu.Unlock()
	if refuses {
		return nil, fmt.Errorf("connection refused")
	}
	return p.Network.Dial(ctx, address)
}

func startPrograms(t *testing.T) *programs {
	p := &programs{}
	virus, err := p.Listen("/clamd.sock")
	if err != nil {
		t.Fatal(err)
	}
	web, err := p.Listen("rspamd.example:11333")
	if err != nil {
		t.Fatal(err)
	}
	filter := &http.Server{Handler: http.HandlerFunc(p.judge)}
	var all sync.WaitGroup
	all.Go(func() { filter.Serve(web) })
	all.Go(func() {
		for {
			c, err := virus.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.look(c) })
		}
	})
	t.Cleanup(func() {
		virus.Close()
		filter.Close()
		all.Wait()
	})
	return p
}

// look is clamd.
func (p *programs) look(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	if command, _ := r.ReadString(0); command != "zINSTREAM\x00" {
		io.WriteString(c, "ClamAV 1.4.3\x00")
		return
	}
	var text bytes.Buffer
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			break
		}
		io.CopyN(&text, r, int64(n))
	}
	p.mu.Lock()
	answer := p.clamd
	p.mu.Unlock()
	switch {
	case answer != "":
	case bytes.Contains(text.Bytes(), []byte("EICAR")):
		answer = "stream: Eicar-Test-Signature FOUND\x00"
	default:
		answer = "stream: OK\x00"
	}
	io.WriteString(c, answer)
}

// judge is rspamd.
func (p *programs) judge(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" {
		io.WriteString(w, "pong\r\n")
		return
	}
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.shown = r.Header, string(body)
	if p.rspamd != "" {
		io.WriteString(w, p.rspamd)
		return
	}
	action, score := "no action", 1.5
	switch text := string(body); {
	case strings.Contains(text, "GTUBE"):
		action, score = "reject", 20
	case strings.Contains(text, "casino"):
		action, score = "add header", 7
	case strings.Contains(text, "vanish"):
		action = "discard"
	case strings.Contains(text, "new here"):
		action = "soft reject"
	}
	fmt.Fprintf(w, `{"action":%q,"score":%v,"required_score":15,"thresholds":{"add header":6},"symbols":{"WORDS":{"score":%v}},"milter":{"add_headers":{"X-Spam-Score":"%v"},"remove_headers":{"X-Spam-Score":0,"X-Spam-Flag":1}}}`, action, score, score, score)
}

// withPrograms starts a server that asks them.
func withPrograms(t *testing.T, change func(virus, spam *config.Scanner)) (*servertest.Server, *programs) {
	p := startPrograms(t)
	s := servertest.Start(t, servertest.Options{DNS: senders(t), Dial: p.dial, Change: func(c *config.Config) {
		c.Scanner = []config.Scanner{{Name: "clamav", Kind: config.Clamd, Address: "unix:/clamd.sock"}, {Kind: config.Rspamd, Address: "http://rspamd.example:11333"}}
		c.Junk.Filter = config.SwitchOff // its opinion of short letters is another matter
		if change != nil {
			change(&c.Scanner[0], &c.Scanner[1])
		}
	}})
	s.AddAccount("ann")
	return s, p
}

// unproved is a letter that nothing is known of but that DMARC leaves it alone.
func unproved(word string) string { return letter("eve@other.example") + word + "\r\n" }

// TestScanners: what strangers bring is shown to other programs, and goes the way that these want.
func TestScanners(t *testing.T) {
	s, _ := withPrograms(t, nil)
	for _, c := range []struct{ word, reply string }{
		{"nothing", "250 2.0.0 "},
		{"casino", "250 2.0.0 "},
		{"EICAR", "550 5.7.1 The message has a virus in it: Eicar-Test-Signature"},
		{"GTUBE", "550 5.7.1 The message looks like spam"},
		{"new here", "451 4.7.1 Try again later"},
		{"vanish", "250 2.0.0 "},
		{"EICAR GTUBE", "550 5.7.1 The message has a virus in it"},
	} {
		if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved(c.word)); !strings.HasPrefix(got, c.reply) {
			t.Errorf("%s: %s", c.word, got)
		}
	}
	c := s.IMAP("ann", nil)
	for folder, want := range map[string]uint32{"INBOX": 1, "Junk": 1} {
		if d, err := c.Select(folder, nil).Wait(); err != nil || d.NumMessages != want {
			t.Errorf("%s: %+v, %v", folder, d, err)
		}
	}
	why := tracedTexts(t, s, "eve@other.example")
	for _, want := range []string{"clamav=clean rspamd=accept(1.5/6)", "clamav=clean rspamd=junk(7/6)", "scanner clamav: virus Eicar-Test-Signature", "scanner rspamd: score 20 of 6", "scanner rspamd: soft reject", "discarded  rspamd: score 1.5 of 6"} {
		if !strings.Contains(why, want) {
			t.Errorf("the trace doesn't say %q:\n%s", want, why)
		}
	}
}

// tracedTexts is all that the trace says of a sender's messages.
func tracedTexts(t *testing.T, s *servertest.Server, sender string) string {
	t.Helper()
	all, err := s.Store().Admin.Trace(t.Context(), admin.TraceQuery{Sender: sender, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range all {
		for _, e := range m.Events {
			fmt.Fprintf(&b, "%s %s %s\n", e.Event, e.Stage, e.Text)
		}
	}
	return b.String()
}

// TestScannersOutOfOrder: the administrator chooses what becomes of mail while a program gives no answer.
func TestScannersOutOfOrder(t *testing.T) {
	for _, c := range []struct{ virus, spam, reply string }{
		{"", "", "451 4.7.1 The message can't be checked now"},
		{config.AcceptMail, "", "250 "},
		{config.AcceptMail, config.TempFail, "451 4.7.1 The message can't be checked now"},
	} {
		s, p := withPrograms(t, func(virus, spam *config.Scanner) { virus.OnFailure, spam.OnFailure = c.virus, c.spam })
		try := func(name string) {
			t.Helper()
			if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("EICAR")); !strings.HasPrefix(got, c.reply) {
				t.Errorf("%s, %+v: %s", name, c, got)
			}
		}
		p.set(func() { p.refuses = true })
		try("refused")
		bad := 0
		for _, f := range s.Examine(t.Context()) {
			if f.Topic == "scanners" && f.Level == setup.Wrong {
				bad++
			}
		}
		if bad != 2 {
			t.Errorf("the doctor finds %d scanners wrong", bad)
		}
		p.set(func() { p.clamd, p.rspamd, p.refuses = "hello\x00", "<html>", false })
		try("garbage")
	}
}

// TestScannersOfOurOwnMail: viruses aren't sent from here either; a spam filter doesn't see what people here write, unless it shall.
func TestScannersOfOurOwnMail(t *testing.T) {
	s, p := withPrograms(t, nil)
	send := func(word string) string {
		t.Helper()
		l := s.Line(servertest.Submission)
		l.Ask("EHLO client")
		l.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
		l.Ask("MAIL FROM:<ann@example.test>")
		l.Ask("RCPT TO:<ann@example.test>")
		l.Ask("DATA")
		got, _ := l.Try("%s%s\r\n.", letter("ann@example.test"), word)
		return got
	}
	if got := send("EICAR"); !strings.HasPrefix(got, "550 5.7.1 The message has a virus") {
		t.Error(got)
	}
	if got := send("GTUBE"); !strings.HasPrefix(got, "250 ") {
		t.Error(got)
	}
	p.set(func() {
		if p.shown != "" {
			t.Error("the spam filter saw it")
		}
	})
}

// TestScannedMailIsDelivered: the programs' fields stand in front, behind our own; the rest is as it came.
func TestScannedMailIsDelivered(t *testing.T) {
	s, p := withPrograms(t, nil)
	msg := signedLetter(t, s, "")
	if got := from(t, s, "192.0.2.1", "ann@good.example", "ann", msg); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	got := bytesOf(t, s.IMAP("ann", nil), 1)
	front, ok := strings.CutSuffix(got, msg)
	if !ok || !strings.Contains(front, "\r\nX-Spam-Score: 1.5\r\nReceived: ") {
		t.Errorf("delivered:\n%s", got)
	}
	p.set(func() {
		if p.shown != msg {
			t.Errorf("shown:\n%s", p.shown)
		}
		for name, want := range map[string]string{"From": "<ann@good.example>", "Rcpt": "ann@example.test", "Ip": "192.0.2.1", "Hostname": "mail.good.example", "Helo": "mail.good.example", "User": ""} {
			if got := p.asked.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

// TestForgedFieldsGo: what rspamd holds for a stranger's imitation of its own fields is taken out, unless the administrator wants nothing changed.
func TestForgedFieldsGo(t *testing.T) {
	for changes, want := range map[string]string{"": "", config.ChangeHeaders: "", config.ChangeNone: "X-Spam-Flag: NO\r\nX-Spam-Score: -5\r\n"} {
		s, _ := withPrograms(t, func(_, spam *config.Scanner) { spam.Changes = changes })
		if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", "X-Spam-Flag: NO\r\nX-Spam-Score: -5\r\n"+unproved("x")); !strings.HasPrefix(got, "250 ") {
			t.Fatal(got)
		}
		got := bytesOf(t, s.IMAP("ann", nil), 1)
		front, ok := strings.CutSuffix(got, want+unproved("x"))
		if !ok || strings.Contains(front, "Flag") || strings.Count(front, "X-Spam-Score: 1.5") != 1 || strings.Contains(front, "-5") {
			t.Errorf("%q:\n%s", changes, got)
		}
	}
}

// TestQuarantine: what has a virus in it waits for an administrator, who lets it go on or not; nobody else is to doubt it again.
func TestQuarantine(t *testing.T) {
	p := startPrograms(t)
	s := servertest.Start(t, servertest.Options{DNS: senders(t), Dial: p.dial, Change: func(c *config.Config) {
		c.Scanner = []config.Scanner{{Name: "clamav", Kind: config.Clamd, Address: "unix:/clamd.sock", Virus: config.Quarantine}}
		c.Junk.Filter = config.Strict // what is released isn't judged
	}})
	s.AddAccount("ann")
	ctx := t.Context()
	if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("EICAR")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	inbox := func() uint32 {
		t.Helper()
		c := s.IMAP("ann", nil)
		defer c.Close()
		d, err := c.Select("INBOX", nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		return d.NumMessages
	}
	a := s.Store().Admin
	list, err := a.Quarantined(ctx, admin.QuarantineQuery{})
	if err != nil || inbox() != 0 || len(list.Messages) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	m := list.Messages[0]
	if m.Sender != "eve@other.example" || m.Recipients[0] != "ann@example.test" || m.Reason != "clamav: virus Eicar-Test-Signature" || m.Subject != "hello" || m.Author != "eve@other.example" || m.Client != "192.0.2.1" {
		t.Errorf("%+v", m)
	}
	if why := tracedTexts(t, s, "eve@other.example"); !strings.Contains(why, "quarantined  clamav: virus Eicar-Test-Signature") {
		t.Error(why)
	}
	if _, err := a.ReleaseQuarantined(ctx, admin.QuarantineChange{Number: m.Number}); err != nil {
		t.Fatal(err)
	}
	got := bytesOf(t, s.IMAP("ann", nil), 1)
	front, ok := strings.CutSuffix(got, unproved("EICAR"))
	if !ok || !strings.Contains(front, "Authentication-Results: mail.example.test") || !strings.HasPrefix(front, "Return-Path: <eve@other.example>\r\n") {
		t.Errorf("delivered:\n%s", got)
	}
	if _, err := a.ReleaseQuarantined(ctx, admin.QuarantineChange{Number: m.Number}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	all, err := a.Trace(ctx, admin.TraceQuery{ID: m.ID})
	if err != nil || len(all) != 1 || all[0].Recipients[0].Outcome != "delivered" {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestReleaseOfOurOwnMail: a message to people elsewhere and here leaves when it is let go, also in two steps, and what nobody takes stays.
func TestReleaseOfOurOwnMail(t *testing.T) {
	p := startPrograms(t)
	var sent outbox
	s := servertest.Start(t, servertest.Options{DNS: senders(t), Dial: p.dial, Send: sent.send, Change: func(c *config.Config) {
		c.Scanner = []config.Scanner{{Name: "clamav", Kind: config.Clamd, Address: "unix:/clamd.sock", Virus: config.Quarantine}}
		c.Junk.Filter = config.SwitchOff
	}})
	s.AddAccount("ann")
	l := s.Line(servertest.Submission)
	l.Ask("EHLO client")
	l.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
	l.Ask("MAIL FROM:<ann@example.test>")
	for _, to := range []string{"far@away.example", "off@away.example", "ann@example.test"} {
		l.Ask("RCPT TO:<%s>", to)
	}
	l.Ask("DATA")
	l.Ask("%sEICAR\r\n.", letter("ann@example.test"))
	a, ctx := s.Store().Admin, t.Context()
	list, err := a.Quarantined(ctx, admin.QuarantineQuery{Sender: "ann@example.test"})
	if err != nil || len(list.Messages) != 1 || list.Messages[0].Login != "ann@example.test" || len(list.Messages[0].Recipients) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	n := list.Messages[0].Number
	for _, to := range [][]string{{"far@away.example"}, nil} {
		if _, err := a.ReleaseQuarantined(ctx, admin.QuarantineChange{Number: n, Recipients: to}); err != nil {
			t.Fatal(err)
		}
	}
	sent.wait(t, 2)
	if got := bytesOf(t, s.IMAP("ann", nil), 1); !strings.Contains(got, "EICAR") {
		t.Error(got)
	}
	if list, err := a.Quarantined(ctx, admin.QuarantineQuery{}); err != nil || len(list.Messages) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// outbox is all servers outside.
type outbox struct {
	mu    sync.Mutex
	to    []string
	texts []string // of jobs
	came  chan struct{}
	once  sync.Once
}

func (o *outbox) init() { o.once.Do(func() { o.came = make(chan struct{}, 100) }) }

func (o *outbox) send(_ context.Context, job transfer.Job) []transfer.Outcome {
	o.init()
	outs := make([]transfer.Outcome, len(job.Recipients))
	text, _ := io.ReadAll(io.NewSectionReader(job.Content, 0, job.Content.Size()))
	o.mu.Lock()
	o.texts = append(o.texts, string(text))
	o.mu.Unlock()
	for i := range job.Recipients {
		outs[i] = transfer.Outcome{Result: transfer.Delivered, Status: "2.0.0"}
		o.mu.Lock()
		o.to = append(o.to, job.Recipients[i].Address)
		o.mu.Unlock()
		o.came <- struct{}{}
	}
	return outs
}

func (o *outbox) wait(t *testing.T, n int) {
	t.Helper()
	o.init()
	for range n {
		select {
		case <-o.came:
		case <-t.Context().Done():
			t.Fatal("nothing leaves")
		}
	}
}

// TestVirusTestOfScanners: people's scripts hear what scanners found.
func TestVirusTestOfScanners(t *testing.T) {
	s, p := withPrograms(t, func(virus, spam *config.Scanner) { virus.Virus, virus.OnFailure = config.NoteOnly, config.AcceptMail })
	script := `require ["virustest", "fileinto", "mailbox", "variables", "relational", "comparator-i;ascii-numeric"];
		if virustest :value "eq" :comparator "i;ascii-numeric" "5" { fileinto :create "five"; }
		elsif virustest :value "eq" :comparator "i;ascii-numeric" "4" { fileinto :create "four"; }
		elsif virustest :value "eq" :comparator "i;ascii-numeric" "1" { fileinto :create "one"; }
		else { fileinto :create "none"; }`
	if _, err := s.Store().Admin.PutScript(t.Context(), admin.NewScript{Address: "ann@example.test", Name: "v", Text: script, Activate: true}); err != nil {
		t.Fatal(err)
	}
	for answer, folder := range map[string]string{"stream: Eicar FOUND\x00": "five", "stream: Heuristics.X FOUND\x00": "four", "stream: OK\x00": "one", "x\x00": "none"} {
		p.set(func() { p.clamd = answer })
		if got := from(t, s, "192.0.2.1", "eve@other.example", "ann", unproved("x")); !strings.HasPrefix(got, "250 ") {
			t.Fatal(got)
		}
		if d, err := s.IMAP("ann", nil).Select(folder, nil).Wait(); err != nil || d.NumMessages != 1 {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// doorman is a milter that takes no mail for ben.
type doorman struct{ milter.NoOpMilter }

func (doorman) RcptTo(to string, _ *milter.Modifier) (milter.Response, error) {
	if strings.HasPrefix(to, "ben@") {
		return milter.NewResponseStr('y', "550 5.7.1 Ben wants no mail"), nil
	}
	return milter.RespContinue, nil
}

func (doorman) Body(m *milter.Modifier) (milter.Response, error) {
	return milter.RespAccept, m.AddHeader("X-Doorman", "in")
}

// TestMilterRefusesARecipient: others get the message.
func TestMilterRefusesARecipient(t *testing.T) {
	var n memnet.Network
	l, err := n.Listen("milter.example:8891")
	if err != nil {
		t.Fatal(err)
	}
	filter := &milter.Server{NewMilter: func() milter.Milter { return doorman{} }, Actions: milter.OptAddHeader}
	done := make(chan error, 1)
	go func() { done <- filter.Serve(l) }()
	defer func() {
		filter.Close()
		<-done
	}()
	s := servertest.Start(t, servertest.Options{DNS: senders(t), Dial: func(ctx context.Context, _, address string) (net.Conn, error) { return n.Dial(ctx, address) }, Change: func(c *config.Config) {
		c.Scanner = []config.Scanner{{Kind: config.Milter, Address: "milter.example:8891", OnFailure: config.TempFail}}
		c.Junk.Filter = config.SwitchOff
	}})
	s.AddAccount("ann")
	s.AddAccount("ben")
	l2 := s.Line(servertest.SMTP)
	l2.Ask("EHLO mail.good.example")
	l2.Ask("MAIL FROM:<eve@other.example>")
	if got, _ := l2.Try("RCPT TO:<ben@example.test>"); got != "550 5.7.1 Ben wants no mail" {
		t.Error(got)
	}
	if got, _ := l2.Try("RCPT TO:<nobody@example.test>"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Error(got)
	}
	l2.Ask("RCPT TO:<ann@example.test>")
	l2.Ask("DATA")
	l2.Ask("%s\r\n.", unproved("x"))
	if got := bytesOf(t, s.IMAP("ann", nil), 1); !strings.Contains(got, "X-Doorman: in\r\nReceived: ") {
		t.Error(got)
	}
	if why := tracedTexts(t, s, "eve@other.example"); !strings.Contains(why, "refused rcpt scanner milter: Ben wants no mail") {
		t.Error(why)
	}
}
