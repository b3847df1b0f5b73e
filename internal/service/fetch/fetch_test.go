package fetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/oauthclient"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// world is a store in memory with an account, and a service whose connections go to serve.
type world struct {
	*testing.T
	db      *faulty
	boxes   *mailbox.Store
	service *Service
	now     time.Time
	serve   func(net.Conn)
	dials   atomic.Int64
	serving sync.WaitGroup

	providers *oauthclient.Client
	receiver  Receiver
}

// faulty is a store of which updates of sources fail, if it is told to.
type faulty struct {
	kv.DB
	fail func() error // asked before each; nil: all is well
}

func (f *faulty) Update(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	if f.fail != nil && p == Partition {
		if err := f.fail(); err != nil {
			return err
		}
	}
	return f.DB.Update(ctx, p, fn)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, db: &faulty{DB: db}, now: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)}
	w.boxes = mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir(), Now: w.clock})
	w.must(w.boxes.Create(t.Context(), 1, mailbox.Usage{}))
	w.restart()
	t.Cleanup(func() {
		w.serving.Wait()
		problems, err := w.boxes.Check(context.Background(), 1)
		if err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		w.must(db.Close())
	})
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) restart() {
	w.service = New(w.db, w.boxes, Options{Now: w.clock, Key: make([]byte, 32), Dial: w.dial, Providers: w.providers})
	if w.receiver != nil {
		w.service.SetReceiver(w.receiver)
	}
}

func (w *world) dial(context.Context, string, string) (net.Conn, error) {
	w.dials.Add(1)
	if w.serve == nil {
		return nil, errors.New("nobody is there")
	}
	here, there := net.Pipe()
	w.serving.Go(func() { w.serve(there) })
	return here, nil
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) add(change func(*Source)) Source {
	w.Helper()
	src := Source{Account: 1, Protocol: POP3, Address: "mail.example.org:110", Security: None, User: "ann", Policy: Keep, Every: time.Minute}
	change(&src)
	src, err := w.service.Add(w.Context(), src, "secret")
	w.must(err)
	return src
}

func (w *world) run(src Source) Result {
	w.Helper()
	r, err := w.service.RunNow(w.Context(), src.ID)
	w.must(err)
	return r
}

func (w *world) session() *mailbox.Session {
	w.Helper()
	s, err := w.boxes.Open(context.Background(), 1, ident.System())
	w.must(err)
	w.Cleanup(s.Close)
	return s
}

// here lists the messages of the account.
func (w *world) here() (all []string) {
	w.Helper()
	s := w.session()
	for _, f := range s.Folders() {
		view, err := s.View(w.Context(), f.ID)
		w.must(err)
		for _, row := range view.All(0, view.Len()) {
			b, err := io.ReadAll(s.Content(row).Section(0, row.Size))
			w.must(err)
			subject, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(string(b), checkedField), "Subject: "), "\r\n")
			all = append(all, fmt.Sprintf("%s/%s %v", f.Name, subject, row.Keywords.Names()))
		}
	}
	slices.Sort(all)
	return all
}

func inbox(subjects ...int) (all []string) {
	for _, n := range subjects {
		all = append(all, fmt.Sprintf("INBOX/%d []", n))
	}
	slices.Sort(all)
	return all
}

func (w *world) wantHere(what string, want []string) {
	w.Helper()
	if d := cmp.Diff(want, w.here()); d != "" {
		w.Errorf("%s: %s", what, d)
	}
}

// maildrop is a POP3 server's: subjects of messages, whose UIDL is the subject.
type maildrop struct {
	mu      sync.Mutex
	letters []int
	noUIDs  bool
	cut     int // the connection breaks after so many messages; 0: never
	refuse  int // this message can't be had
	busy    int // this one can't be had now
	wrong   bool
}

func (m *maildrop) serve(conn net.Conn) {
	defer conn.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	letters, deleted, given := slices.Clone(m.letters), map[int]bool{}, 0
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("+OK")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var n int
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		fmt.Sscan(arg, &n)
		switch {
		case verb == "PASS" && (m.wrong || arg != "secret"), verb == "CAPA", verb == "UIDL" && m.noUIDs, verb == "RETR" && letters[n-1] == m.refuse:
			say("-ERR no")
		case verb == "RETR" && letters[n-1] == m.busy:
			say("-ERR [SYS/TEMP] later")
		case verb == "LIST" || verb == "UIDL":
			say("+OK")
			for i, subject := range letters {
				say("%d %d", i+1, map[string]int{"LIST": 100, "UIDL": subject}[verb])
			}
			say(".")
		case verb == "RETR":
			if given++; m.cut > 0 && given > m.cut {
				fmt.Fprint(conn, "+OK\r\nSubject: ha")
				return
			}
			say("+OK\r\nSubject: %d\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nbody\r\n.", letters[n-1])
		case verb == "DELE":
			deleted[n] = true
			say("+OK")
		case verb == "QUIT":
			m.letters = nil
			for i, subject := range letters {
				if !deleted[i+1] {
					m.letters = append(m.letters, subject)
				}
			}
			say("+OK")
			return
		default:
			say("+OK")
		}
	}
}

// POP3: what is new comes, once; and each policy does what it says.
func TestPOP3Policies(t *testing.T) {
	w, m := newWorld(t), &maildrop{letters: []int{1, 2, 3}}
	w.serve = m.serve
	keep := w.add(func(*Source) {})
	if r := w.run(keep); r.Fetched != 3 || r.Removed != 0 {
		t.Errorf("%+v", r)
	}
	m.letters = []int{2, 3, 4}
	if r := w.run(keep); r.Fetched != 1 {
		t.Errorf("%+v", r)
	}
	w.wantHere("keep", inbox(1, 2, 3, 4))
	w.must(w.service.Remove(t.Context(), keep.ID))

	days := w.add(func(s *Source) { s.Policy, s.Days, s.Folder = Days, 2, []string{"Old", "Place"} })
	w.run(days)
	w.now = w.now.Add(47 * time.Hour)
	if r := w.run(days); r.Removed != 0 || len(m.letters) != 3 {
		t.Errorf("too early: %+v", r)
	}
	m.letters = append(m.letters, 5)
	w.now = w.now.Add(time.Hour)
	if r := w.run(days); r.Removed != 3 || r.Fetched != 1 || fmt.Sprint(m.letters) != "[5]" {
		t.Errorf("after two days: %+v, left are %v", r, m.letters)
	}
	w.must(w.service.Remove(t.Context(), days.ID))
	w.wantHere("days", append(inbox(1, 2, 3, 4), "Place/2 []", "Place/3 []", "Place/4 []", "Place/5 []"))

	m.letters = []int{6, 7, 8}
	mirror := w.add(func(s *Source) { s.Policy = Mirror })
	w.run(mirror)
	s := w.session()
	in, _ := s.FolderByRole(mailbox.Inbox)
	trash, _ := s.FolderByRole(mailbox.Trash)
	view, err := s.View(t.Context(), in.ID)
	w.must(err)
	n := view.Len()
	_, err = s.Expunge(t.Context(), in.ID, []mailbox.UID{view.At(n - 1).UID}, false)
	w.must(err)
	_, _, err = s.Move(t.Context(), in.ID, []mailbox.UID{view.At(n - 2).UID}, trash.ID)
	w.must(err)
	if r := w.run(mirror); r.Removed != 2 || fmt.Sprint(m.letters) != "[6]" {
		t.Errorf("mirror: %+v, left are %v", r, m.letters)
	}
	w.must(w.service.Remove(t.Context(), mirror.ID))

	m.letters = []int{9, 10}
	at := w.add(func(s *Source) { s.Policy = Delete })
	if r := w.run(at); r.Removed != 2 || len(m.letters) != 0 {
		t.Errorf("delete: %+v, left are %v", r, m.letters)
	}
	if r := w.run(at); r != (Result{}) {
		t.Errorf("delete, again: %+v", r)
	}
}

// Without UIDL messages are told apart by their bytes; and one that the server can't give doesn't hold up others.
func TestPoorPOP3Servers(t *testing.T) {
	w, m := newWorld(t), &maildrop{letters: []int{1, 2}, noUIDs: true}
	w.serve = m.serve
	src := w.add(func(*Source) {})
	w.run(src)
	m.letters = []int{2, 3, 3}
	w.run(src)
	w.wantHere("without UIDL", inbox(1, 2, 3))

	m.noUIDs, m.letters, m.refuse = false, []int{4, 5, 6}, 5
	other := w.add(func(s *Source) { s.Policy = Delete })
	if r := w.run(other); r.Skipped != 1 || r.Fetched != 2 || fmt.Sprint(m.letters) != "[5]" {
		t.Errorf("%+v, left are %v", r, m.letters)
	}
	if r := w.run(other); r != (Result{}) {
		t.Errorf("again: %+v", r)
	}
}

// Whatever breaks, and wherever: in the end each message is here once, and nothing was removed there before.
func TestNothingIsLostOrDoubled(t *testing.T) {
	for _, checked := range []bool{false, true} {
		testNothingIsLostOrDoubled(t, checked)
	}
}

func testNothingIsLostOrDoubled(t *testing.T, checked bool) {
	for n := 1; ; n++ {
		w, m := newWorld(t), &maildrop{letters: []int{1, 2, 3, 4, 5}}
		w.serve = m.serve
		if checked {
			w.check()
		}
		src := w.add(func(s *Source) { s.Policy = Delete })
		left := n
		w.db.fail = func() error {
			if left--; left == 0 {
				return fault.New(fault.Unavailable, "the power is gone")
			}
			return nil
		}
		_, err := w.service.RunNow(t.Context(), src.ID)
		whole := err == nil
		m.mu.Lock()
		here, there := len(w.here()), len(m.letters)
		m.mu.Unlock()
		if here+there < 5 || here < 5-there {
			t.Fatalf("after failure %d: %d are here, %d there", n, here, there)
		}
		w.db.fail = nil
		w.restart() // what was known in memory is gone
		w.run(src)
		w.wantHere(fmt.Sprint("after failure ", n), inbox(1, 2, 3, 4, 5))
		if len(m.letters) != 0 {
			t.Errorf("after failure %d: left are %v", n, m.letters)
		}
		if whole {
			if n < 4 {
				t.Errorf("only %d updates", n)
			}
			return
		}
	}
}

func TestConnectionBreaks(t *testing.T) {
	w, m := newWorld(t), &maildrop{letters: []int{1, 2, 3, 4, 5}, cut: 2}
	w.serve = m.serve
	src := w.add(func(s *Source) { s.Policy = Delete })
	for range 3 {
		_, _ = w.service.RunNow(t.Context(), src.ID)
	}
	w.wantHere("after three connections", inbox(1, 2, 3, 4, 5))
	w.run(src)
	if len(m.letters) != 0 {
		t.Errorf("left are %v", m.letters)
	}
}

// A server that goes on for ever is left, and asked again later.
func TestServerWithoutEnd(t *testing.T) {
	w := newWorld(t)
	w.serve = func(c net.Conn) {
		defer c.Close()
		go io.Copy(io.Discard, c)
		io.WriteString(c, "+OK\r\n-ERR\r\n+OK\r\n+OK\r\n+OK\r\n1 1\r\n.\r\n+OK\r\n1 a\r\n.\r\n+OK\r\n")
		for {
			if _, err := io.WriteString(c, "more\r\n"); err != nil {
				return
			}
		}
	}
	src := w.add(func(*Source) {})
	w.service.patience = 20 * time.Millisecond
	if _, err := w.service.RunNow(t.Context(), src.ID); err == nil {
		t.Error("it ended")
	}
	all, err := w.service.List(t.Context(), 1)
	w.must(err)
	if len(all) != 1 || all[0].Failures != 1 || !all[0].Next.After(w.now) {
		t.Errorf("%+v", all)
	}
}

// A source that fails is asked less and less often, with a wrong password still less; and a new password helps at once.
func TestBackOff(t *testing.T) {
	w, m := newWorld(t), &maildrop{}
	src := w.add(func(*Source) {})
	waits := func(n int) (all []time.Duration) {
		for range n {
			_, err := w.service.RunNow(t.Context(), src.ID)
			if err == nil {
				t.Fatal("it worked")
			}
			_, status, err := w.service.get(t.Context(), src.ID)
			w.must(err)
			all = append(all, status.Next.Sub(w.now))
		}
		return all
	}
	if d := cmp.Diff([]time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute}, waits(4)); d != "" {
		t.Error(d)
	}
	w.serve, m.wrong = m.serve, true
	if got := waits(20); got[0] < 2*signInBackOff || got[19] != maxBackOff {
		t.Error(got)
	}
	all, err := w.service.List(t.Context(), 1)
	w.must(err)
	if len(all) != 1 || all[0].Failures != 24 || !strings.Contains(all[0].Error, "doesn't let us in") || strings.Contains(all[0].Error, "secret") {
		t.Errorf("%+v", all)
	}
	m.wrong = false
	w.must(w.service.SetSecret(t.Context(), src.ID, "secret"))
	if due, err := w.service.due(t.Context()); len(due) != 1 || err != nil {
		t.Error(due, err)
	}
	w.run(src)
	if due, err := w.service.due(t.Context()); len(due) != 0 || err != nil {
		t.Error(due, err)
	}
}

// Run asks what is due, again and again, and ends when it is told.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, m := newWorld(t), &maildrop{letters: []int{1}}
		w.serve = m.serve
		w.service.o.Now = time.Now
		w.add(func(*Source) {})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.service.Run(ctx) })
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.dials.Load(); n != 1 {
			t.Errorf("%d connections in the first second", n)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.dials.Load(); n < 6 || n > 11 {
			t.Errorf("%d connections in ten minutes", n)
		}
		stop()
		running.Wait()
		w.wantHere("after ten minutes", inbox(1))
	})
}

// The password isn't in the store for all to read, and one source's is no use to another.
func TestSecrets(t *testing.T) {
	w := newWorld(t)
	one, two := w.add(func(*Source) {}), w.add(func(*Source) {})
	w.must(w.db.Update(t.Context(), Partition, func(tx kv.Tx) error {
		for p, err := range tx.Scan(kv.Range{Lo: []byte{0}, Hi: []byte{kv.BulkPrefix}}) {
			w.must(err)
			if strings.Contains(string(p.Value), "secret") {
				t.Errorf("the secret lies under %q", p.Key)
			}
		}
		v, _, err := tx.Get(sourceKey(keySecret, one.ID))
		return errors.Join(err, tx.Set(sourceKey(keySecret, two.ID), slices.Clone(v)))
	}))
	if got, err := w.service.secret(t.Context(), one.ID); got != "secret" || err != nil {
		t.Error(got, err)
	}
	if _, err := w.service.secret(t.Context(), two.ID); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*Source){
		"no account": func(s *Source) { s.Account = 0 }, "protocol": func(s *Source) { s.Protocol = "ftp" }, "security": func(s *Source) { s.Security = "" },
		"address": func(s *Source) { s.Address = "mail" }, "user": func(s *Source) { s.User = "a\nb" }, "every": func(s *Source) { s.Every = time.Second },
		"policy": func(s *Source) { s.Policy = "burn" }, "days": func(s *Source) { s.Policy = Days }, "days of others": func(s *Source) { s.Days = 3 },
		"mailbox by POP3": func(s *Source) { s.Mailbox = "x" }, "folder": func(s *Source) { s.Folder = []string{""} },
	} {
		src := Source{Account: 1, Protocol: POP3, Address: "a:1", Security: TLS, User: "a", Policy: Keep, Every: time.Hour}
		change(&src)
		if _, err := w.service.Add(t.Context(), src, "x"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range MaxSources {
		w.add(func(*Source) {})
	}
	src := Source{Account: 1, Protocol: POP3, Address: "a:1", Security: TLS, User: "a", Policy: Keep, Every: time.Hour}
	if _, err := w.service.Add(t.Context(), src, "x"); !fault.Is(err, fault.TooLarge) {
		t.Error(err)
	}
	src.Account = 2
	if _, err := w.service.Add(t.Context(), src, "x"); err != nil {
		t.Error(err)
	}
	w.must(w.service.Forget(t.Context(), 1))
	if all, err := w.service.List(t.Context(), 0); len(all) != 1 || err != nil {
		t.Error(all, err)
	}
	if _, err := w.service.RunNow(t.Context(), 1); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// imapThere is an IMAP server with an account.
type imapThere struct {
	user *imapmemserver.User
	srv  *imapserver.Server
	conn chan net.Conn
	busy goimap.UID // this message can't be had now
}

// busySession is a session of a server that can't give a message for a while.
type busySession struct {
	imapserver.Session
	there *imapThere
}

func (s *busySession) Fetch(w *imapserver.FetchWriter, set goimap.NumSet, o *goimap.FetchOptions) error {
	if uids, ok := set.(goimap.UIDSet); ok && len(o.BodySection) > 0 && uids.Contains(s.there.busy) {
		return &goimap.Error{Type: goimap.StatusResponseTypeNo, Code: goimap.ResponseCodeUnavailable, Text: "later"}
	}
	return s.Session.Fetch(w, set, o)
}

func newIMAP(t *testing.T) *imapThere {
	t.Helper()
	i := &imapThere{conn: make(chan net.Conn)}
	i.fresh()
	i.srv = imapserver.New(&imapserver.Options{InsecureAuth: true, Logger: silent{}, Caps: goimap.CapSet{goimap.CapIMAP4rev1: {}, goimap.CapUIDPlus: {}},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			memory := imapmemserver.New()
			memory.AddUser(i.user)
			return &busySession{memory.NewSession(), i}, nil, nil
		}})
	go i.srv.Serve(i)
	t.Cleanup(func() { i.srv.Close() })
	return i
}

// fresh makes the account anew, with other UIDVALIDITYs.
func (i *imapThere) fresh() {
	next := imapmemserver.NewUser("ann", "secret")
	for range validity {
		_ = next.Create("x", nil)
		_ = next.Delete("x")
	}
	validity++
	_ = next.Create("INBOX", nil)
	_ = next.Create("Work", nil)
	i.user = next
}

var validity = 1

type silent struct{}

func (silent) Printf(string, ...any) {}

func (i *imapThere) Accept() (net.Conn, error) {
	c, ok := <-i.conn
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (i *imapThere) Close() error   { close(i.conn); return nil }
func (i *imapThere) Addr() net.Addr { return &net.TCPAddr{} }

func (i *imapThere) letter(t *testing.T, box string, n int, flags ...goimap.Flag) {
	t.Helper()
	body := fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", n)
	if _, err := i.user.Append(box, literal{strings.NewReader(body)}, &goimap.AppendOptions{Flags: flags}); err != nil {
		t.Fatal(err)
	}
}

type literal struct{ *strings.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func (i *imapThere) count(t *testing.T, box string) uint32 {
	t.Helper()
	s, err := i.user.Status(box, &goimap.StatusOptions{NumMessages: true})
	if err != nil {
		t.Fatal(err)
	}
	return *s.NumMessages
}

// IMAP: flags come along, only what is new is asked for, policies work, and new UIDs don't make all come again.
func TestIMAP(t *testing.T) { both(t, testIMAP) }

func testIMAP(t *testing.T, w *world) {
	i := newIMAP(t)
	w.serve = func(c net.Conn) { i.conn <- c }
	for n := range 3 {
		i.letter(t, "INBOX", n, goimap.FlagSeen, "Work")
	}
	keep := w.add(func(s *Source) { s.Protocol = IMAP })
	if r := w.run(keep); r.Fetched != 3 {
		t.Errorf("%+v", r)
	}
	i.letter(t, "INBOX", 3)
	if r := w.run(keep); r.Fetched != 1 {
		t.Errorf("%+v", r)
	}
	if all, err := w.service.allKnown(t.Context(), keep.ID); len(all) != 0 || err != nil {
		t.Errorf("%d messages are remembered that will never be asked for, %v", len(all), err)
	}
	want := []string{"INBOX/0 [work]", "INBOX/1 [work]", "INBOX/2 [work]", "INBOX/3 []"}
	w.wantHere("keep", want)

	i.fresh()
	for n := range 5 {
		i.letter(t, "INBOX", n)
	}
	w.db.fail = failOnce()
	if _, err := w.service.RunNow(t.Context(), keep.ID); err == nil {
		t.Error("it didn't fail")
	}
	w.db.fail = nil
	w.run(keep)
	w.wantHere("other UIDs", append(want, "INBOX/4 []"))
	w.must(w.service.Remove(t.Context(), keep.ID))

	i.letter(t, "Work", 7)
	i.letter(t, "Work", 8)
	mirror := w.add(func(s *Source) { s.Protocol, s.Mailbox, s.Policy, s.Folder = IMAP, "Work", Mirror, []string{"W"} })
	w.run(mirror)
	s := w.session()
	f, _ := s.Child(0, "W")
	_, err := s.Expunge(t.Context(), f.ID, []mailbox.UID{1}, false)
	w.must(err)
	if r := w.run(mirror); r.Removed != 1 || i.count(t, "Work") != 1 {
		t.Errorf("mirror: %+v, %d are left", r, i.count(t, "Work"))
	}
	if r := w.run(mirror); r != (Result{}) {
		t.Errorf("mirror, again: %+v", r)
	}
	missing := w.add(func(s *Source) { s.Protocol, s.Mailbox = IMAP, "Nowhere" })
	if _, err := w.service.RunNow(t.Context(), missing.ID); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// failOnce fails the third update.
func failOnce() func() error {
	n := 0
	return func() error {
		if n++; n == 3 {
			return fault.New(fault.Unavailable, "the power is gone")
		}
		return nil
	}
}

func TestTry(t *testing.T) {
	w, m := newWorld(t), &maildrop{}
	w.serve = m.serve
	src := Source{Account: 1, Protocol: POP3, Address: "a:1", Security: None, User: "a", Policy: Keep, Every: time.Hour}
	w.must(w.service.Try(t.Context(), src, "secret"))
	if err := w.service.Try(t.Context(), src, "wrong"); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
}

// A message that the server can't give just now comes later; it holds up no others, and nothing of it is forgotten.
func TestMessageThatIsPostponed(t *testing.T) {
	w, m := newWorld(t), &maildrop{letters: []int{1, 2, 3}, busy: 2}
	w.serve = m.serve
	pop := w.add(func(s *Source) { s.Policy = Delete })
	if r := w.run(pop); r.Fetched != 2 || r.Skipped != 0 || fmt.Sprint(m.letters) != "[2]" {
		t.Errorf("%+v, left are %v", r, m.letters)
	}
	m.busy = 0
	if r := w.run(pop); r.Fetched != 1 || len(m.letters) != 0 {
		t.Errorf("%+v, left are %v", r, m.letters)
	}
	w.wantHere("POP3", inbox(1, 2, 3))
	w.must(w.service.Remove(t.Context(), pop.ID))

	i := newIMAP(t)
	w.serve = func(c net.Conn) { i.conn <- c }
	for n := range 4 {
		i.letter(t, "INBOX", n+4)
	}
	i.busy = 2
	keep := w.add(func(s *Source) { s.Protocol = IMAP })
	for _, fetched := range []int{3, 0} {
		if r := w.run(keep); r.Fetched != fetched || r.Skipped != 0 {
			t.Errorf("%+v", r)
		}
	}
	i.busy = 0
	if r := w.run(keep); r.Fetched != 1 {
		t.Errorf("%+v", r)
	}
	w.wantHere("IMAP", inbox(1, 2, 3, 4, 5, 6, 7))
	if r := w.run(keep); r != (Result{}) {
		t.Errorf("%+v", r)
	}
	if all, err := w.service.allKnown(t.Context(), keep.ID); len(all) != 0 || err != nil {
		t.Errorf("%d messages are remembered, %v", len(all), err)
	}
}
