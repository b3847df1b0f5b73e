package auth

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
)

// house is an Engine with what it stands on: ann and bob have the password "secret", carl has none.
type house struct {
	*Engine
	dir *directory.Directory
	ann ident.AccountID
	mu  sync.Mutex
	now time.Time // guarded by mu
	log bytes.Buffer

	options Options
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func newHouse(t testing.TB) *house { return newHouseWith(t, directory.HashParams{}, Options{}) }

// newHouseWith has passwords kept, and mechanisms offered, as said.
func newHouseWith(t testing.TB, hash directory.HashParams, o Options) *house {
	t.Helper()
	h := &house{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	dir, db := directorytest.Open(t, directory.Options{Hash: hash, Now: h.clock}, "example.org")
	h.dir = dir
	made, err := h.dir.AddAccounts(t.Context(), []directory.NewAccount{{Address: "ann@example.org"}, {Address: "bob@example.org"}}, "secret")
	check(t, err)
	h.ann = made[0].ID
	_, err = h.dir.AddAccount(t.Context(), directory.NewAccount{Address: "carl@example.org"})
	check(t, err)
	level := slog.HandlerOptions{Level: slog.LevelDebug}
	o.Now, o.Logger, o.DB = h.clock, slog.New(slog.NewTextHandler(&h.log, &level)), db
	h.options = o
	h.Engine = New(h.dir, o)
	check(t, h.Load(t.Context()))
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t testing.TB, err error, k fault.Kind) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("got %v, want a failure of kind %v", err, k)
	}
}

// from is a peer at an address, that may show passwords.
func from(addr string) Peer {
	return Peer{Addr: netip.MustParseAddr(addr), Protocol: "test", PlainAllowed: true}
}

var home = from("192.0.2.1")

func TestLogin(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	who, err := h.Login(ctx, home, "ANN@example.org", "secret")
	check(t, err)
	if who.Account != h.ann || who.Login != "ann@example.org" {
		t.Errorf("signed in as %+v", who)
	}
	for _, c := range [][2]string{
		{"ann@example.org", "wrong"}, {"ann@example.org", ""}, {"nobody@example.org", "secret"}, {"carl@example.org", ""},
		{"carl@example.org", "secret"}, {"ann@", "secret"}, {"", ""}, {"ann@example.org\x00", "secret"}, {"\xff", "\xff"},
		{strings.Repeat("a", 100_000), "secret"}, {"bob@example.org", strings.Repeat("a", 100_000)},
	} {
		who, err := h.Login(ctx, home, c[0], c[1])
		fails(t, err, fault.Unauthenticated)
		if fault.TextOf(err) != "wrong name or password" || who.Account != 0 {
			t.Errorf("%.30q: %v, %+v", c, err, who)
		}
	}
	_, err = h.Login(ctx, Peer{Addr: home.Addr}, "ann@example.org", "secret")
	fails(t, err, fault.Denied)
}

// Whether there is such a name doesn't show in what is computed: one hash in each case.
func TestNamesCostTheSame(t *testing.T) {
	h := newHouse(t)
	for _, login := range []string{"ann@example.org", "nobody@example.org", "carl@example.org", "no address", "x@elsewhere.example"} {
		before := h.dir.Hashes()
		_, err := h.Login(t.Context(), home, login, "wrong")
		fails(t, err, fault.Unauthenticated)
		if n := h.dir.Hashes() - before; n != 1 {
			t.Errorf("%s: %d hashes", login, n)
		}
	}
	for _, login := range []string{"ann@example.org", "nobody@example.org", "carl@example.org", "x@elsewhere.example"} { // at our pages, and by SASL
		before := h.dir.Hashes()
		_, err := h.Enter(t.Context(), from("198.51.100.9"), ByHand{Login: login, Password: "wrong"})
		fails(t, err, fault.Unauthenticated)
		x, err := h.Start(from("198.51.100.9"), "PLAIN")
		check(t, err)
		_, _, err = x.Next(t.Context(), []byte("\x00"+login+"\x00wrong"))
		fails(t, err, fault.Unauthenticated)
		if n := h.dir.Hashes() - before; n != 2 {
			t.Errorf("%s: %d hashes", login, n)
		}
	}
	before := h.dir.Hashes()
	for range 10 { // and those who are refused cost none
		h.Login(t.Context(), home, "ann@example.org", "wrong")
	}
	if n := h.dir.Hashes() - before; n != pairFree-1 {
		t.Errorf("%d hashes", n)
	}
}

func TestLogHoldsNoSecrets(t *testing.T) {
	h := newHouse(t)
	h.Login(t.Context(), home, "ann@example.org", "secret")
	h.Login(t.Context(), home, "bob@example.org", "hunter2")
	got := h.log.String()
	for _, want := range []string{
		`level=INFO msg=sign-in protocol=test client=192.0.2.1 login=ann@example.org mechanism=password tls=false account=1 with=password`,
		`level=WARN msg="sign-in failed" protocol=test client=192.0.2.1 login=bob@example.org mechanism=password tls=false`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "hunter2") {
		t.Errorf("a password is in the log:\n%s", got)
	}
}

func TestVerifiedPasswordsAreRemembered(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	login := func(want uint64) {
		t.Helper()
		if _, err := h.Login(ctx, home, "ann@example.org", "secret"); err != nil {
			t.Fatal(err)
		}
		if got := h.Stats().Remembered; got != want {
			t.Errorf("%d sign-ins were remembered, want %d", got, want)
		}
	}
	login(0)
	login(1)
	h.pass(5*time.Minute - time.Second)
	login(2)
	h.pass(time.Second)
	login(2)
	check(t, h.dir.SetPassword(ctx, h.ann, "other"))
	_, err := h.Login(ctx, home, "ann@example.org", "secret")
	fails(t, err, fault.Unauthenticated)
	check(t, h.dir.SetPassword(ctx, h.ann, "secret"))
	login(2) // the same words, but another password
	login(3)
}

func TestDisabledAccounts(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	_, err := h.Login(ctx, home, "ann@example.org", "secret")
	check(t, err)
	check(t, h.dir.SetEnabled(ctx, h.ann, false))
	for range 2 {
		_, err = h.Login(ctx, home, "ann@example.org", "secret")
		fails(t, err, fault.Denied)
	}
	_, err = h.Login(ctx, home, "ann@example.org", "wrong")
	fails(t, err, fault.Unauthenticated) // strangers don't learn that it is disabled
}

func TestGuessersAreSlowedDown(t *testing.T) {
	for _, login := range []string{"ann@example.org", "nobody@example.org"} {
		h := newHouse(t)
		ctx := t.Context()
		for i := range pairFree {
			_, err := h.Login(ctx, home, login, fmt.Sprint(i))
			fails(t, err, fault.Unauthenticated)
		}
		_, err := h.Login(ctx, home, strings.ToUpper(login), "secret")
		fails(t, err, fault.RateLimited)
		// The door opens again, and closes for longer after the next failure.
		for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			h.pass(wait - 1)
			_, err = h.Login(ctx, home, login, "x")
			fails(t, err, fault.RateLimited)
			h.pass(1)
			_, err = h.Login(ctx, home, login, "x")
			fails(t, err, fault.Unauthenticated)
		}
		for range 20 { // never for longer than pairMax
			h.pass(pairMax)
			_, err = h.Login(ctx, home, login, "x")
			fails(t, err, fault.Unauthenticated)
		}
	}
}

// A detail makes no new name of it: else each would bring free guesses.
func TestDetailsWinNoGuesses(t *testing.T) {
	h := newHouse(t)
	for i := range pairFree {
		_, err := h.Login(t.Context(), home, fmt.Sprintf("ann+%d@example.org", i), "wrong")
		fails(t, err, fault.Unauthenticated)
	}
	_, err := h.Login(t.Context(), home, "ann+new@example.org", "secret")
	fails(t, err, fault.RateLimited)
}

func TestStrangersLockNobodyOut(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	for range 10 * hostFree {
		h.Login(ctx, from("198.51.100.7"), "ann@example.org", "x")
	}
	for i := range 2 * hostFree {
		h.Login(ctx, from("2001:db8::1"), fmt.Sprintf("u%d@example.org", i), "x")
	}
	_, err := h.Login(ctx, from("2001:db8::2:1"), "bob@example.org", "secret")
	fails(t, err, fault.RateLimited) // the same /64
	for _, elsewhere := range []string{"198.51.100.8", "2001:db8:0:1::1", "127.0.0.1"} {
		_, err := h.Login(ctx, from(elsewhere), "ann@example.org", "secret")
		check(t, err)
	}
	_, err = h.Login(ctx, from("::ffff:198.51.100.7"), "ann@example.org", "secret")
	fails(t, err, fault.RateLimited) // the same client by another spelling
}

// Guesses at one name from all over close no door, but each new address is worth one guess, and somebody is told.
func TestGuessesFromManyAddresses(t *testing.T) {
	for _, login := range []string{"ann@example.org", "nobody@example.org"} {
		h := newHouse(t)
		ctx := t.Context()
		guesses := func(i int) {
			for range 3 * pairFree {
				h.Login(ctx, from(fmt.Sprintf("198.51.%d.%d", i/250, i%250)), login, "guess")
			}
		}
		for i := range namePace / pairFree {
			guesses(i)
		}
		before := h.Stats()
		if before.Failures != namePace || before.Attacked != 1 || !strings.Contains(h.log.String(), "from many addresses") {
			t.Errorf("%+v", before)
		}
		for i := range 400 {
			guesses(1000 + i)
		}
		if n := h.Stats().Failures - before.Failures; n != 400 {
			t.Errorf("%d guesses were looked at", n)
		}
		if h.Stats().Attacked != 1 {
			t.Error("it is told again and again")
		}
		if login == "ann@example.org" {
			_, err := h.Login(ctx, home, login, "typo") // she is away from home
			fails(t, err, fault.Unauthenticated)
			h.pass(time.Second)
			_, err = h.Login(ctx, home, login, "secret")
			check(t, err)
		}
		h.pass(2 * time.Hour) // they have given up
		for range pairFree {
			_, err := h.Login(ctx, from("192.0.2.200"), login, "typo")
			fails(t, err, fault.Unauthenticated)
		}
	}
}

// A colleague behind the same address goes on working while somebody guesses there.
func TestKnownPasswordsPassABusyHost(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	_, err := h.Login(ctx, home, "ann@example.org", "secret")
	check(t, err)
	for i := range hostFree {
		h.Login(ctx, home, fmt.Sprintf("u%d@example.org", i), "x")
	}
	_, err = h.Login(ctx, home, "bob@example.org", "secret")
	fails(t, err, fault.RateLimited)
	_, err = h.Login(ctx, home, "ann@example.org", "secret")
	check(t, err)
}

func TestSuccessForgivesSlips(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	for range 3 * pairFree {
		h.Login(ctx, home, "ann@example.org", "typo")
		_, err := h.Login(ctx, home, "ann@example.org", "secret")
		check(t, err)
	}
	for range 3 * pairFree { // old failures are forgiven
		_, err := h.Login(ctx, home, "bob@example.org", "typo")
		fails(t, err, fault.Unauthenticated)
		h.pass(pairForgive)
	}
	_, err := h.Login(ctx, home, "bob@example.org", "secret")
	check(t, err)
}

// Many share an address: their slips now and then don't add up. One who guesses fast there gets the
// pace of hostForgive.
func TestSharedAddresses(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	for i := range 5 * hostFree {
		_, err := h.Login(ctx, home, fmt.Sprintf("u%d@example.org", i), "typo")
		fails(t, err, fault.Unauthenticated)
		h.pass(hostForgive)
	}
	tried, seen := 3600, 0
	for i := range tried { // an hour of guessing
		if _, err := h.Login(ctx, home, fmt.Sprintf("v%d@example.org", i), "guess"); fault.Is(err, fault.Unauthenticated) {
			seen++
		}
		h.pass(time.Second)
	}
	if most := hostFree + 3600/6 + 5; seen > most || seen < hostFree {
		t.Errorf("%d of %d guesses were looked at, want %d at most", seen, tried, most)
	}
}

func TestParallelGuessesWinNothing(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	for i := range 8 * pairFree {
		wg.Go(func() { h.Login(t.Context(), home, "ann@example.org", fmt.Sprint(i)) })
	}
	wg.Wait()
	if got := h.Stats(); got.Failures != pairFree || got.Limited != 7*pairFree {
		t.Errorf("%+v: %d guesses were looked at, want %d", got, got.Failures, pairFree)
	}
	if len(h.throttle.busy) > 0 {
		t.Error("turns are left over")
	}
}

func TestParallelConnectionsCostOneHash(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := h.Login(t.Context(), home, "ann@example.org", "secret"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := h.Stats(); got.SignIns != 50 || got.Remembered != 49 {
		t.Errorf("%+v", got)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	h := newHouse(t)
	k, err := h.keyOf(t.Context(), &attempt{peer: home, login: "ann@example.org"})
	check(t, err)
	leave, err := h.throttle.enter(t.Context(), k)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Login(ctx, home, "ann@example.org", "secret")
	fails(t, err, fault.Canceled)
	leave()
	_, err = h.Login(t.Context(), home, "ann@example.org", "secret")
	check(t, err)
}

func TestTablesAreBounded(t *testing.T) {
	th := newThrottle()
	now := time.Unix(0, 0)
	name := func(i int) key { return key{pair: pair(fmt.Appendf(nil, "%016d", i))} }
	first := name(-1)
	for range pairFree {
		th.failed(first, pair{}, now)
	}
	for i := range 3*maxCounters + 10 {
		th.failed(name(i), pair{}, now)
		if i == maxCounters+1 && !th.pairBlocked(first, now) {
			t.Error("the counter was forgotten too early")
		}
	}
	if n := len(th.pairs.young) + len(th.pairs.old); n > 2*maxCounters {
		t.Errorf("%d counters", n)
	}
	kn := newKnown(time.Minute, bytes.NewReader(make([]byte, 32)))
	p := &directory.Profile{Credential: &directory.Credential{}}
	for i := range 3 * maxKnown {
		kn.add(p, fmt.Sprint(i), now)
	}
	if n := len(kn.young) + len(kn.old); n > 2*maxKnown {
		t.Errorf("%d passwords", n)
	}
	if !kn.has(p, fmt.Sprint(3*maxKnown-1), now) || kn.has(p, "0", now) {
		t.Error("the wrong ones are remembered")
	}
}

func TestMechanisms(t *testing.T) {
	h := newHouse(t)
	conn := newTLS(t)
	for _, c := range []struct {
		peer Peer
		want []string
	}{
		{Peer{}, []string{"SCRAM-SHA-256"}},
		{Peer{PlainAllowed: true}, []string{"SCRAM-SHA-256", "PLAIN", "LOGIN"}},
		{Peer{TLS: &conn.server}, []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"}},
	} {
		if got := h.Mechanisms(c.peer); !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
	for _, name := range []string{"", "X", "PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"} {
		_, err := h.Start(Peer{}, name)
		fails(t, err, fault.Unsupported)
	}
	_, err := h.Start(Peer{}, "scram-sha-256")
	check(t, err)
}

func BenchmarkLoginRemembered(b *testing.B) {
	h := newHouse(b)
	h.Engine.log = slog.New(slog.DiscardHandler)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Login(ctx, home, "ann@example.org", "secret"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoginRefused(b *testing.B) {
	h := newHouse(b)
	h.Engine.log = slog.New(slog.DiscardHandler)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		h.Login(ctx, home, "ann@example.org", "wrong")
	}
}
