package pop3

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/model/mailbox"
	policy "postroad/internal/service/maildrop"
)

// set gives ann's account a policy.
func (w *world) set(t testing.TB, p policy.Policy) {
	t.Helper()
	w.inbox(t, w.ann, func(s *mailbox.Session, _ mailbox.Folder) { check(t, policy.Save(t.Context(), s, p)) })
}

// subjects are those of the messages that a client finds.
func (c *client) subjects() (all []string) {
	c.t.Helper()
	c.say("LIST")
	for _, l := range c.multi() {
		n, _, _ := strings.Cut(l, " ")
		c.say("TOP " + n + " 0")
		all = append(all, strings.TrimPrefix(c.multi()[0], "Subject: "))
	}
	return all
}

func (c *client) quit() {
	c.t.Helper()
	c.say("QUIT")
	c.expect("+OK goodbye")
}

func (c *client) has(want ...string) {
	c.t.Helper()
	if got := c.subjects(); !slices.Equal(got, want) {
		c.t.Errorf("the client finds %q, want %q", got, want)
	}
}

func mails(names ...string) (all []string) {
	for _, n := range names {
		all = append(all, "Subject: "+n+"\r\n\r\nbody\r\n")
	}
	return all
}

func TestPolicyDisabled(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.set(t, policy.Policy{Disabled: true})
	c := w.dial(t, "192.0.2.1")
	c.line()
	c.ask("USER ann@example.org")
	c.say("PASS secret")
	c.expect("-ERR [SYS/PERM] POP3 is not enabled for this account")
	w.set(t, policy.Policy{})
	w.enter(t).quit()
}

func TestPolicySince(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, mails("old")...)
	w.pass(time.Hour)
	since := w.clock()
	w.put(t, w.ann, mails("new", "newer")...)
	w.set(t, policy.Policy{Since: since})
	c := w.enter(t)
	c.has("new", "newer")
	if got := c.ask("STAT"); got != "+OK 2 46" {
		t.Error(got)
	}
	if got := c.ask("RETR 3"); !strings.HasPrefix(got, "-ERR") {
		t.Error(got)
	}
	if got := c.ask("DELE 1"); !strings.HasPrefix(got, "+OK") {
		t.Error(got)
	}
	if got := c.ask("STAT"); got != "+OK 1 24" {
		t.Error(got)
	}
	c.quit()
	w.set(t, policy.Policy{})
	c = w.enter(t)
	c.has("old", "newer")
	c.quit()
}

// What a client deletes stays in the mailbox, and no client sees it again; for it nothing differs.
func TestPolicyKeep(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, mails("1", "2", "3")...)
	w.set(t, policy.Policy{OnDelete: policy.Keep})
	c := w.enter(t)
	c.ask("DELE 1")
	c.ask("DELE 2")
	c.quit()
	c = w.enter(t)
	c.has("3")
	c.ask("DELE 1")
	c.quit()
	w.put(t, w.ann, mails("4")...)
	c = w.enter(t)
	c.has("4")
	c.quit()
	if n := w.count(t, w.ann); n != 4 {
		t.Errorf("%d messages are left in the mailbox", n)
	}
	w.set(t, policy.Policy{}) // all is shown again
	c = w.enter(t)
	c.has("1", "2", "3", "4")
	c.quit()
}

func TestPolicyTrash(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, mails("1", "2")...)
	w.set(t, policy.Policy{OnDelete: policy.Trash, MarkSeen: true})
	c := w.enter(t)
	c.say("RETR 2")
	c.multi()
	c.ask("DELE 1")
	c.quit()
	w.inbox(t, w.ann, func(s *mailbox.Session, f mailbox.Folder) {
		trash, _ := s.FolderByRole(mailbox.Trash)
		v, err := s.View(t.Context(), f.ID)
		check(t, err)
		if trash.Items != 1 || v.Len() != 1 || v.At(0).Flags != mailbox.Seen {
			t.Errorf("%d in the trash, %d in the inbox", trash.Items, v.Len())
		}
	})
}

// What was retrieved is removed after some days, by whichever client; what nobody has retrieved stays.
func TestPolicyRemoveAfterDays(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, mails("1", "2", "3")...)
	w.set(t, policy.Policy{RemoveAfterDays: 3})
	retrieve := func(n int) {
		c := w.enter(t)
		c.say(fmt.Sprint("RETR ", n))
		c.multi()
		c.say("TOP 2 1") // doesn't count
		c.multi()
		c.say("CAPA")
		if caps := c.multi(); !slices.Contains(caps, "EXPIRE 3") {
			t.Error(caps)
		}
		c.quit()
	}
	expire := func(want int) {
		t.Helper()
		w.inbox(t, w.ann, func(s *mailbox.Session, _ mailbox.Folder) {
			if n, err := policy.Expire(t.Context(), s, w.clock()); err != nil || n != want {
				t.Errorf("%v: %d removed, want %d: %v", w.clock(), n, want, err)
			}
		})
	}
	retrieve(1)
	w.pass(48 * time.Hour)
	retrieve(3)
	retrieve(1) // again: that doesn't put it off
	w.pass(24 * time.Hour)
	expire(0)
	w.pass(24 * time.Hour)
	expire(1)
	expire(0)
	w.pass(48 * time.Hour)
	expire(1)
	w.pass(1000 * time.Hour)
	expire(0)
	w.set(t, policy.Policy{})
	c := w.enter(t)
	c.has("2")
	c.say("CAPA")
	if caps := c.multi(); !slices.Contains(caps, "EXPIRE NEVER") {
		t.Error(caps)
	}
	c.quit()
}

// TestSizesAreThoseOfWhatIsSent: RFC 1939 §11, whatever the line ends are.
func TestSizesAreThoseOfWhatIsSent(t *testing.T) {
	w := newWorld(t, plain, nil)
	var texts []string
	rapid.Check(t, func(r *rapid.T) {
		if len(texts) < 60 {
			texts = append(texts, rapid.StringOfN(rapid.SampledFrom([]rune("ab\r\n\n..")), 1, 30, -1).Draw(r, "text"))
		}
	})
	texts = append(texts, "", "\n", "\r", "x", "x\r", "x\n", ".\n.", strings.Repeat("y\n", 70_000), strings.Repeat(strings.Repeat("z", 1023)+"\n", 300))
	w.put(t, w.ann, texts...)
	c := w.enter(t)
	c.say("LIST")
	sizes, sum := c.multi(), 0
	for i, l := range sizes {
		var n, size int
		fmt.Sscan(l, &n, &size)
		c.say(fmt.Sprint("RETR ", n))
		got := 0
		for _, line := range c.multi() {
			got += len(line) + 2
		}
		if got != size {
			t.Errorf("%.40q: LIST says %d, %d came", texts[i], size, got)
		}
		sum += size
	}
	if got := c.ask("STAT"); got != fmt.Sprintf("+OK %d %d", len(texts), sum) {
		t.Errorf("%s, the sum is %d", got, sum)
	}
	c.ask("DELE 1")
	c.quit()
}

// Unique IDs that messages have from another server stay theirs; of two copies one has it.
func TestForeignUniqueIDs(t *testing.T) {
	w := newWorld(t, plain, nil)
	w.put(t, w.ann, mails("1", "2", "3")...)
	uidl := func() (ids []string) {
		t.Helper()
		c := w.enter(t)
		c.say("UIDL")
		for _, l := range c.multi() {
			_, id, _ := strings.Cut(l, " ")
			ids = append(ids, id)
			if one := c.ask("UIDL " + strings.TrimSuffix(l, " "+id)); one != "+OK "+l {
				t.Errorf("%s, %s", l, one)
			}
		}
		c.quit()
		return ids
	}
	own := uidl()
	w.inbox(t, w.ann, func(s *mailbox.Session, f mailbox.Folder) {
		v, err := s.View(t.Context(), f.ID)
		check(t, err)
		check(t, policy.HasUniqueIDs(t.Context(), s))
		check(t, s.SetBag(t.Context(), v.At(0).ID, map[string][]byte{policy.UniqueIDProp: []byte("000061AE4C0907B0")}))
		check(t, s.SetBag(t.Context(), v.At(1).ID, map[string][]byte{policy.UniqueIDProp: []byte("not one")}))
		_, _, err = s.Copy(t.Context(), f.ID, []mailbox.UID{v.At(0).UID}, f.ID)
		check(t, err)
	})
	got := uidl()
	if len(got) != 4 || got[0] != "000061AE4C0907B0" || got[1] != own[1] || got[2] != own[2] || got[3] == got[0] {
		t.Errorf("%q became %q", own, got)
	}
}
