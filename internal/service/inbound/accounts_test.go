package inbound

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

var ann = ident.Identity{Account: 7, Login: "ann@example.org"}

// accounts are Accounts in a world of their own.
func accounts(t testing.TB, l AccountLimits) (*Accounts, *world) {
	w := newWorld(t, Options{})
	return NewAccounts(AccountOptions{DB: w.db, Limits: l, Now: w.now}), w
}

// send sends a message to n people, the first of whom has the number from.
func send(t testing.TB, a *Accounts, from, n int) error {
	t.Helper()
	s := a.Begin(ann)
	if err := s.Mail(t.Context(), "ann@example.org"); err != nil {
		return err
	}
	for i := range n {
		if err := s.Found(t.Context(), fmt.Sprintf("p%d@example.net", from+i), true); err != nil {
			return err
		}
	}
	return nil
}

// TestAccountLimits: each limit holds at its number, and what is sent counts for as long as it should.
func TestAccountLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits AccountLimits
		send   func(*Accounts, int) error // the n-th message
		most   int
		text   string
		again  time.Duration
	}{
		"messages an hour":       {AccountLimits{MessagesPerHour: 3}, func(a *Accounts, n int) error { return send(t, a, 0, 2) }, 3, "Too many messages in an hour, try again later", time.Hour},
		"messages a day":         {AccountLimits{MessagesPerDay: 3}, func(a *Accounts, n int) error { return send(t, a, 0, 2) }, 3, "Too many messages in a day, try again later", 24 * time.Hour},
		"recipients an hour":     {AccountLimits{RecipientsPerHour: 8}, func(a *Accounts, n int) error { return send(t, a, 0, 2) }, 4, "Too many recipients in an hour, try again later", time.Hour},
		"recipients a day":       {AccountLimits{RecipientsPerDay: 8}, func(a *Accounts, n int) error { return send(t, a, 0, 2) }, 4, "Too many recipients in a day, try again later", 24 * time.Hour},
		"new recipients":         {AccountLimits{NewRecipientsPerDay: 8}, func(a *Accounts, n int) error { return send(t, a, 2*n, 2) }, 4, "Too many recipients in a day that it had not written to before, try again later", 24 * time.Hour},
		"old recipients are not": {AccountLimits{NewRecipientsPerDay: 2}, func(a *Accounts, n int) error { return send(t, a, 0, 2) }, 50, "", 0},
		"no limit":               {AccountLimits{-1, -1, -1, -1, -1, -1, -1}, func(a *Accounts, n int) error { return send(t, a, 20*n, 20) }, 50, "", 0},
		"the defaults":           {AccountLimits{}, func(a *Accounts, n int) error { return send(t, a, n, 2) }, 100, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			a, w := accounts(t, c.limits)
			for n := range c.most {
				if err := c.send(a, n); err != nil {
					t.Fatal(n, err)
				}
			}
			if c.text == "" {
				return
			}
			for range 3 {
				err := c.send(a, c.most)
				refused(t, err, AccountRate, 450)
				if got := RefusalOf(err).Text; got != c.text {
					t.Error(got)
				}
			}
			if s := a.Stats(); s.Limited != 1 || s.Refused[AccountRate] != 3 {
				t.Errorf("one notice a day: %+v", s)
			}
			b := NewAccounts(AccountOptions{DB: w.db, Limits: c.limits, Now: w.now})
			refused(t, c.send(b, c.most), AccountRate, 450) // after a restart
			w.advance(c.again)
			if err := c.send(a, c.most); err != nil {
				t.Error("later:", err)
			}
		})
	}
}

// TestAccountsAreApart: one's limit is nobody else's.
func TestAccountsAreApart(t *testing.T) {
	a, _ := accounts(t, AccountLimits{MessagesPerHour: 1})
	send(t, a, 0, 1)
	refused(t, send(t, a, 0, 1), AccountRate, 450)
	s := a.Begin(ident.Identity{Account: 8})
	if err := s.Mail(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// TestStolenAccount: whoever writes to addresses that don't exist is held until an administrator says otherwise.
func TestStolenAccount(t *testing.T) {
	a, w := accounts(t, AccountLimits{Refused: 10, RefusedPercent: 50})
	guess := func(n int) {
		t.Helper()
		s := a.Begin(ann)
		if err := s.Mail(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := s.Found(t.Context(), "nobody@example.org", false); err != nil {
				t.Fatal(err)
			}
		}
	}
	guess(9)
	if err := send(t, a, 0, 11); err != nil { // 9 refused of 20
		t.Fatal(err)
	}
	guess(1)
	if err := send(t, a, 0, 1); err != nil {
		t.Fatal("less than half:", err)
	}
	if err := a.Bounced(t.Context(), ann.Account, 2); err != nil {
		t.Fatal(err)
	}
	err := send(t, a, 0, 1)
	refused(t, err, AccountHeld, 450)
	w.advance(30 * 24 * time.Hour)
	refused(t, send(t, a, 0, 1), AccountHeld, 450)
	u, err := a.Show(t.Context(), ann.Account)
	if err != nil || u.Held.IsZero() || u.Reason != "12 of 22 recipients were refused" || u.MessagesDay != 0 || u.Limits.Refused != 10 {
		t.Errorf("%+v, %v", u, err)
	}
	if s := a.Stats(); s.Held != 1 || s.Refused[AccountHeld] != 2 {
		t.Errorf("%+v", s)
	}
	if err := a.Reset(t.Context(), ann.Account); err != nil {
		t.Fatal(err)
	}
	if err := send(t, a, 0, 1); err != nil {
		t.Error("after the release:", err)
	}
}

// TestAllRefusedElsewhere: recipients whom other servers refuse are counted once, so that their share can be the whole.
func TestAllRefusedElsewhere(t *testing.T) {
	a, _ := accounts(t, AccountLimits{Refused: 10, RefusedPercent: 90})
	if err := send(t, a, 0, 10); err != nil {
		t.Fatal(err)
	}
	if err := a.Bounced(t.Context(), ann.Account, 10); err != nil {
		t.Fatal(err)
	}
	refused(t, send(t, a, 0, 1), AccountHeld, 450)
	if u, err := a.Show(t.Context(), ann.Account); err != nil || u.Reason != "10 of 10 recipients were refused" {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestHeldInTheMiddle: the rest of a message that is under way isn't taken either.
func TestHeldInTheMiddle(t *testing.T) {
	a, _ := accounts(t, AccountLimits{Refused: 1, RefusedPercent: 1})
	s := a.Begin(ann)
	if err := s.Mail(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s.Found(t.Context(), "nobody@example.org", false)
	refused(t, s.Found(t.Context(), "bob@example.org", true), AccountHeld, 450)
}

func TestShow(t *testing.T) {
	a, w := accounts(t, AccountLimits{})
	send(t, a, 0, 3)
	w.advance(2 * time.Hour)
	send(t, a, 2, 2)
	u, err := a.Show(t.Context(), ann.Account)
	if err != nil || u.MessagesHour != 1 || u.MessagesDay != 2 || u.RecipientsHour != 2 || u.RecipientsDay != 5 || u.NewRecipientsDay != 4 || !u.Held.IsZero() || u.Limits.MessagesPerDay != 2000 {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := a.Show(t.Context(), 99); err != nil || u.MessagesDay != 0 {
		t.Errorf("an account that never sent: %+v, %v", u, err)
	}
}

// TestClockGoesBack: nothing is counted twice, and nothing breaks.
func TestClockGoesBack(t *testing.T) {
	a, w := accounts(t, AccountLimits{MessagesPerDay: 3})
	send(t, a, 0, 1)
	w.advance(-48 * time.Hour)
	send(t, a, 0, 1)
	if u, err := a.Show(t.Context(), ann.Account); err != nil || u.MessagesDay != 2 {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestTidyForgetsCorrespondents(t *testing.T) {
	a, w := accounts(t, AccountLimits{NewRecipientsPerDay: 4})
	send(t, a, 0, 3)
	w.advance(100 * 24 * time.Hour)
	send(t, a, 2, 2)
	w.advance(100 * 24 * time.Hour)
	if err := a.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := 0
	w.db.View(t.Context(), AccountPartition, func(r kv.Reader) error {
		for range r.Scan(all(keyTo)) {
			count++
		}
		c, err := load(r, ann.Account)
		if err != nil || c.known != 2 {
			t.Errorf("%+v, %v", c, err)
		}
		return nil
	})
	if count != 2 {
		t.Errorf("%d are known", count)
	}
}

func TestAccountRecord(t *testing.T) {
	a := account{hour: 500_000, known: 3, told: 499_990, held: time.Unix(1_800_000_000, 0), reason: "x"}
	a.slots[7] = tally{1, 2, 3, 400}
	got, err := decodeAccount(a.encode())
	if err != nil || got != a {
		t.Errorf("%+v, %v", got, err)
	}
	for _, b := range [][]byte{{}, {0}, {1}, {2}, a.encode()[:20]} {
		if _, err := decodeAccount(b); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func BenchmarkSending(b *testing.B) {
	a, _ := accounts(b, AccountLimits{-1, -1, -1, -1, -1, -1, -1})
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := send(b, a, n%1000, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// TestForget: an account that is removed leaves nothing behind, and its neighbours alone.
func TestForget(t *testing.T) {
	a, w := accounts(t, AccountLimits{})
	for _, id := range []ident.AccountID{6, 7, 8} {
		s := a.Begin(ident.Identity{Account: id})
		for n := range 3 {
			if err := s.Found(t.Context(), fmt.Sprint(n), true); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Forget(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	left := map[byte]int{}
	w.db.View(t.Context(), AccountPartition, func(r kv.Reader) error {
		for _, first := range []byte{keyAccount, keyTo} {
			for p := range r.Scan(all(first)) {
				left[p.Key[8]]++
			}
		}
		return nil
	})
	if len(left) != 2 || left[6] != 4 || left[8] != 4 {
		t.Error(left)
	}
}

// TestManyAtOnce: many connections of one account, counted to the last.
func TestManyAtOnce(t *testing.T) {
	a, _ := accounts(t, AccountLimits{MessagesPerHour: 100})
	var wg sync.WaitGroup
	var taken atomic.Int64
	for n := range 20 {
		wg.Go(func() {
			for k := range 10 {
				if send(t, a, 100*n+k, 1) == nil {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != 100 {
		t.Errorf("%d were taken", taken.Load())
	}
}

// TestDayMovesOn: what is over a day old doesn't count, hour by hour.
func TestDayMovesOn(t *testing.T) {
	a, w := accounts(t, AccountLimits{})
	for hour := range 60 {
		if err := send(t, a, 0, 1); err != nil {
			t.Fatal(err)
		}
		u, err := a.Show(t.Context(), ann.Account)
		if want := uint64(min(hour+1, 24)); err != nil || u.MessagesDay != want || u.MessagesHour != 1 {
			t.Fatalf("hour %d: %+v, %v", hour, u, err)
		}
		w.advance(time.Hour)
	}
	w.advance(22 * time.Hour)
	if u, err := a.Show(t.Context(), ann.Account); err != nil || u.MessagesDay != 1 {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestHoldOutlastsACrash: what was counted may be lost when power fails; that an account is held isn't.
func TestHoldOutlastsACrash(t *testing.T) {
	files := vfs.NewCrashableMem()
	db, err := pebble.Open("db", pebble.Options{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a := NewAccounts(AccountOptions{DB: db, Limits: AccountLimits{Refused: 1, RefusedPercent: 1}})
	if err := a.Bounced(t.Context(), ann.Account, 1); err != nil {
		t.Fatal(err)
	}
	after, err := pebble.Open("db", pebble.Options{FS: files.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if held, err := NewAccounts(AccountOptions{DB: after}).Held(t.Context()); err != nil || len(held) != 1 || held[0] != ann.Account {
		t.Errorf("%v, %v", held, err)
	}
}

// What an account's filter sends counts with what its owner does.
func TestFiltersCount(t *testing.T) {
	a, _ := accounts(t, AccountLimits{RecipientsPerHour: 4, MessagesPerHour: 3})
	check := func(want bool, to ...string) {
		t.Helper()
		if err := a.Count(t.Context(), ann, to); (err == nil) != want || err != nil && RefusalOf(err) == nil {
			t.Error(to, err)
		}
	}
	check(true, "x@a.example", "y@a.example")
	if err := send(t, a, 0, 1); err != nil {
		t.Fatal(err)
	}
	check(false, "x@a.example", "y@a.example")
	check(false, "z@a.example")
}
