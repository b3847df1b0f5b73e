package notices

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/format/words"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a directory with ann and zoë in it, and their mailboxes.
type world struct {
	t     *testing.T
	clock time.Time
	dir   *directory.Directory
	boxes *mailbox.Store
	s     *Service
	ann   ident.AccountID
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)}
	dir, db := directorytest.Open(t, directory.Options{Now: w.now, Notices: true})
	w.dir = dir
	_, err := w.dir.AddSigningDomain(t.Context(), "example.org")
	w.must(err)
	w.boxes = mailbox.NewStore(db, mailbox.Options{Now: w.now, SpoolDir: t.TempDir()})
	w.ann = w.add("ann@example.org")
	w.s = New(Options{Directory: w.dir, Mailboxes: w.boxes, Host: "mail.example.org", Zone: time.UTC, Now: w.now, Changed: func() <-chan struct{} { return db.Bell(directory.Partition) }})
	return w
}

func (w *world) now() time.Time { return w.clock }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) add(address string) ident.AccountID {
	a, err := w.dir.AddAccount(w.t.Context(), directory.NewAccount{Address: address, Password: "secret-one"})
	w.must(err)
	w.must(w.boxes.Create(w.t.Context(), a.ID, mailbox.Usage{}))
	return a.ID
}

// inbox are the messages of an account.
func (w *world) inbox(id ident.AccountID) (all []string) {
	w.t.Helper()
	box, err := w.boxes.Open(w.t.Context(), id, ident.System())
	w.must(err)
	defer box.Close()
	f, _ := box.FolderByRole(mailbox.Inbox)
	v, err := box.View(w.t.Context(), f.ID)
	w.must(err)
	for _, row := range v.All(0, v.Len()) {
		c := box.Content(row)
		b, err := io.ReadAll(io.NewSectionReader(c, 0, row.Size))
		w.must(err)
		all = append(all, string(b))
	}
	return all
}

// Several changes within a minute come in one message, others after a pause; nobody else hears of them, and they are told once.
func TestTell(t *testing.T) {
	w := newWorld(t)
	zoe := w.add("zoë@example.org")
	ctx := t.Context()
	w.must(w.dir.SetPassword(ctx, w.ann, "secret-two"))
	_, _, err := w.dir.AddAppPassword(ctx, w.ann, directory.NewAppPassword{Name: "Phone"})
	w.must(err)
	tell := func(wantNext time.Duration, want int) []string {
		t.Helper()
		next, err := w.s.Tell(ctx)
		w.must(err)
		if wantNext == 0 && !next.IsZero() || wantNext > 0 && !next.Equal(w.clock.Add(wantNext)) {
			t.Errorf("next is %v, want in %v", next, wantNext)
		}
		all := w.inbox(w.ann)
		if len(all) != want {
			t.Fatalf("%d messages, want %d", len(all), want)
		}
		return all
	}
	tell(Gather, 0)
	w.clock = w.clock.Add(Gather)
	first := tell(0, 1)[0]
	for _, want := range []string{"From: \"mail.example.org\" <postmaster@example.org>\r\n", "To: ann@example.org\r\n", "Auto-Submitted: auto-generated\r\n", "Subject: What has changed in your account\r\n",
		"- 2026-03-14 15:09 UTC: The password was changed.\r\n- 2026-03-14 15:09 UTC: The app password \"Phone\" was made.\r\n"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is missing:\n%s", want, first)
		}
	}
	w.must(w.dir.SetLanguage(ctx, w.ann, "de"))
	w.must(w.dir.Notify(ctx, w.ann, directory.ProgramAllowed, "Evil\r\nX: y \u202ehttps://evil.example/ <a@evil.example> "+strings.Repeat("x", 500)))
	w.clock = w.clock.Add(Gather)
	tell(Pause-Gather, 1)
	w.clock = w.clock.Add(Pause - Gather)
	second := tell(0, 2)[1]
	if !strings.Contains(second, "Content-Language: de\r\n") || strings.Contains(second, "evil.example") || strings.Contains(second, "\r\nX:") || strings.Contains(second, "\u202e") {
		t.Error(second)
	}
	if n := len(w.inbox(zoe)); n != 0 {
		t.Errorf("zoë has %d messages", n)
	}
	if left, err := w.dir.Notices(ctx); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}

// A full mailbox takes a notice; an account that has gone gets none, and does not keep others from theirs.
func TestTellInAnyCase(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob := w.add("bob@example.org")
	w.must(w.dir.SetPassword(ctx, bob, "secret-two"))
	w.must(w.dir.SetPassword(ctx, w.ann, "secret-two"))
	w.must(w.dir.RemoveAccount(ctx, bob))
	w.must(w.boxes.SetLimit(ctx, w.ann, mailbox.Usage{Bytes: 1}))
	w.clock = w.clock.Add(Gather)
	if next, err := w.s.Tell(ctx); err != nil || !next.IsZero() {
		t.Error(next, err)
	}
	if n := len(w.inbox(w.ann)); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// Run waits for what happens, and no longer than it should.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.s.o.Now = time.Now
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.s.Run(ctx); close(done) }()
		synctest.Wait()
		w.clock = time.Now()
		w.must(w.dir.SetPassword(ctx, w.ann, "secret-two"))
		time.Sleep(Gather - time.Second)
		synctest.Wait()
		if n := len(w.inbox(w.ann)); n != 0 {
			t.Errorf("%d messages too early", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(w.inbox(w.ann)); n != 1 {
			t.Errorf("%d messages", n)
		}
		cancel()
		<-done
	})
}

// There is a sentence for each kind, in each language.
func TestSentences(t *testing.T) {
	if len(said) != int(directory.FetchAdded) {
		t.Errorf("%d sentences", len(said))
	}
	texts := []string{subject, opening, allIsWell, otherwise}
	for _, text := range said {
		texts = append(texts, text)
	}
	for _, l := range words.All() {
		for _, text := range texts {
			if !l.Has(text) {
				t.Errorf("%s: %q is missing", l.Language(), text)
			}
		}
	}
}
