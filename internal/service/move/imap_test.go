package move

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/dialer"
	"postroad/internal/service/imapclient"
)

// elsewhere is a server of another make, with an account.
type elsewhere struct {
	t        *testing.T
	user     *imapmemserver.User
	listener net.Listener
	cut      atomic.Int64 // connections break after so many bytes; 0: never
	dials    atomic.Int64
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{t: t, user: imapmemserver.NewUser("ann", "secret")}
	memory := imapmemserver.New()
	memory.AddUser(e.user)
	server := imapserver.New(&imapserver.Options{InsecureAuth: true, Logger: silent{},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		}})
	var err error
	if e.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go server.Serve(e.listener)
	t.Cleanup(func() { server.Close() })
	return e
}

func (e *elsewhere) add(folder string, n int, letter func(i int) (body string, flags []imap.Flag)) {
	e.t.Helper()
	_ = e.user.Create(folder, nil)
	for i := range n {
		body, flags := letter(i)
		at := time.Unix(1e9+int64(i), 0)
		if _, err := e.user.Append(folder, literal{strings.NewReader(body)}, &imap.AppendOptions{Flags: flags, Time: at}); err != nil {
			e.t.Fatal(err)
		}
	}
}

type literal struct{ *strings.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func (e *elsewhere) connect(ctx context.Context) (*imapclient.Client, error) {
	e.dials.Add(1)
	c, err := imapclient.Dial(ctx, imapclient.Options{Options: dialer.Options{Address: e.listener.Addr().String(), Security: dialer.Plain,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if n := e.cut.Load(); n > 0 {
				return &cutConn{conn, n}, err
			}
			return conn, err
		}}})
	if err != nil {
		return nil, err
	}
	return c, c.Login("ann", "secret")
}

// cutConn breaks after some bytes.
type cutConn struct {
	net.Conn
	left int64
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.Close()
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

func (e *elsewhere) source(o IMAP) Source {
	o.Connect, o.Account = e.connect, "ann@elsewhere"
	if o.Pause == nil {
		o.Pause = func(context.Context, time.Duration) error { return nil }
	}
	return FromIMAP(o)
}

func letter(i int) (string, []imap.Flag) {
	flags := [][]imap.Flag{nil, {imap.FlagSeen}, {imap.FlagSeen, imap.FlagAnswered, "$work"}, {imap.FlagFlagged, "a", "b"}}[i%4]
	return fmt.Sprintf("Subject: %d\r\n\r\n%s\nbare\r\n", i/2*2, strings.Repeat("text\r\n", i*37%5000)), flags
}

func (e *elsewhere) fill() {
	e.add("INBOX", 60, letter)
	e.add("Work", 40, letter)
	e.add("Work/\xc3\xa9t\xc3\xa9", 10, letter) // the library's names are UTF-8; on the wire they aren't
	e.add("Spam", 5, letter)
	e.add("Empty", 0, letter)
}

// brought is what an account has.
func (w *world) brought() []seen {
	w.Helper()
	return all(w.T, Outgoing(w.session(1)))
}

// Everything comes as it was: bytes, flags, dates, folders; and twice given doesn't come twice, nor is it asked for.
func TestFromIMAP(t *testing.T) {
	w, e := newWorld(t), newElsewhere(t)
	e.fill()
	var last string
	r := w.bring(1, e.source(IMAP{Progress: func(f string, n, of int) { last = fmt.Sprint(f, n, of) }}))
	if r.Added != 115 || r.Present != 0 || last != "Work/\u00e9t\u00e910 10" {
		t.Errorf("%+v, last of all %s", r, last)
	}
	got := map[string]int{}
	for i, m := range messages(w.brought()) {
		folder := strings.Join(m.Folder, "/")
		n := got[folder]
		got[folder]++
		body, flags := letter(n)
		f, k := ReadFlags(strings.Fields(strings.Trim(fmt.Sprint(flags), "[]")))
		want := seen{Folder: m.Folder, Flags: f, Keywords: k, Received: 1e9 + int64(n), Body: body}
		if d := cmp.Diff(want, m); d != "" {
			t.Fatalf("message %d in %s: %s", i, folder, d)
		}
	}
	if d := cmp.Diff(map[string]int{"INBOX": 60, "Work": 40, "Work/\u00e9t\u00e9": 10, "Junk": 5}, got); d != "" {
		t.Error(d)
	}
	if _, ok := w.session(1).Child(0, "Empty"); !ok {
		t.Error("the empty folder didn't come")
	}

	have, err := BroughtTo(w.ctx, w.session(1))
	w.must(err)
	asked, skipped := 0, 0
	r = w.bring(1, e.source(IMAP{Have: have, Progress: func(string, int, int) { asked++ }, Skipped: func(n int) { skipped += n }}))
	if r.Added != 0 || asked != 0 || skipped != 115 {
		t.Errorf("again: %+v, %d were asked for, %d were not", r, asked, skipped)
	}
	if r = w.bring(1, e.source(IMAP{})); r.Added != 0 || r.Present != 115 {
		t.Errorf("again, without knowing: %+v", r)
	}
	e.add("INBOX", 1, letter) // the same bytes as the first one, and yet another message
	if r = w.bring(1, e.source(IMAP{Have: have})); r.Added != 1 {
		t.Errorf("with a new one: %+v", r)
	}
}

// A connection that breaks in the middle of a message is made again, and nothing is lost nor doubled.
func TestBrokenConnections(t *testing.T) {
	w, e := newWorld(t), newElsewhere(t)
	e.fill()
	e.cut.Store(200_000)
	r := w.bring(1, e.source(IMAP{}))
	if r.Added != 115 || e.dials.Load() < 4 {
		t.Errorf("%+v after %d connections", r, e.dials.Load())
	}
	// So it is if messages go through a stream to a server, and if that was cut off somewhere.
	e.cut.Store(0)
	_, err := Import(w.ctx, w.store, w.session(2), nil, cut(through(w, e.source(IMAP{})), 50))
	if err != errCut {
		t.Fatal(err)
	}
	have, err := BroughtTo(w.ctx, w.session(2))
	w.must(err)
	e.cut.Store(200_000)
	r = w.bring(2, through(w, e.source(IMAP{Have: have})))
	if d := cmp.Diff(all(t, Outgoing(w.session(1))), all(t, Outgoing(w.session(2)))); d != "" {
		t.Errorf("%+v: %s", r, d)
	}
}

// through sends messages over the wire.
func through(w *world, from Source) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		r, out := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- Encode(ctx, out, from)
			out.Close()
		}()
		err := Decode(r)(ctx, yield)
		r.Close()
		<-done
		return err
	}
}

// A server that was there and isn't any more is given up after some time; one that never was, at once.
func TestServerThatIsNotThere(t *testing.T) {
	for _, c := range []struct{ good, pauses int }{{0, 0}, {1, imapTries - 1}} {
		w, e := newWorld(t), newElsewhere(t)
		e.fill()
		e.cut.Store(1000)
		pauses, good := 0, c.good
		_, err := Import(w.ctx, w.store, w.session(1), nil, FromIMAP(IMAP{
			Connect: func(ctx context.Context) (*imapclient.Client, error) {
				if good--; good < 0 {
					return nil, fault.New(fault.Unavailable, "nobody is there")
				}
				return e.connect(ctx)
			},
			Pause: func(context.Context, time.Duration) error { pauses++; return nil }}))
		if !fault.Is(err, fault.Unavailable) || pauses != c.pauses {
			t.Errorf("after %d connections: %v after %d pauses", c.good, err, pauses)
		}
	}
}

func TestOnlyAndExclude(t *testing.T) {
	w, e := newWorld(t), newElsewhere(t)
	e.fill()
	if r := w.bring(1, e.source(IMAP{Only: []string{"work"}, Exclude: []string{"Work/\u00e9t\u00e9"}})); r.Added != 40 || r.Folders != 1 {
		t.Errorf("%+v", r)
	}
}

// A name that no folder has is an error that tells what there is, before anything is brought.
func TestOnlyNowhere(t *testing.T) {
	for _, o := range []IMAP{{Only: []string{"INBOX", "Wrok"}}, {Exclude: []string{"Wrok"}}} {
		w, e := newWorld(t), newElsewhere(t)
		e.fill()
		r, err := Import(w.ctx, w.store, w.session(1), nil, e.source(o))
		if !fault.Is(err, fault.Invalid) || r.Added != 0 || !strings.Contains(err.Error(), `"Wrok"`) || !strings.Contains(err.Error(), "Work/\u00e9t\u00e9") {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// Names there become folders here.
func TestFoldersThere(t *testing.T) {
	box := func(name, delim string, attrs ...string) imapclient.Mailbox {
		return imapclient.Mailbox{Name: name, Delim: delim, Attrs: attrs}
	}
	spaces := imapclient.Namespaces{Personal: []string{"INBOX."}, Others: []string{"user.", "Shared/", ""}}
	boxes := []imapclient.Mailbox{
		box("inbox", "."), box("INBOX.Gesendet", ".", `\SENT`), box("INBOX.Gesendet.2024", "."), box("INBOX.a&AOk-", "."),
		box("user.bob", "."), box("user", "."), box("Shared/x", "/"), box("[Gmail]/Papierkorb", "/", `\TRASH`), box("flat.name", ""),
		box("a//b", "/"), box("Other", ".", `\SENT`), box("INBOX/below", "/"),
	}
	roles := rolePaths(boxes)
	var got []string
	for _, b := range boxes {
		got = append(got, strings.Join(pathThere(b, spaces, roles), "|"))
	}
	want := []string{"INBOX", "Sent", "Sent|2024", "a\u00e9", "", "", "", "Trash", "flat.name", "a|b", "Other", "INBOX|below"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBroughtAsJSON(t *testing.T) {
	b := Brought{{1}: {1, 2, 3, 9}, {2, 255}: {7}}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back Brought
	if err := json.Unmarshal(text, &back); err != nil || cmp.Diff(b, back) != "" {
		t.Error(err, string(text), back)
	}
	for _, bad := range []string{`{"00":"1:2"}`, `{"00000000000000000000000000000000":"2:1"}`, `{"00000000000000000000000000000000":"1:4294967295"}`, `{"00000000000000000000000000000000":"x"}`, `[]`} {
		if json.Unmarshal([]byte(bad), &back) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// silent is a logger.
type silent struct{}

func (silent) Printf(string, ...any) {}
