package mailbox

import (
	"testing"
	"time"

	"postroad/internal/model/ident"
)

// TestTrim: views that nobody shows leave the memory when they are many, the longest unasked for first, and come back right.
func TestTrim(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.CacheRows = 25
	s := NewStore(w.db, o)
	ses := w.open(s, ann, ident.System())
	defer ses.Close()
	folders := []FolderID{w.inbox(), w.role(Sent).ID, w.role(Archive).ID}
	var views []*View
	for _, id := range folders {
		w.fill(id, 20)
		v, err := ses.View(w.ctx, id)
		w.must(err)
		views = append(views, v)
		w.now = w.now.Add(time.Second)
	}
	there := func(want ...bool) {
		t.Helper()
		w.must(s.Trim(w.ctx))
		for i, id := range folders {
			if got := ses.state().folder(id).view != nil; got != want[i] {
				t.Errorf("folder %d: in memory %v", i, got)
			}
		}
	}
	there(true, true, true) // just asked for
	w.now = w.now.Add(trimAfter)
	shown := views[0].Open()
	there(true, false, true) // 20 of 25 are not shown by anybody
	w.fill(folders[0], 1)
	_, err := ses.SetFlags(w.ctx, folders[0], FlagChange{UIDs: []UID{1}, Flags: Seen})
	w.must(err)
	v, err := ses.View(w.ctx, folders[1])
	w.must(err)
	if what := differ(views[1], v); what != "" {
		t.Errorf("came back wrong: %s", what)
	}
	w.now = w.now.Add(2 * trimAfter)
	there(true, true, false)
	shown.End()
	shown.End()
	_, err = ses.View(w.ctx, folders[0])
	w.must(err)
	there(true, false, false) // 21 rows
	w.now = w.now.Add(2 * trimAfter)
	there(true, false, false)
	w.fill(folders[0], 30)
	_, err = ses.SetFlags(w.ctx, folders[0], FlagChange{UIDs: []UID{1}, Flags: Flagged})
	w.must(err)
	there(false, false, false)
	if w.now = w.now.Add(time.Hour); len(s.accounts) != 1 || s.accounts[ann].refs != 1 {
		t.Errorf("%d accounts in use", len(s.accounts))
	}
}
