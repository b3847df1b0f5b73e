package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/server/config"
	"postroad/internal/service/delivery"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/signing"
)

// anRSA makes one RSA key for all tests, since that takes long.
var anRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, directory.DKIMBits) })

// keyWorld is a directory that serves signs.example, its keys' keeper, and a DNS that somebody looks after by hand.
type keyWorld struct {
	keyKeeper
	dir   *directory.Directory
	clock time.Time
	zone  map[string]string // TXT records by name
	down  bool              // the DNS doesn't answer
	held  time.Time         // when the oldest message in the queue came; zero: the queue is empty
	log   bytes.Buffer
}

func newKeyWorld(t *testing.T, rotate time.Duration) *keyWorld {
	t.Helper()
	w := &keyWorld{clock: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), zone: map[string]string{}}
	now := func() time.Time { return w.clock }
	w.dir, _ = directorytest.Open(t, directory.Options{Now: now, NewRSA: anRSA})
	if _, err := w.dir.AddSigningDomain(t.Context(), "signs.example"); err != nil {
		t.Fatal(err)
	}
	w.keyKeeper = keyKeeper{dir: w.dir, now: now, rotate: rotate, log: slog.New(slog.NewTextHandler(&w.log, nil)),
		waiting: func(_ context.Context, before time.Time) (bool, error) {
			return !w.held.IsZero() && w.held.Before(before), nil
		},
		published: func(ctx context.Context, k directory.DKIMKey) error { return checkPublished(ctx, w, k) }}
	return w
}

func (w *keyWorld) LookupTXT(_ context.Context, name string) ([]string, error) {
	if w.down {
		return nil, fault.New(fault.Unavailable, "no answer")
	}
	if text, ok := w.zone[name]; ok {
		return []string{text}, nil
	}
	return nil, fault.New(fault.NotFound, "no record")
}

// keys lists the keys, those of a state only if any is given.
func (w *keyWorld) keys(t *testing.T, states ...directory.KeyState) (some []directory.DKIMKey) {
	t.Helper()
	all, err := w.dir.DKIMKeys(t.Context(), "signs.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if len(states) == 0 || slices.Contains(states, k.State) {
			some = append(some, k)
		}
	}
	return some
}

// publish puts keys into the DNS.
func (w *keyWorld) publish(t *testing.T, keys ...directory.DKIMKey) {
	t.Helper()
	for _, k := range keys {
		name, text, err := dkim.SigningKey{Domain: k.Domain, Selector: k.Selector, Private: k.Signer()}.Record()
		if err != nil {
			t.Fatal(err)
		}
		w.zone[name] = text
	}
}

// pass moves the clock and has the keeper look.
func (w *keyWorld) pass(t *testing.T, d time.Duration) {
	t.Helper()
	w.clock = w.clock.Add(d)
	w.look(t.Context())
}

func TestFirstKeysSignOnceTheyArePublished(t *testing.T) {
	w := newKeyWorld(t, 0)
	w.pass(t, 0)
	w.pass(t, time.Hour)
	if len(w.keys(t, directory.KeyPending)) != 2 {
		t.Fatal(w.keys(t))
	}
	if n := strings.Count(w.log.String(), "waits for its record"); n != 2 {
		t.Errorf("said %d times, not once a key:\n%s", n, &w.log)
	}
	if n := w.pendingKeys.Load(); n != 2 {
		t.Errorf("%d keys are counted as pending", n)
	}
	w.publish(t, w.keys(t)[1])
	w.pass(t, time.Hour)
	if signing := w.keys(t, directory.KeyActive); len(signing) != 1 || signing[0].Algorithm != directory.Ed25519SHA256 {
		t.Error(signing)
	}
	w.publish(t, w.keys(t)[0])
	w.down = true
	w.pass(t, time.Hour)
	if len(w.keys(t, directory.KeyActive)) != 1 {
		t.Error("activated though the DNS doesn't answer")
	}
	w.down = false
	w.pass(t, time.Hour)
	if len(w.keys(t, directory.KeyActive)) != 2 {
		t.Error(w.keys(t))
	}
	w.log.Reset()
	clear(w.zone)
	for range 30 {
		w.pass(t, time.Hour)
	}
	if p, u := w.pendingKeys.Load(), w.unpublishedKeys.Load(); p != 0 || u != 2 {
		t.Errorf("%d keys are counted as pending, %d as unpublished", p, u)
	}
	if n := strings.Count(w.log.String(), "its record is not in the DNS"); n != 4 || len(w.keys(t, directory.KeyActive)) != 2 {
		t.Errorf("said %d times, not once a day and key:\n%s", n, &w.log)
	}
}

// What is in the DNS has to be the key itself.
func TestWrongRecords(t *testing.T) {
	w := newKeyWorld(t, 0)
	for _, text := range []string{"", "v=DKIM1; p=", "v=DKIM1; k=rsa; p=AAAA", "v=spf1 -all", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "TESTING"} {
		for _, k := range w.keys(t) {
			w.zone[recordName(k)] = text
			if text == "TESTING" { // the right key, for something else
				w.publish(t, k)
				w.zone[recordName(k)] = strings.Replace(w.zone[recordName(k)], "v=DKIM1;", "v=DKIM1; s=other;", 1)
			}
		}
		w.pass(t, 25*time.Hour)
		if n := len(w.keys(t, directory.KeyPending)); n != 2 {
			t.Errorf("%q: %d keys are pending", text, n)
		}
	}
	for _, want := range []string{"has no record", "is that of another key", "is wrong: key is not for mail", "is wrong: key can't be read"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("nobody said %q:\n%s", want, &w.log)
		}
	}
}

// TestRotation lives through 200 days in which keys are renewed every 30, published two days late, and
// taken out of the DNS as soon as the server has forgotten them. At all times mail is signed by both keys, with records that are in the DNS and stay
// there for as long as mail may be under way.
func TestRotation(t *testing.T) {
	const step, late, underWay = 6 * time.Hour, 48 * time.Hour, 5 * 24 * time.Hour
	w := newKeyWorld(t, 30*24*time.Hour)
	w.publish(t, w.keys(t)...)
	w.pass(t, 0)
	sealer := signing.New(signing.Options{Directory: w.dir, Now: w.now})
	lastUse := map[string]time.Time{} // of records
	used := map[string]bool{}
	for range int(200 * 24 * time.Hour / step) {
		w.pass(t, step)
		known := map[string]bool{}
		for _, k := range w.keys(t) {
			known[recordName(k)] = true
			if w.clock.Sub(k.Created) >= late {
				w.publish(t, k)
			}
		}
		for name := range w.zone {
			if !known[name] {
				delete(w.zone, name)
				if age := w.clock.Sub(lastUse[name]); age < underWay {
					t.Fatalf("%s: %s is gone %v after its last use", w.clock, name, age)
				}
			}
		}
		for _, name := range w.sign(t, sealer) {
			lastUse[name], used[name] = w.clock, true
		}
	}
	if len(used) < 12 { // six renewals at least
		t.Errorf("used %d keys: %v", len(used), used)
	}
	if n := len(w.keys(t)); n > 6 {
		t.Errorf("%d keys are left", n)
	}
}

// sign signs a message, verifies it with what the DNS says now, and returns the names of the records.
func (w *keyWorld) sign(t *testing.T, sealer delivery.Sealer) (names []string) {
	t.Helper()
	system := ident.System()
	msg := "From: postmaster@signs.example\r\nSubject: x\r\n\r\nbody\r\n"
	fields, err := sealer.Seal(t.Context(), delivery.Leaving{Who: &system}, strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	v := dkim.NewVerifier(dkim.Options{Resolver: w, Now: w.now})
	io.WriteString(v, string(fields)+msg)
	algorithms := ""
	for _, r := range v.Results(t.Context()) {
		if r.Status != authres.Pass {
			t.Fatalf("%s: %s: %s %s", w.clock, r.Selector, r.Status, r.Reason)
		}
		algorithms += r.Algorithm + " "
		names = append(names, r.Selector+"._domainkey."+r.Domain)
	}
	if algorithms != "rsa-sha256 ed25519-sha256 " {
		t.Fatalf("%s: signed by %q", w.clock, algorithms)
	}
	return names
}

// A key that takes another's place is to be seen twice.
func TestNewKeysAreSeenTwice(t *testing.T) {
	w := newKeyWorld(t, 0)
	w.publish(t, w.keys(t)...)
	w.pass(t, 0)
	made, err := w.dir.RotateKeys(t.Context(), "signs.example")
	if err != nil {
		t.Fatal(err)
	}
	w.publish(t, made...)
	w.pass(t, time.Hour)
	if n := len(w.keys(t, directory.KeyPending)); n != 2 {
		t.Errorf("%d are pending after one look", n)
	}
	delete(w.zone, recordName(made[0])) // it was there by accident
	w.pass(t, time.Hour)
	w.publish(t, made[0])
	w.pass(t, time.Hour)
	if pending := w.keys(t, directory.KeyPending); len(pending) != 1 || pending[0].Selector != made[0].Selector {
		t.Errorf("pending: %v", pending)
	}
	w.pass(t, time.Hour)
	if n := len(w.keys(t, directory.KeyRetired)); n != 2 {
		t.Errorf("%d are retired", n)
	}
	w.pass(t, keptPublished-3*time.Hour)
	if n := len(w.keys(t, directory.KeyRetired)); n != 2 {
		t.Errorf("%d are retired before their time", n)
	}
	w.held = w.clock.Add(-200 * time.Hour) // signed by the old keys
	w.pass(t, 3*time.Hour)
	if n := len(w.keys(t, directory.KeyRetired)); n != 2 {
		t.Errorf("%d are retired, though mail that they signed waits", n)
	}
	w.held = w.clock
	w.pass(t, time.Hour)
	if n := len(w.keys(t)); n != 2 {
		t.Errorf("%d keys are left", n)
	}
}

// A DNS that doesn't answer is soon left alone, and asked again the next time.
func TestDeadDNS(t *testing.T) {
	w := newKeyWorld(t, 0)
	for i := range 2 * deaf {
		if _, err := w.dir.AddSigningDomain(t.Context(), fmt.Sprintf("d%d.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	published := w.published
	w.published = func(ctx context.Context, k directory.DKIMKey) error {
		asked++
		return published(ctx, k)
	}
	w.down = true
	for range 2 {
		asked = 0
		w.pass(t, time.Hour)
		if asked != deaf {
			t.Errorf("asked %d times", asked)
		}
	}
	w.down = false
	w.publish(t, w.keys(t)...)
	w.pass(t, time.Hour)
	if n := len(w.keys(t, directory.KeyActive)); n != 2 {
		t.Errorf("%d keys sign", n)
	}
}

// Without a DNS to see, nothing is activated, and nothing breaks.
func TestKeysWithoutDNS(t *testing.T) {
	w := newKeyWorld(t, 30*24*time.Hour)
	w.published = publication(config.DNS{}, World{})
	if w.published != nil {
		t.Fatal("the DNS can be seen")
	}
	w.pass(t, 0)
	w.pass(t, 100*24*time.Hour)
	if n := len(w.keys(t, directory.KeyPending)); n != 2 || w.log.Len() > 0 {
		t.Errorf("%d are pending\n%s", n, &w.log)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.look(ctx)
	if s := fmt.Sprint(w.keys(t)); strings.Contains(s, "PRIVATE") {
		t.Error(s)
	}
}
