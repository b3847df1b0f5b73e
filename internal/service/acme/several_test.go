package acme

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/acme/acmetest"
)

// leading says which names lead here. It is safe for concurrent use.
type leading struct {
	mu   sync.Mutex
	away map[string]bool
}

func (l *leading) set(name string, away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away == nil {
		l.away = map[string]bool{}
	}
	l.away[name] = away
}

func (l *leading) reachable(_ context.Context, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away[name] {
		return fault.New(fault.Unavailable, "the DNS has no address of %s", name)
	}
	return nil
}

const sts = "mta-sts.example.test"

// One certificate is for several names: those that lead here, and the others once they do. A name that a name server doesn't know for a while
// isn't lost at a renewal; that of a name that is wanted no more is.
func TestSeveralNames(t *testing.T) {
	w := newWorld(t, acmetest.Options{Lifetime: 90 * 86400})
	var dns leading
	dns.set(sts, true)
	change := func(o *Options) { o.Reachable = dns.reachable }
	m := w.open(t, change)
	both := [][]string{{"MAIL.example.test", sts}}
	if !m.KeepSets(t.Context(), both) || m.KeepSets(t.Context(), both) {
		t.Error("whether the names are others isn't told")
	}
	look(t, m)
	first := w.verify(t, m, host)
	if m.Find(sts) != nil || !slices.Equal(first.DNSNames, []string{host}) {
		t.Errorf("%v", first.DNSNames)
	}
	if s := m.List()[0]; !slices.Equal(s.Names, []string{host, sts}) || !strings.Contains(s.Problem, "no address of "+sts) {
		t.Errorf("%+v", s)
	}
	dns.set(sts, false)
	w.clock.advance(growEvery - time.Minute)
	look(t, m)
	if !w.verify(t, m, host).Equal(first) {
		t.Error("another certificate too soon")
	}
	w.clock.advance(2 * time.Minute)
	look(t, m)
	second := w.verify(t, m, sts)
	if w.verify(t, m, host); !slices.Equal(second.DNSNames, []string{host, sts}) || string(second.RawSubjectPublicKeyInfo) != string(first.RawSubjectPublicKeyInfo) {
		t.Errorf("%v, or another key", second.DNSNames)
	}
	if s := m.List()[0]; s.Problem != "" {
		t.Error(s.Problem)
	}

	dns.set(sts, true)
	w.clock.advance(70 * 24 * time.Hour) // due; but a name would be lost
	look(t, m)
	if !w.verify(t, m, sts).Equal(second) {
		t.Error("a name was lost")
	}
	w.clock.advance(10 * 24 * time.Hour)
	look(t, m)
	if third := w.verify(t, m, host); third.Equal(second) || m.Find(sts) != nil && m.Find(sts).Leaf.Equal(third) {
		t.Errorf("not renewed at last: %v", third.DNSNames)
	}

	again := w.open(t, change)
	again.KeepSets(t.Context(), both)
	if c := again.Find(host); c == nil {
		t.Error("the stored certificate isn't used")
	}
	if err := again.Renew(t.Context(), sts, Renewal{}); err != nil {
		t.Errorf("by another of its names: %v", err)
	}
	if again.KeepSets(t.Context(), nil); again.Find(host) != nil || again.Find(sts) != nil {
		t.Error("a certificate is used that nobody wants")
	}
}

// A store of certificates for one name each goes on, and its keys too, when several get one together.
func TestSingleBecomesSeveral(t *testing.T) {
	w := newWorld(t, acmetest.Options{Lifetime: 90 * 86400})
	old := w.open(t, nil)
	old.Keep(t.Context(), []string{host, sts})
	look(t, old)
	first := w.verify(t, old, host)
	w.clock.advance(growEvery)
	m := w.open(t, nil)
	m.KeepSets(t.Context(), [][]string{{host, sts}})
	if !w.verify(t, m, host).Equal(first) {
		t.Error("the old certificate isn't used at once")
	}
	look(t, m)
	if c := w.verify(t, m, sts); string(c.RawSubjectPublicKeyInfo) != string(first.RawSubjectPublicKeyInfo) || len(c.DNSNames) != 2 {
		t.Errorf("%v, or another key", c.DNSNames)
	}
}

// A wildcard is got by DNS-01, without asking whether it leads here, and is good for one label; a certificate that names a host goes before it.
func TestWildcard(t *testing.T) {
	p := newPrimary(t, "example.test.")
	w := newWorld(t, acmetest.Options{DNS: p.addr, Lifetime: 90 * 86400})
	change := func(o *Options) {
		o.DNS01 = p.updater()
		o.Reachable = func(_ context.Context, name string) error {
			if strings.HasPrefix(name, "*") {
				t.Error("it was looked for")
			}
			return nil
		}
	}
	m := w.open(t, change)
	m.KeepSets(t.Context(), [][]string{{host}, {"*.example.test", "example.test"}})
	look(t, m)
	own, wild := w.verify(t, m, host), w.verify(t, m, "anything.example.test")
	if own.Equal(wild) || !slices.Equal(own.DNSNames, []string{host}) || !w.verify(t, m, "example.test").Equal(wild) {
		t.Errorf("%v, %v", own.DNSNames, wild.DNSNames)
	}
	for _, name := range []string{"a.b.example.test", "test", "", "*.test"} {
		if c := m.Find(name); c != nil {
			t.Errorf("%q: %v", name, c.Leaf.DNSNames)
		}
	}
	if len(p.records) > 0 {
		t.Errorf("left in the zone: %v", p.records)
	}
	again := w.open(t, change)
	again.KeepSets(t.Context(), [][]string{{"*.example.test", "example.test"}})
	if c := again.Find(host); c == nil || !c.Leaf.Equal(wild) {
		t.Error("the stored wildcard isn't used")
	}
	w.clock.advance(100 * 24 * time.Hour) // what is kept stays in the storage, though it has ended
	w.clock.advance(keepExpired)
	again.prune(t.Context())
	look(t, again)
	if c := again.Find(host); c == nil || c.Leaf.Equal(wild) || string(c.Leaf.RawSubjectPublicKeyInfo) != string(wild.RawSubjectPublicKeyInfo) {
		t.Error("not renewed, or with another key")
	}
}

func TestCovers(t *testing.T) {
	names := []string{"*.a.test", "B.test"}
	for host, want := range map[string][2]bool{"x.a.test": {true, false}, "X.A.test": {true, false}, "a.test": {}, "x.y.a.test": {}, "b.test": {true, true}, "*.a.test": {true, true}, "test": {}, "": {}} {
		if by, exact := covers(names, host); by != want[0] || exact != want[1] {
			t.Errorf("%q: %v %v", host, by, exact)
		}
	}
}
