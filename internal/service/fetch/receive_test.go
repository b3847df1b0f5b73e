package fetch

import (
	"context"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// checker is a Receiver that writes something in front of messages.
type checker struct {
	w      *world
	broken error           // Ready's
	fate   map[int]Taken   // of the messages with these numbers, instead
	ids    map[string]bool // of letters
	count  int
	panics bool
}

const checkedField = "X-Checked: yes\r\n"

func (c *checker) Ready() error                     { return c.broken }
func (c *checker) Clean(w io.Writer) io.WriteCloser { return unclosed{w} }

func (c *checker) Take(ctx context.Context, src *Source, letters []Letter) []Taken {
	if c.panics {
		panic("a message that nobody has thought of")
	}
	out := make([]Taken, len(letters))
	s := c.w.session()
	for i, l := range letters {
		c.count++
		c.ids[l.ID] = true
		if t, ok := c.fate[c.count]; ok {
			out[i] = t
			continue
		}
		item := l.Item
		item.Content = item.Content.Prefixed([]byte(checkedField))
		done, err := s.Append(context.WithoutCancel(ctx), l.Folder, item)
		if out[i].Err = err; err == nil {
			out[i].Items = []mailbox.ItemID{done[0].ID}
		}
	}
	return out
}

// both runs a test with messages as they come, and with a Receiver that changes them.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("as they come", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("checked", func(t *testing.T) {
		w := newWorld(t)
		w.check()
		test(t, w)
	})
}

func (w *world) check() *checker {
	c := &checker{w: w, ids: map[string]bool{}}
	w.receiver = c
	w.restart()
	return c
}

// What breaks at a message is a failure of its source, and not the end of the server: it would be, at each start.
func TestPanic(t *testing.T) {
	w, m := newWorld(t), &maildrop{letters: []int{1}}
	w.serve = m.serve
	c := w.check()
	src := w.add(func(*Source) {})
	c.panics = true
	if _, err := w.service.RunNow(t.Context(), src.ID); !fault.Is(err, fault.Internal) {
		t.Error(err)
	}
	if all, err := w.service.List(t.Context(), 1); err != nil || all[0].Failures != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	c.panics = false
	if r := w.run(src); r.Fetched != 1 {
		t.Errorf("%+v", r)
	}
}

// A message that can't be checked now, or stored, comes again, and no other; what lies in the quarantine or nobody wants does not.
func TestFates(t *testing.T) {
	w, m := newWorld(t), &maildrop{letters: []int{1, 2, 3, 4, 5}}
	w.serve = m.serve
	c := w.check()
	c.broken = fault.New(fault.Unavailable, "not yet")
	src := w.add(func(s *Source) { s.Policy = Delete })
	if _, err := w.service.RunNow(t.Context(), src.ID); !fault.Is(err, fault.Unavailable) || w.dials.Load() != 0 {
		t.Errorf("before it is ready: %v", err)
	}
	c.broken = nil
	c.fate = map[int]Taken{2: {Later: true}, 3: {Aside: true}, 4: {}, 5: {Err: fault.New(fault.OverQuota, "full")}}
	if _, err := w.service.RunNow(t.Context(), src.ID); !fault.Is(err, fault.OverQuota) {
		t.Error(err)
	}
	w.wantHere("at first", inbox(1))
	if len(m.letters) != 5 {
		t.Errorf("left are %v", m.letters)
	}
	if r := w.run(src); r.Fetched != 2 || r.Removed != 5 {
		t.Errorf("%+v", r)
	}
	w.wantHere("then", inbox(1, 2, 5))
	if len(m.letters) != 0 || len(c.ids) != 5 {
		t.Errorf("left are %v; %d names of letters", m.letters, len(c.ids))
	}
	nobody := w.add(func(s *Source) { s.Judge, s.Folder = JudgeNobody, []string{"Raw"} })
	m.letters, c.count = []int{6}, 100
	w.run(nobody)
	if c.count != 100 {
		t.Error("what nobody is to judge was judged")
	}
}

func TestWhoIsJudged(t *testing.T) {
	var got []bool
	for _, s := range []Source{{}, {Mailbox: "inbox"}, {Mailbox: "Sent"}, {Mailbox: "Sent", Judge: JudgeAll}, {Judge: JudgeNobody}} {
		got = append(got, s.Judged(), s.Checked())
	}
	if d := cmp.Diff([]bool{true, true, true, true, false, true, true, true, false, false}, got); d != "" {
		t.Error(d)
	}
}
