package scan_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
)

// thinks is a scanner with an opinion.
type thinks func(ctx context.Context, m *scan.Message) (scan.Finding, error)

func (s thinks) Scan(ctx context.Context, m *scan.Message) (scan.Finding, error) { return s(ctx, m) }
func (s thinks) Ping(context.Context) (string, error)                            { return "thinker 1\n", nil }

func always(f scan.Finding) scan.Scanner {
	return thinks(func(context.Context, *scan.Message) (scan.Finding, error) { return f, nil })
}

// program obeys a finding.
func program(name string, f scan.Finding) scan.Program {
	return scan.Program{Name: name, Scanner: always(f), Most: scan.Reject, Virus: scan.Reject}
}

func report(t *testing.T, programs ...scan.Program) *scan.Report {
	t.Helper()
	return scan.New(programs, scan.Options{}).Scan(t.Context(), scantest.Message(100), nil)
}

// The most severe opinion counts, and of equals the first.
func TestWorstCounts(t *testing.T) {
	accept, junk := program("a", scan.Finding{}), program("b", scan.Finding{Action: scan.Junk, Scored: true, Score: 7.5, Required: 6})
	later, drop := program("c", scan.Finding{Action: scan.TempFail}), program("d", scan.Finding{Action: scan.Discard})
	hold, virus := program("e", scan.Finding{Action: scan.Quarantine, Reason: "odd"}), program("f", scan.Finding{Virus: "Eicar", Certainty: scan.Infected})
	for _, c := range []struct {
		programs []scan.Program
		want     scan.Action
		by       string
	}{
		{[]scan.Program{accept}, scan.Accept, "a"},
		{[]scan.Program{accept, junk}, scan.Junk, "b"},
		{[]scan.Program{later, junk}, scan.TempFail, "c"},
		{[]scan.Program{later, drop}, scan.Discard, "d"},
		{[]scan.Program{hold, drop}, scan.Quarantine, "e"},
		{[]scan.Program{hold, virus, accept}, scan.Reject, "f"},
	} {
		r := report(t, c.programs...)
		if got := r.Decision(); r.Action() != c.want || got.Scanner != c.by {
			t.Errorf("%v by %s, want %v by %s", r.Action(), got.Scanner, c.want, c.by)
		}
	}
	r := report(t, accept, junk, virus)
	if !r.Junk() || r.Virus() != scan.Infected || r.Summary() != "a=accept b=junk(7.5/6) f=virus(Eicar)" {
		t.Errorf("%v %v %s", r.Junk(), r.Virus(), r.Summary())
	}
	if share, ok := r.Score(); !ok || share != 1.25 {
		t.Errorf("score %v, %v", share, ok)
	}
	if code, status, text := reply(r); code != 550 || status != "5.7.1" || !strings.Contains(text, "Eicar") {
		t.Error(code, status, text)
	}
}

// One that breaks has given no answer, whichever it is, and the others count.
func TestBreaks(t *testing.T) {
	breaks := scan.Program{Name: "a", Scanner: thinks(func(context.Context, *scan.Message) (scan.Finding, error) { panic("oops") })}
	r := report(t, breaks, program("b", scan.Finding{Action: scan.Junk}), breaks)
	if r.Action() != scan.Junk || !r.Findings[0].Failed || !r.Findings[2].Failed {
		t.Errorf("%+v", r.Findings)
	}
	breaks.OnFailure = scan.TempFail
	r = report(t, breaks)
	if why := r.Decision(); r.Action() != scan.TempFail || strings.Contains(why.Why(), "oops") {
		t.Errorf("%+v", r.Findings)
	}
}

// The settings say how far a program is followed.
func TestFollow(t *testing.T) {
	for _, c := range []struct {
		virus, most scan.Action
		f           scan.Finding
		want        scan.Action
	}{
		{scan.Quarantine, scan.Reject, scan.Finding{Virus: "x", Action: scan.Reject}, scan.Quarantine},
		{scan.Accept, scan.Reject, scan.Finding{Virus: "x", Action: scan.Reject}, scan.Accept},
		{scan.Reject, scan.Junk, scan.Finding{Action: scan.Reject}, scan.Junk},
		{scan.Reject, scan.Junk, scan.Finding{Action: scan.Accept}, scan.Accept},
		{scan.Reject, scan.Accept, scan.Finding{Action: scan.Junk}, scan.Accept},
		{scan.Reject, scan.Accept, scan.Finding{Virus: "x"}, scan.Reject},
	} {
		r := report(t, scan.Program{Name: "p", Scanner: always(c.f), Virus: c.virus, Most: c.most})
		if r.Action() != c.want {
			t.Errorf("%+v: %v", c, r.Action())
		}
	}
}

// Each sees the mail that it is to see, of the size that it is to see.
func TestWhoSeesWhat(t *testing.T) {
	var seen atomic.Int32
	count := thinks(func(_ context.Context, m *scan.Message) (scan.Finding, error) {
		seen.Add(1)
		return scan.Finding{Certainty: scan.Clean}, nil
	})
	m := scantest.Message(100)
	set := scan.New([]scan.Program{{Name: "in", Scanner: count}, {Name: "out", Scanner: count, Outgoing: true}, {Name: "small", Scanner: count, Relayed: true, MaxSize: m.Size - 1}}, scan.Options{})
	for d, want := range map[scan.Direction]int32{scan.Incoming: 2, scan.Outgoing: 1, scan.Relayed: 0} {
		seen.Store(0)
		m.Direction = d
		r := set.Scan(t.Context(), m, nil)
		if seen.Load() != want || r.Action() != scan.Accept {
			t.Errorf("%v: %d saw it: %s", d, seen.Load(), r.Summary())
		}
		if !set.Wants(d) {
			t.Errorf("nobody wants %v", d)
		}
	}
	var none *scan.Set
	if none.Wants(scan.Incoming) || scan.New(nil, scan.Options{}) != nil || scan.New([]scan.Program{{Scanner: count}}, scan.Options{}).Wants(scan.Outgoing) {
		t.Error("somebody wants what nobody does")
	}
}

// A program that fails again and again is left alone for a while, so that mail needn't wait for it; then one message tries it.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, broken := 0, true
		s := thinks(func(ctx context.Context, _ *scan.Message) (scan.Finding, error) {
			asked++
			if broken {
				<-ctx.Done()
				return scan.Finding{}, ctx.Err()
			}
			return scan.Finding{}, nil
		})
		set := scan.New([]scan.Program{{Name: "p", Scanner: s, Timeout: 10 * time.Second, OnFailure: scan.TempFail, Most: scan.Reject}}, scan.Options{})
		scanOnce := func() (scan.Finding, time.Duration) {
			began := time.Now()
			r := set.Scan(t.Context(), scantest.Message(1), nil)
			return r.Findings[0], time.Since(began)
		}
		for i := range 5 {
			if f, took := scanOnce(); !f.Failed || took != 10*time.Second || f.Reason != "no answer in time" {
				t.Fatalf("%d: %+v after %v", i, f, took)
			}
		}
		for range 100 {
			if f, took := scanOnce(); f.Action != scan.TempFail || took != 0 || f.Reason != "out of order" {
				t.Fatalf("%+v after %v", f, took)
			}
		}
		if asked != 5 {
			t.Fatalf("asked %d times", asked)
		}
		time.Sleep(15 * time.Second)
		broken = false
		for range 3 {
			if f, _ := scanOnce(); f.Failed {
				t.Fatalf("%+v", f)
			}
		}
		if st := set.Stats()[0]; st.Failed != 105 || st.Actions[scan.Accept] != 3 || st.Took != 50*time.Second {
			t.Errorf("%+v", st)
		}
	})
}

// What a program can't digest keeps nobody's mail from being shown to it.
func TestIndigestible(t *testing.T) {
	s := thinks(func(_ context.Context, m *scan.Message) (scan.Finding, error) {
		if m.ID == "bad" {
			return scan.Finding{}, fault.New(fault.Unsupported, "can't read it")
		}
		return scan.Finding{Virus: "Eicar"}, nil
	})
	set := scan.New([]scan.Program{{Name: "p", Scanner: s, OnFailure: scan.Accept, Virus: scan.Reject}}, scan.Options{})
	bad := scantest.Message(1)
	bad.ID = "bad"
	for range 20 {
		if f := set.Scan(t.Context(), bad, nil).Findings[0]; !f.Failed || f.Action != scan.Accept || f.Reason != "can't read it" {
			t.Fatalf("%+v", f)
		}
	}
	if f := set.Scan(t.Context(), scantest.Message(1), nil).Findings[0]; f.Failed || f.Action != scan.Reject {
		t.Errorf("%+v", f)
	}
}

// No more questions are open at once than are allowed; who waits too long goes without.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, most atomic.Int32
		s := thinks(func(ctx context.Context, _ *scan.Message) (scan.Finding, error) {
			most.Store(max(most.Load(), open.Add(1)))
			defer open.Add(-1)
			time.Sleep(8 * time.Second)
			return scan.Finding{}, nil
		})
		set := scan.New([]scan.Program{{Name: "p", Scanner: s, AtOnce: 2, Timeout: 20 * time.Second}}, scan.Options{})
		busy := make(chan bool, 10)
		for range 10 {
			go func() { busy <- set.Scan(t.Context(), scantest.Message(1), nil).Findings[0].Reason == "busy" }()
		}
		late := 0
		for range 10 {
			if <-busy {
				late++
			}
		}
		if most.Load() != 2 || late != 4 {
			t.Errorf("%d at once, %d too late", most.Load(), late)
		}
	})
}

// What is broken off because nobody wants to know isn't the program's failure.
func TestBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := thinks(func(ctx context.Context, _ *scan.Message) (scan.Finding, error) {
		return scan.Finding{}, errors.New("x")
	})
	set := scan.New([]scan.Program{{Name: "p", Scanner: s, OnFailure: scan.TempFail}}, scan.Options{})
	for range 10 {
		if f := set.Scan(ctx, scantest.Message(1), nil).Findings[0]; f.Reason != "broken off" && f.Reason != "busy" {
			t.Fatalf("%+v", f)
		}
	}
}

// Nothing that a program says becomes more than one field, one line or one word.
func TestWhatProgramsSayIsCleaned(t *testing.T) {
	fields := []scan.Field{
		{"X-Spam", "yes\r\n\r\nBcc: all"}, {"X-A: b\r\nX-Q", "c"}, {"From", "<eve@x>"}, {"Return-Path", "<>"}, {"X-Postroad-Junk", "no; score=1"}, {"X-Long", strings.Repeat("word ", 3000)},
		{"X-Solid", strings.Repeat("w", 3000)}, {"", "x"}, {"X-Ümlaut", "x"}, {"X-Text", "grün"}, {"X-Bad", "\xff\x00\x1b"}, {"X-Folded", "a\n b\n\tc\n   \nd"}, {"X-Empty", ""},
	}
	r := report(t, program("q", scan.Finding{Fields: fields}), program("p", scan.Finding{Action: scan.Reject, Code: 250, Status: "2.0.0", Text: "bad\r\n250 Ok", Reason: "a\nb",
		Symbols: slices.Repeat([]scan.Symbol{{Name: "S\n", Score: 1}, {Name: "BIG", Score: -9}}, 80)}))
	f := r.Decision()
	if code, status, text := f.Reply(); code != 550 || status != "5.7.1" || text != "bad\n250 Ok" || f.Reason != "a b" {
		t.Error(code, status, text, f.Reason)
	}
	if len(f.Symbols) != scan.MaxSymbols || f.Symbols[0].Name != "BIG" || f.Symbols[99].Name != "S" {
		t.Errorf("%d symbols", len(f.Symbols))
	}
	got := r.Fields()
	for line := range strings.SplitAfterSeq(got, "\n") {
		if len(line) > 998 || line != "" && !strings.HasSuffix(line, "\r\n") || strings.TrimSpace(line) == "" && line != "" {
			t.Errorf("line %q", line)
		}
	}
	for _, want := range []string{"X-Spam: yes\r\n\tBcc: all\r\n", "X-Text: =?", "X-Bad: ???\r\n", "X-Folded: a\r\n b\r\n\tc\r\n\td\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, bad := range []string{"\nFrom", "X-Q", "Return-Path", "ostroad", "mlaut", "\nBcc"} {
		if strings.Contains("\n"+got, bad) {
			t.Errorf("%q in\n%s", bad, got)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add("X-Spam", "yes\r\nBcc: x")
	f.Fuzz(func(t *testing.T, name, value string) {
		got := scan.New([]scan.Program{program("p", scan.Finding{Fields: []scan.Field{{name, value}}})}, scan.Options{}).Scan(t.Context(), scantest.Message(1), nil).Fields()
		for i, line := range strings.Split(strings.TrimSuffix(got, "\r\n"), "\r\n") {
			if got != "" && (strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 || i > 0 && (line[0] != '\t' && line[0] != ' ' || strings.TrimSpace(line) == "")) {
				t.Errorf("%q: %q", value, line)
			}
		}
	})
}

func TestPing(t *testing.T) {
	p := scan.New([]scan.Program{program("a", scan.Finding{})}, scan.Options{}).Ping(t.Context())
	if len(p) != 1 || p[0].Name != "a" || p[0].Version != "thinker 1" || p[0].Err != nil {
		t.Errorf("%+v", p)
	}
}

func reply(r *scan.Report) (int, string, string) {
	f := r.Decision()
	return f.Reply()
}
