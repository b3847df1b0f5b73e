package imap

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/model/mailbox"
)

// RFC 10022: the ranges hold as many messages each as was asked for, lie side by side and reach down to UID 1.
func TestUIDBatches(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "big", 1700, 0)
	c := w.user("ann")
	c.ok("SELECT big")
	c.ok("UID STORE 1:50,1000:1099 +FLAGS.SILENT (\\Deleted)")
	c.ok("EXPUNGE")
	for command, want := range map[string]string{
		"UIDBATCHES 500":            "1700:1201,1200:601,600:101,100:1",
		"UIDBATCHES 500 2:3":        "1200:601,600:101",
		"UIDBATCHES 500 2:4":        "1200:601,600:101,100:1",
		"UIDBATCHES 500 5:6":        "",
		"UIDBATCHES 1550":           "1700:1",
		"UIDBATCHES 1549":           "1700:52,51:1",
		"UIDBATCHES 4294967295":     "1700:1",
		"UIDBATCHES 500 4:99999999": "100:1",
	} {
		got := c.ok(command)
		if _, ranges, _ := strings.Cut(got[0], `")`); strings.TrimSpace(ranges) != want {
			t.Errorf("%s: %q, want %q", command, got[0], want)
		}
	}
}

// Who waits for long is told how far it is (RFC 9585), and nobody else.
func TestProgress(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Limits.Progress = time.Nanosecond })
	w.fill(t, "big", 2500, 0)
	s := w.bench("SELECT big")
	told := func(command string) []string {
		var out strings.Builder
		s.session.out.conn = &readConn{w: &out}
		s.do(t, command)
		return regexp.MustCompile(`\* OK \[INPROGRESS \("t" \d+ 2500\)\] .*\r\n`).FindAllString(out.String(), -1)
	}
	if got := told("SEARCH SUBJECT nothing"); len(got) != 2 || !strings.Contains(got[0], `("t" 1000 2500)`) || !strings.Contains(got[1], " 2000 ") {
		t.Errorf("%q", got)
	}
	if got := told("THREAD REFERENCES UTF-8 ALL"); len(got) != 2 {
		t.Errorf("%q", got)
	}
	if got := told("SEARCH SMALLER 5"); len(got) != 2 {
		t.Errorf("%q", got)
	}
	s.lim.Progress = time.Hour
	if got := told("SORT (SUBJECT) UTF-8 ALL"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// slots are those of some message IDs.
func slots(f *forest, ids ...string) (all []int32) {
	for _, id := range ids {
		all = append(all, f.slot(id, true))
	}
	return all
}

// aForest draws messages that refer to each other in any way.
func aForest(t *rapid.T) *forest {
	n := rapid.IntRange(1, 30).Draw(t, "messages")
	id := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, 35).Draw(t, "id")) })
	f := newForest(0)
	for i := range n {
		f.nodes = append(f.nodes, treeNode{
			number: uint32(i + 1), parent: -1,
			sent:     int64(rapid.IntRange(0, 10).Draw(t, "sent")),
			received: int64(rapid.IntRange(0, 10).Draw(t, "received")),
			subject:  rapid.SampledFrom([]string{"", "A", "B", "C"}).Draw(t, "subject"),
			reply:    rapid.Bool().Draw(t, "reply"),
			id:       f.slot(rapid.OneOf(rapid.Just(""), id).Draw(t, "id"), true),
			refs:     slots(f, rapid.SliceOfN(id, 0, 5).Draw(t, "refs")...),
		})
	}
	return f
}

// Whatever messages say of each other, each is in the answer once, and the answer is one that the syntax allows.
func TestThreadsHaveAllMessages(t *testing.T) {
	for name, arrange := range threadings {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				f := aForest(t)
				n := len(f.nodes)
				arrange(f)
				out := string(f.appendTo(nil))
				var got []int
				for _, m := range regexp.MustCompile(`\d+`).FindAllString(out, -1) {
					i, _ := strconv.Atoi(m)
					got = append(got, i)
				}
				slices.Sort(got)
				for i := range n {
					if len(got) != n || got[i] != i+1 {
						t.Fatalf("%d messages: %s", n, out)
					}
				}
				if rest := parseThreads(t, out); rest != "" {
					t.Fatalf("%q is left of %q", rest, out)
				}
			})
		})
	}
}

// parseThreads reads thread-lists (RFC 5256 §5) and returns what is left.
func parseThreads(t *rapid.T, s string) string {
	for strings.HasPrefix(s, "(") {
		s = s[1:]
		members := regexp.MustCompile(`^\d+( \d+)*`).FindString(s)
		s = s[len(members):]
		if members != "" && strings.HasPrefix(s, " ") {
			s = s[1:]
		}
		if nested := s; strings.HasPrefix(s, "(") {
			if s = parseThreads(t, s); strings.Count(nested[:len(nested)-len(s)], "(") < 2 {
				t.Fatalf("one thread alone is nested: %q", nested)
			}
		} else if members == "" {
			t.Fatalf("an empty thread: %q", s)
		}
		if !strings.HasPrefix(s, ")") {
			t.Fatalf("expected a closing parenthesis: %q", s)
		}
		s = s[1:]
	}
	return s
}

// A chain of answers without end is cut rather than walked again for each of them.
func TestLongThreads(t *testing.T) {
	f := newForest(0)
	for i := range 50_000 {
		f.nodes = append(f.nodes, treeNode{number: uint32(i + 1), parent: -1, id: f.slot(fmt.Sprint(i), true), refs: slots(f, fmt.Sprint(i-1))})
	}
	threadings["REFERENCES"](f)
	if out := f.appendTo(nil); strings.Count(string(out), " ")+strings.Count(string(out), ")") < 50_000 {
		t.Errorf("%d bytes", len(out))
	}
}

func TestNear(t *testing.T) {
	for _, tt := range []struct {
		a, b    string
		allowed int
		want    bool
	}{
		{"harbor", "harbour", 1, true}, {"harbor", "harbours", 1, false}, {"harbor", "harbours", 2, true}, {"abc", "abd", 1, true},
		{"", "a", 1, true}, {"", "ab", 1, false}, {"same", "same", 0, true}, {strings.Repeat("x", 64), strings.Repeat("x", 64), 0, true},
		{strings.Repeat("x", 65), strings.Repeat("x", 65), 0, false},
	} {
		if got := near([]byte(tt.a), []byte(tt.b), tt.allowed); got != tt.want {
			t.Errorf("%s, %s, %d: %v", tt.a, tt.b, tt.allowed, got)
		}
	}
}

// There is a limit to what may be kept up to date, and a context is always possible (RFC 5267 §4.3.1).
func TestTooManyContexts(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	for i := range maxContexts + 1 {
		lines := c.ok("SEARCH RETURN (UPDATE COUNT) SEEN")
		if refused := strings.HasPrefix(lines[len(lines)-1], "* NO [NOUPDATE "); refused != (i == maxContexts) {
			t.Errorf("%d: %q", i, lines)
		}
	}
	c.ok(`CANCELUPDATE "t3"`)
	if lines := c.ok("SEARCH RETURN (UPDATE COUNT) SEEN"); len(lines) != 1 {
		t.Errorf("%q", lines)
	}
}

// TestContextsAreTrue lets messages come and go at random: what a client makes of ADDTO and REMOVEFROM is what a new search
// finds.
func TestContextsAreTrue(t *testing.T) {
	w := newWorld(t)
	box := 0
	watcher, busy := w.user("ann"), &picture{client: w.user("ann")}
	rapid.Check(t, func(rt *rapid.T) {
		box++
		name := fmt.Sprintf("box%d", box)
		watcher.ok("CREATE " + name)
		watcher.ok("SELECT " + name)
		busy.t, busy.msgs = rt, nil
		busy.run("SELECT " + name)
		watcher.ok("UID SEARCH RETURN (UPDATE) NOT KEYWORD $a")
		search := fmt.Sprintf("t%d", watcher.tag)
		watcher.ok("UID SORT RETURN (UPDATE) (REVERSE SIZE) UTF-8 NOT FLAGGED")
		sort := fmt.Sprintf("t%d", watcher.tag)
		lists := map[string][]string{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			busy.step(rt, name)
			busy.learn()
			for _, l := range watcher.ok("NOOP") {
				applyUpdate(rt, lists, l)
			}
		}
		all := func(command string) []string {
			return strings.Fields(watcher.ok(command)[0])[2:]
		}
		slices.SortFunc(lists[search], func(a, b string) int { return numberOf(a) - numberOf(b) })
		if want := all("UID SEARCH NOT KEYWORD $a"); !slices.Equal(want, lists[search]) {
			rt.Fatalf("SEARCH finds %v, the client believes in %v", want, lists[search])
		}
		if want := all("UID SORT (REVERSE SIZE) UTF-8 NOT FLAGGED"); !slices.Equal(want, lists[sort]) {
			rt.Fatalf("SORT finds %v, the client believes in %v", want, lists[sort])
		}
		watcher.ok("UNSELECT")
		busy.ok("UNSELECT")
		busy.ok("DELETE " + name)
	})
}

func numberOf(s string) int { n, _ := strconv.Atoi(s); return n }

var (
	updateLine = regexp.MustCompile(`^\* ESEARCH \(TAG "(\w+)"\) UID(.*)$`)
	updateItem = regexp.MustCompile(`(ADDTO|REMOVEFROM) \(([^)]*)\)`)
)

// applyUpdate does to a client's lists what the server says.
func applyUpdate(t *rapid.T, lists map[string][]string, line string) {
	m := updateLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	list := lists[m[1]]
	for _, item := range updateItem.FindAllStringSubmatch(m[2], -1) {
		pairs := strings.Fields(item[2])
		for ; len(pairs) > 0; pairs = pairs[2:] {
			at := numberOf(pairs[0]) - 1
			for uid := range uidsOf(pairs[1]) {
				switch i := slices.Index(list, uid); {
				case item[1] == "REMOVEFROM" && (i < 0 || at >= 0 && at != i), item[1] == "ADDTO" && i >= 0:
					t.Fatalf("%q with %v", line, list)
				case item[1] == "REMOVEFROM":
					list = slices.Delete(list, i, i+1)
				case at < 0:
					list = append(list, uid)
				default:
					list = slices.Insert(list, at, uid)
					at++
				}
			}
		}
	}
	lists[m[1]] = list
}

// What may not be read isn't searched, and nobody learns that it is there (RFC 7377 §2.2).
func TestMultiSearchNeedsRights(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	w.deliver(s, inbox.ID, testMessage(1), 0)
	b := w.bench()
	b.mail = w.guest("bob", "ann", inbox.ID, mailbox.RightLookup)
	if n := b.do(t, "ESEARCH IN (personal) ALL"); n != int64(len("t OK searched\r\n")) {
		t.Errorf("%d bytes", n)
	}
}

func BenchmarkSort(b *testing.B) {
	w := newWorld(b)
	const n = 20_000
	w.fill(b, "big", n, 0)
	for _, c := range []struct{ name, command string }{
		{"arrival", "UID SORT (REVERSE ARRIVAL) UTF-8 ALL"},
		{"subject-date", "UID SORT (SUBJECT REVERSE DATE) UTF-8 ALL"},
		{"references", "UID THREAD REFERENCES UTF-8 ALL"},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := w.bench("SELECT big")
			b.ReportAllocs()
			for b.Loop() {
				s.do(b, c.command)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/msg")
		})
	}
}
