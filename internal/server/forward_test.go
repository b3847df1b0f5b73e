package server_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/transfer"
)

// town is three whole servers in one DNS: the house (example.test), whose aliases and lists lead elsewhere, the
// neighbour (there.example), and the origin (good.example), whose mail is signed and has a policy of p=reject.
type town struct {
	house, neighbour, origin *servertest.Server
	zone                     *dnstest.World
}

// addresses of the three.
const houseIP, neighbourIP, originIP = "198.51.100.1", "198.51.100.2", "192.0.2.1"

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{zone: senders(t)}
	w.zone.Add(t, `
		good.example.               MX 10 mail.good.example.
		there.example.              MX 10 mx.there.example.
		there.example.              TXT "v=spf1 mx -all"
		mx.there.example.           A 198.51.100.2
		2.100.51.198.in-addr.arpa.  PTR mx.there.example.
		example.test.               MX 10 mail.example.test.
		example.test.               TXT "v=spf1 mx -all"
		mail.example.test.          A 198.51.100.1
		1.100.51.198.in-addr.arpa.  PTR mail.example.test.
	`)
	w.house = w.start(t, houseIP, servertest.Hostname, servertest.Domain)
	w.neighbour = w.start(t, neighbourIP, "mx.there.example", "there.example")
	w.origin = w.start(t, originIP, "mail.good.example", "good.example")
	return w
}

// start starts a server for one domain.
func (w *town) start(t *testing.T, ip, host, domain string) *servertest.Server {
	t.Helper()
	s := servertest.Start(t, servertest.Options{
		DNS: w.zone, Dial: func(ctx context.Context, _, address string) (net.Conn, error) { return w.dial(ctx, ip, address) },
		Change: func(c *config.Config) {
			c.Hostname, c.Checks.TrustedSealers = host, []string{servertest.Domain}
		},
	})
	if domain != servertest.Domain {
		must(t, s.Store().Admin.AddDomain(t.Context(), domain))
		must(t, s.Store().Admin.RemoveDomain(t.Context(), servertest.Domain))
	}
	keys, err := s.Store().Directory.DKIMKeys(t.Context(), domain)
	must(t, err)
	for _, k := range keys {
		name, text, err := dkim.SigningKey{Domain: domain, Selector: k.Selector, Private: k.Signer()}.Record()
		must(t, err)
		w.zone.Add(t, name+`. TXT "`+strings.Join(chunks(text, 200), `" "`)+`"`)
		must(t, s.Store().Directory.ActivateKey(t.Context(), domain, k.Selector))
	}
	return s
}

func chunks(s string, n int) (all []string) {
	for len(s) > n {
		all, s = append(all, s[:n]), s[n:]
	}
	return append(all, s)
}

func (w *town) dial(ctx context.Context, from, address string) (net.Conn, error) {
	for ip, s := range map[string]*servertest.Server{houseIP: w.house, neighbourIP: w.neighbour, originIP: w.origin} {
		if address == ip+":25" {
			return s.Network.DialFrom(ctx, from, "mem:25")
		}
	}
	return nil, fault.New(fault.Unavailable, "nobody at %s", address)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// box is an account's INBOX.
type box struct {
	t *testing.T
	s *mailbox.Session
}

func addBox(t *testing.T, s *servertest.Server, address string) *box {
	t.Helper()
	a, err := s.Store().Admin.AddAccount(t.Context(), admin.NewAccount{Address: address, Password: servertest.Password})
	must(t, err)
	session, err := s.Store().Mailboxes.Open(t.Context(), ident.AccountID(a.ID), ident.System())
	must(t, err)
	t.Cleanup(session.Close)
	return &box{t, session}
}

// texts are the messages in it.
func (b *box) texts() (all []string) {
	b.t.Helper()
	f, _ := b.s.FolderByRole(mailbox.Inbox)
	v, err := b.s.View(b.t.Context(), f.ID)
	must(b.t, err)
	for _, row := range v.All(0, v.Len()) {
		var text bytes.Buffer
		_, err := b.s.Content(row).WriteTo(&text)
		must(b.t, err)
		all = append(all, text.String())
	}
	return all
}

// wait waits until there are n messages, and gives the last one.
func (b *box) wait(n int) string {
	b.t.Helper()
	for {
		bell := b.s.Bell()
		if all := b.texts(); len(all) >= n {
			return all[len(all)-1]
		}
		select {
		case <-bell:
		case <-time.After(20 * time.Second): // the test has failed
			b.t.Fatalf("%d messages, want %d", len(b.texts()), n)
		}
	}
}

// contains demands texts, in their order.
func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	rest := text
	for _, w := range wants {
		i := strings.Index(rest, w)
		if i < 0 {
			t.Errorf("no %q (in this order) in:\n%s", w, text)
			return
		}
		rest = rest[i+len(w):]
	}
}

// returnPath is what stands in the first field.
func returnPath(t *testing.T, text string) string {
	t.Helper()
	path, ok := strings.CutPrefix(text, "Return-Path: <")
	path, _, ok2 := strings.Cut(path, ">\r\n")
	if !ok || !ok2 {
		t.Fatalf("no Return-Path in front:\n%s", text)
	}
	return path
}

// TestForwardedMailPasses: what goes on through an alias is authenticated at its end as it was at ours: by SPF for our reverse-path,
// by the author's own signature, and if that isn't there by our ARC seal, which the neighbour trusts.
func TestForwardedMailPasses(t *testing.T) {
	w := newTown(t)
	ben := addBox(t, w.neighbour, "ben@there.example")
	must(t, w.house.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "away@example.test", Targets: []string{"ben@there.example"}}))
	msg := signedLetter(t, w.house, "")
	if got := from(t, w.house, originIP, "ann@good.example", "away", msg); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	text := ben.wait(1)
	if path := returnPath(t, text); !strings.HasPrefix(path, "SRS0=") || !strings.HasSuffix(path, "=good.example=ann@example.test") {
		t.Errorf("reverse-path %s", path)
	}
	contains(t, text, "Authentication-Results: mx.there.example;", "spf=pass", "dkim=pass", "header.d=good.example", "dmarc=pass", "arc=pass",
		"Received: from mail.example.test", "ARC-Seal: ", "d=example.test", "Delivered-To: away@example.test\r\nReceived: from mail.good.example")
	if !strings.HasSuffix(text, msg) || strings.Count(text, "Return-Path:") != 1 {
		t.Errorf("not as it was sent:\n%s", text)
	}

	// Without a signature DMARC passes at our end alone, by SPF.
	if got := from(t, w.house, originIP, "ann@good.example", "away", letter("ann@good.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	contains(t, ben.wait(2), "dmarc=fail", "arc=pass", "Delivered-To: away@example.test\r\n")
}

// TestBouncesFindBack: the neighbour refuses what was forwarded, or sends a notification later: it comes to the author, in our name, and
// to nobody if the author isn't proved.
func TestBouncesFindBack(t *testing.T) {
	w := newTown(t)
	ann, ben := addBox(t, w.origin, "ann@good.example"), addBox(t, w.neighbour, "ben@there.example")
	must(t, w.house.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "gone@example.test", Targets: []string{"nobody@there.example"}}))
	must(t, w.house.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "away@example.test", Targets: []string{"ben@there.example"}}))
	if got := from(t, w.house, originIP, "ann@good.example", "gone", signedLetter(t, w.house, "")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	notice := ann.wait(1)
	if returnPath(t, notice) != "" {
		t.Error("a notification from somebody")
	}
	contains(t, notice, "Received: from mail.example.test", "From: ", "mail.example.test", "multipart/report", "nobody@there.example", "Remote-MTA: dns; mx.there.example", "Subject: hello")

	// A notification that the neighbour sends later goes the same way, and no other mail does.
	from(t, w.house, originIP, "ann@good.example", "away", signedLetter(t, w.house, ""))
	path := returnPath(t, ben.wait(1))
	local := strings.TrimSuffix(path, "@example.test")
	if got := from(t, w.house, neighbourIP, "", local, "Subject: later\r\n\r\nIt could not be delivered.\r\n"); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	contains(t, ann.wait(2), "Return-Path: <>\r\n", "Subject: later")
	for _, c := range []struct{ from, to string }{
		{"ben@there.example", local}, {"", strings.Replace(local, "=ann", "=eve", 1)}, {"", "SRS0=AAAAAAAA=AA=good.example=ann"},
	} {
		if got := from(t, w.house, neighbourIP, c.from, c.to, letter("x@there.example")); !strings.HasPrefix(got, "550 5.1.1 ") {
			t.Errorf("from <%s> to %s: %s", c.from, c.to, got)
		}
	}

	// Who isn't proved to have sent something is not written to: not by us, nor through us.
	if got := from(t, w.house, "203.0.113.9", "eve@plain.example", "away", letter("eve@plain.example")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	mute := returnPath(t, ben.wait(2))
	if got := from(t, w.house, neighbourIP, "", strings.TrimSuffix(mute, "@example.test"), "Subject: x\r\n\r\n"); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	waiting, err := w.house.Store().Admin.Queue(t.Context(), admin.QueueFilter{Recipient: "eve@plain.example"})
	if err != nil || len(waiting.Items) != 0 {
		t.Errorf("%+v, %v", waiting, err)
	}
	w.house.Check()
}

// TestForwardingLoop: two servers that forward to each other pass a message on once each.
func TestForwardingLoop(t *testing.T) {
	w := newTown(t)
	ann := addBox(t, w.origin, "ann@good.example")
	must(t, w.house.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "loop@example.test", Targets: []string{"loop@there.example"}}))
	must(t, w.neighbour.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "loop@there.example", Targets: []string{"loop@example.test"}}))
	if got := from(t, w.house, originIP, "ann@good.example", "loop", signedLetter(t, w.house, "")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	contains(t, ann.wait(1), "multipart/report", "loop@example.test", "5.4.6")
}

// TestListOnTwoServers: members here and elsewhere get the same message, signed by the author and the list; what can't be delivered
// to a member is told to who runs the list.
func TestListOnTwoServers(t *testing.T) {
	w := newTown(t)
	ann, ben, eve := addBox(t, w.house, "ann@example.test"), addBox(t, w.neighbour, "ben@there.example"), addBox(t, w.house, "eve@example.test")
	must(t, w.house.Store().Admin.AddGroup(t.Context(), admin.Group{
		Address: "club@example.test", List: true, Description: "The Club", Owners: []string{"eve@example.test"},
		Members: []string{"ann@example.test", "ben@there.example", "nobody@there.example"},
	}))
	msg := signedLetter(t, w.house, "")
	if got := from(t, w.house, originIP, "ann@good.example", "club", msg); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	fields := "List-Id: \"The Club\"\r\n\t<club.example.test>\r\nList-Post: <mailto:club@example.test>\r\n"
	there, here := ben.wait(1), ann.wait(1)
	for _, text := range []string{there, here} {
		if returnPath(t, text) != "club+bounces@example.test" || !strings.HasSuffix(text, msg) {
			t.Errorf("a member got\n%s", text)
		}
	}
	contains(t, here, "Authentication-Results: mail.example.test;", "dmarc=pass", fields, "Precedence: list\r\nReceived: from mail.good.example")
	contains(t, there, "Authentication-Results: mx.there.example;", "spf=pass", "dmarc=pass", "arc=pass", "DKIM-Signature:", fields, "Received: from mail.good.example")
	if signers := strings.Count(there[:strings.Index(there, "Received:")], "header.d=example.test"); signers == 0 {
		t.Errorf("not signed by the list:\n%s", there)
	}
	contains(t, eve.wait(1), "To: <club+bounces@example.test>", "nobody@there.example", "Remote-MTA: dns; mx.there.example")

	// Its story is told as one.
	stories, err := w.house.Store().Admin.Trace(t.Context(), admin.TraceQuery{Recipient: "club@example.test"})
	if err != nil || len(stories) != 1 {
		t.Fatalf("%+v, %v", stories, err)
	}
	var events []string
	for _, e := range stories[0].Events {
		if e.Event == "received" || e.Event == "listed" || e.Event == "delivered" {
			events = append(events, e.Event+" "+e.Account+" "+strings.Join(e.Recipients, ","))
		}
	}
	// Copies go their ways at the same time: which of them arrives first is chance.
	for _, want := range []string{"received  club@example.test", "listed club@example.test ben@there.example,nobody@there.example", "delivered ann@example.test club@example.test"} {
		if !slices.Contains(events, want) {
			t.Errorf("%s is missing in %q", want, events)
		}
	}

	// Back from a member's forwarding it isn't sent again.
	if got := from(t, w.house, neighbourIP, "ben@there.example", "club", there); !strings.HasPrefix(got, "554 5.4.6 ") {
		t.Error(got)
	}
	w.house.Check()
}

// TestFutureRelease: what is to be held is neither here nor gone until the time has come (RFC 4865).
func TestFutureRelease(t *testing.T) {
	out := &outside{make(chan string, 10)}
	s := servertest.Start(t, servertest.Options{Send: out.send})
	s.AddAccount("ann")
	ben := addBox(t, s, "ben@example.test")
	send := func(param, subject string, to ...string) {
		t.Helper()
		c := s.Line(servertest.Submission)
		defer c.Close()
		c.Ask("EHLO client")
		c.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
		c.Ask("MAIL FROM:<ann@example.test>%s", param)
		for _, r := range to {
			c.Ask("RCPT TO:<%s>", r)
		}
		c.Ask("DATA")
		c.Ask("From: <ann@example.test>\r\nSubject: %s\r\n\r\nA line.\r\n.", subject)
	}
	send(" HOLDFOR=3600", "held", "ben@example.test", "carol@elsewhere.example")
	send(" HOLDUNTIL="+s.Clock.Now().Add(2*time.Hour).Format(time.RFC3339), "until", "ben@example.test")
	send("", "at once", "ben@example.test")
	contains(t, ben.wait(1), "Subject: at once")
	s.Clock.Advance(59 * time.Minute)
	send("", "later", "ben@example.test", "carol@elsewhere.example")
	contains(t, <-out.got, "Subject: later")
	if n := len(ben.texts()); n != 2 {
		t.Errorf("%d messages before the time", n)
	}
	s.Clock.Advance(time.Minute)
	send("", "wake up", "dave@elsewhere.example") // the queue looks at the clock when something comes
	got := <-out.got + <-out.got
	contains(t, got, "Subject: held")
	text := ben.wait(3)
	contains(t, text, "Return-Path: <ann@example.test>\r\n", "Subject: held")
	s.Clock.Advance(time.Hour)
	send("", "wake up", "dave@elsewhere.example")
	contains(t, ben.wait(4), "Subject: until")
	s.Check()
}

// TestOurOwnMailStaysHere: what lies in the queue for a domain that has become ours goes into the mailbox, not out.
func TestOurOwnMailStaysHere(t *testing.T) {
	out := &outside{make(chan string, 10)}
	s := servertest.Start(t, servertest.Options{Send: out.send})
	ben := addBox(t, s, "ben@example.test")
	job := transfer.Job{Envelope: transfer.Envelope{ID: "1", From: "x@far.example"}, Content: strings.NewReader("Subject: x\r\n\r\n"),
		Recipients: []transfer.Recipient{{Address: "ben@EXAMPLE.test"}, {Address: "carol@far.example"}}}
	must(t, s.Submit(t.Context(), job))
	if got := ben.wait(1); got != "Return-Path: <x@far.example>\r\nSubject: x\r\n\r\n" {
		t.Errorf("%q", got)
	}
	if got := <-out.got; !strings.HasPrefix(got, "x@far.example > carol@far.example: ") {
		t.Errorf("%q", got)
	}
}

// TestOneOfTwoFails: a recipient goes between RCPT and DATA. Who has signed in has their message accepted, and hears of it from us
// (RFC 5321 §4.4); a stranger whom nothing proves hears of it at once, from their own server.
func TestOneOfTwoFails(t *testing.T) {
	out := &outside{make(chan string, 10)}
	s := servertest.Start(t, servertest.Options{Send: out.send})
	ann, ben := addBox(t, s, "ann@example.test"), addBox(t, s, "ben@example.test")
	for i, c := range []struct {
		port  int
		login bool
		reply string
	}{{servertest.Submission, true, "250 2.0.0 "}, {servertest.SMTP, false, "550 5.1.1 "}} {
		addBox(t, s, "gone@example.test")
		l := s.Line(c.port)
		l.Ask("EHLO client")
		if c.login {
			l.Ask("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0")
		}
		l.Ask("MAIL FROM:<ann@example.test>")
		l.Ask("RCPT TO:<ben@example.test>")
		l.Ask("RCPT TO:<gone@example.test>")
		must(t, s.Store().Admin.RemoveAccount(t.Context(), admin.Removal{Address: "gone@example.test", Now: true}))
		l.Ask("DATA")
		got, err := l.Try("Subject: two\r\n\r\nA line.\r\n.")
		if err != nil || !strings.HasPrefix(got, c.reply) {
			t.Errorf("%s, %v; want %s", got, err, c.reply)
		}
		ben.wait(i + 1)
		ann.wait(1) // before there is a new account of that name
		l.Close()
	}
	contains(t, ann.wait(1), "Return-Path: <>\r\n", "multipart/report", "gone@example.test", "5.1.1", "Subject: two")
	if n := len(ann.texts()); n != 1 {
		t.Errorf("told %d times", n)
	}
}
