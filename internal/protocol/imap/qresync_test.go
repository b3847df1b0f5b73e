package imap

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// cached is what a client has kept of a mailbox while it was away.
type cached struct {
	flags  map[string]string // by UID
	modseq string
}

var (
	vanishedLine = regexp.MustCompile(`^\* VANISHED (?:\(EARLIER\) )?([0-9:,]+)$`)
	modseqItem   = regexp.MustCompile(`MODSEQ \((\d+)\)`)
	highestCode  = regexp.MustCompile(`\[HIGHESTMODSEQ (\d+)\]`)
	validityCode = regexp.MustCompile(`\[UIDVALIDITY (\d+)\]`)
)

// take brings what a client knows up to what it is told by one command (RFC 7162 §6).
func (c *cached) take(lines []string) {
	told, highest := "", 0
	for _, l := range lines {
		if m := vanishedLine.FindStringSubmatch(l); m != nil {
			for uid := range uidsOf(m[1]) {
				delete(c.flags, uid)
			}
			continue
		}
		uid, flags := uidItem.FindStringSubmatch(l), flagItem.FindStringSubmatch(l)
		if uid != nil && flags != nil {
			c.flags[uid[1]] = sortedFlags(flags[1])
		}
		if m := highestCode.FindStringSubmatch(l); m != nil {
			told = m[1]
		}
		if m := modseqItem.FindStringSubmatch(l); m != nil {
			n, _ := strconv.Atoi(m[1])
			highest = max(highest, n)
		}
	}
	if now, _ := strconv.Atoi(c.modseq); told == "" && highest > now {
		told = strconv.Itoa(highest)
	}
	c.modseq = cmp.Or(told, c.modseq)
}

// A client that comes back, after whatever others have done, knows by QRESYNC alone what a new one finds.
func TestResync(t *testing.T) {
	w := newWorld(t)
	box := 0
	away, busy := w.user("ann"), &picture{client: w.user("ann")}
	away.ok("ENABLE QRESYNC")
	rapid.Check(t, func(rt *rapid.T) {
		box++
		name := fmt.Sprintf("box%d", box)
		away.ok("CREATE " + name)
		busy.t, busy.msgs = rt, nil
		busy.run("SELECT " + name)
		known, validity := &cached{flags: map[string]string{}}, ""
		opened := away.ok("EXAMINE " + name)
		known.take(opened)
		validity = validityOf(opened)
		away.ok("UNSELECT")
		for range rapid.IntRange(1, 5).Draw(rt, "visits") {
			for range rapid.IntRange(0, 10).Draw(rt, "steps") {
				busy.step(rt, name)
				busy.learn()
			}
			sample := ""
			if n := len(known.flags); n > 0 && rapid.Bool().Draw(rt, "sample") {
				sample = fmt.Sprintf(" 1:999999 (%d %d)", 1, 1)
			}
			known.take(away.ok(fmt.Sprintf("EXAMINE %s (QRESYNC (%s %s%s))", name, validity, known.modseq, sample)))
			fresh := &cached{flags: map[string]string{}}
			if n := len(busy.msgs); n > 0 {
				fresh.take(away.ok("UID FETCH 1:* (FLAGS)"))
			}
			if diff := gocmp.Diff(fresh.flags, known.flags); diff != "" {
				rt.Fatalf("knows something else (+):\n%s", diff)
			}
			away.ok("UNSELECT")
		}
		busy.ok("UNSELECT")
		busy.ok("DELETE " + name)
	})
}

// A client that stays, with QRESYNC enabled, can go away after any command: what it has been told, and the change number
// that it may believe in then, are enough to come back.
func TestHighestModSeqIsTrue(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "box", 3, 0)
	stays, busy, back := w.user("ann"), &picture{client: w.user("ann"), t: failing{t}}, w.user("ann")
	stays.ok("ENABLE QRESYNC")
	back.ok("ENABLE QRESYNC")
	known := &cached{flags: map[string]string{}}
	opened := stays.ok("SELECT box")
	known.take(opened)
	known.take(stays.ok("UID FETCH 1:* (FLAGS)"))
	busy.run("SELECT box")
	for i := range 60 {
		n := 1 + i%max(1, len(busy.msgs))
		switch i % 6 {
		case 0, 3:
			busy.run("APPEND box {8+}\r\nA: b\r\n\r\n")
		case 1:
			busy.run(fmt.Sprintf("STORE %d +FLAGS.SILENT (\\Deleted $%d)", n, i))
		case 2:
			busy.run("EXPUNGE")
		default:
			busy.run(fmt.Sprintf("STORE %d FLAGS.SILENT (\\Flagged)", n))
		}
		command := "NOOP"
		if i%4 != 0 && len(known.flags) > 0 {
			command = "STORE 1 +FLAGS ($x" + strconv.Itoa(i) + ")"
		}
		lines, done := stays.do(command)
		known.take(append(lines, done))
		known.take(stays.ok(fmt.Sprintf("UID FETCH %d:* (FLAGS)", known.next())))
		later := &cached{flags: maps.Clone(known.flags)}
		later.take(back.ok("EXAMINE box (QRESYNC (" + validityOf(opened) + " " + known.modseq + "))"))
		fresh := &cached{flags: map[string]string{}}
		fresh.take(back.ok("UID FETCH 1:* (FLAGS)"))
		if diff := gocmp.Diff(fresh.flags, later.flags); diff != "" {
			t.Fatalf("step %d: knows something else (+):\n%s", i, diff)
		}
	}
}

// uidsOf gives the UIDs of a set.
func uidsOf(set string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for r := range strings.SplitSeq(set, ",") {
			lo, hi, _ := strings.Cut(r, ":")
			from, _ := strconv.Atoi(lo)
			to, _ := strconv.Atoi(cmp.Or(hi, lo))
			for uid := from; uid <= to; uid++ {
				if !yield(strconv.Itoa(uid)) {
					return
				}
			}
		}
	}
}

// TestHighestModSeqIsTrueAlways is TestHighestModSeqIsTrue with any commands from both sides.
func TestHighestModSeqIsTrueAlways(t *testing.T) {
	w := newWorld(t)
	stays, busy, back := w.user("ann"), &picture{client: w.user("ann")}, w.user("ann")
	stays.ok("ENABLE QRESYNC")
	back.ok("ENABLE QRESYNC")
	box := 0
	rapid.Check(t, func(rt *rapid.T) {
		box++
		name := fmt.Sprintf("box%d", box)
		back.ok("CREATE " + name)
		busy.t, busy.msgs = rt, nil
		busy.run("SELECT " + name)
		known := &cached{flags: map[string]string{}}
		opened := stays.ok("SELECT " + name)
		known.take(opened)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			for range rapid.IntRange(0, 3).Draw(rt, "others") {
				busy.step(rt, name)
				busy.learn()
			}
			n := rapid.IntRange(1, 1+len(known.flags)).Draw(rt, "n")
			command := rapid.SampledFrom([]string{
				"NOOP", "STORE %d +FLAGS (\\Deleted)", "STORE %d FLAGS ($x)", "UID STORE 1:* -FLAGS ($a)", "EXPUNGE", "UID EXPUNGE 1:*",
				"FETCH %d BODY[TEXT]", "FETCH %d (FLAGS MODSEQ)", "UID FETCH 1:* (FLAGS MODSEQ)", "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 3 VANISHED)",
				"COPY %d " + name, "MOVE %d " + name, "SEARCH MODSEQ 1", "UID SEARCH 1:*", "APPEND " + name + " (\\Seen) {8+}\r\nA: b\r\n\r\n",
				"STORE 1:* (UNCHANGEDSINCE 9) +FLAGS (\\Answered)",
			}).Draw(rt, "command")
			if strings.Contains(command, "%") {
				command = fmt.Sprintf(command, n)
			}
			lines, done := stays.do(command)
			known.take(append(lines, done))
			for range 2 { // the first may bring news of more
				known.take(stays.ok(fmt.Sprintf("UID FETCH %d:* (FLAGS)", known.next())))
			}
			later := &cached{flags: maps.Clone(known.flags)}
			later.take(back.ok(fmt.Sprintf("EXAMINE %s (QRESYNC (%s %s))", name, validityOf(opened), known.modseq)))
			fresh := &cached{flags: map[string]string{}}
			if len(later.flags) > 0 {
				fresh.take(back.ok("UID FETCH 1:* (FLAGS)"))
			}
			if diff := gocmp.Diff(fresh.flags, later.flags); diff != "" {
				rt.Fatalf("after %s (%q %s): knows something else (+):\n%s", command, lines, done, diff)
			}
		}
		stays.ok("UNSELECT")
		busy.ok("UNSELECT")
		back.ok("UNSELECT")
		back.ok("DELETE " + name)
	})
}

// next is the first UID that the client has not seen.
func (c *cached) next() int {
	last := 0
	for uid := range c.flags {
		n, _ := strconv.Atoi(uid)
		last = max(last, n)
	}
	return last + 1
}

// validityOf finds UIDVALIDITY in what SELECT tells.
func validityOf(lines []string) string {
	m := validityCode.FindStringSubmatch(strings.Join(lines, " "))
	return m[1]
}

// The change log has forgotten: all that is missing has vanished, but for what the client's numbers prove it to know
// (RFC 7162 §3.2.5.2, §3.2.6).
func TestResyncFromBeforeTheLog(t *testing.T) {
	now := testTime
	w := newWorldAt(t, func() time.Time { return now })
	w.fill(t, "box", 9, 0)
	c := w.user("ann")
	c.ok("ENABLE QRESYNC")
	c.ok("SELECT box")
	c.ok("STORE 2,5:6,8 +FLAGS.SILENT (\\Deleted)")
	c.ok("EXPUNGE")
	now = now.Add(100 * 24 * time.Hour)
	must(t, w.store.Tidy(t.Context(), w.accounts["ann"]))
	since := w.open("ann").State().Floor - 1
	validity := validityOf(c.ok("SELECT box"))
	for _, tt := range []struct{ more, want string }{
		{"", "* VANISHED (EARLIER) 2,5:6,8"},
		{" 3:5", "* VANISHED (EARLIER) 5"},
		{" 1:9 (1,2 1,3)", "* VANISHED (EARLIER) 5:6,8"},
		{" (1:3,4 1,3,4,7)", "* VANISHED (EARLIER) 8"},
		{" (1:3,7 1,3,4,7)", "* VANISHED (EARLIER) 5:6,8"},
		{" (1:100 1,3:4,7,9:104)", ""},
	} {
		got := ""
		for _, l := range c.ok(fmt.Sprintf("SELECT box (QRESYNC (%s %d%s))", validity, since, tt.more)) {
			if vanishedLine.MatchString(l) {
				got += l
			}
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.more, got, tt.want)
		}
	}
}
