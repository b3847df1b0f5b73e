package mailbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// Scripts are the owner's: others neither see nor change them. They survive the end of the process.
func TestScripts(t *testing.T) {
	w := newWorld(t)
	if s := w.me.Scripts(); s.Revision != 0 || s.Active != "" || s.List != nil {
		t.Errorf("there are scripts: %+v", s)
	}
	w.must(w.me.PutScript(w.ctx, "b", "keep;"))
	w.must(w.me.PutScript(w.ctx, "a", "discard;"))
	w.must(w.me.PutScript(w.ctx, "b", "stop;"))
	w.fails(fault.NotFound, w.me.ActivateScript(w.ctx, "c"))
	w.must(w.me.ActivateScript(w.ctx, "b"))
	w.fails(fault.InUse, w.me.DeleteScript(w.ctx, "b"))
	w.fails(fault.NotFound, w.me.DeleteScript(w.ctx, "c"))
	w.fails(fault.Exists, w.me.RenameScript(w.ctx, "a", "b"))
	w.fails(fault.NotFound, w.me.RenameScript(w.ctx, "c", "d"))
	w.must(w.me.RenameScript(w.ctx, "b", "0"))
	again := NewStore(w.db, w.options())
	for _, s := range []*Session{w.me, w.open(again, ann, ident.System())} {
		if got := fmt.Sprintf("%+v", *s.Scripts()); got != "{Revision:5 Active:0 List:[{Name:0 Size:5} {Name:a Size:8}]}" {
			t.Error(got)
		}
		if text, err := s.Script(w.ctx, "0"); text != "stop;" || err != nil {
			t.Errorf("%q %v", text, err)
		}
		_, err := s.Script(w.ctx, "b")
		w.fails(fault.NotFound, err)
	}
	other := w.open(w.store, ann, ident.Identity{Account: bob})
	_, err := other.Script(w.ctx, "0")
	w.fails(fault.NotFound, err)
	w.fails(fault.Denied, other.PutScript(w.ctx, "x", "keep;"))
	if len(other.Scripts().List) != 0 {
		t.Error("another account sees the scripts")
	}
	w.must(w.me.ActivateScript(w.ctx, ""))
	w.must(w.me.DeleteScript(w.ctx, "0"))
	w.must(w.me.DeleteScript(w.ctx, "a"))
}

func TestScriptLimits(t *testing.T) {
	w := newWorld(t)
	w.must(w.me.PutScript(w.ctx, "large", strings.Repeat(" ", MaxScriptBytes)))
	w.fails(fault.TooLarge, w.me.PutScript(w.ctx, "large", strings.Repeat(" ", MaxScriptBytes+1)))
	w.fails(fault.Invalid, w.me.PutScript(w.ctx, "", "keep;"))
	w.fails(fault.Invalid, w.me.PutScript(w.ctx, strings.Repeat("n", maxScriptName+1), "keep;"))
	for i := range MaxScripts - 1 {
		w.must(w.me.PutScript(w.ctx, fmt.Sprint(i), " "))
	}
	w.fails(fault.OverQuota, w.me.PutScript(w.ctx, "one more", ""))
	for i := range maxScriptsAll/MaxScriptBytes - 2 {
		w.must(w.me.PutScript(w.ctx, fmt.Sprint(i), strings.Repeat(" ", MaxScriptBytes)))
	}
	w.fails(fault.OverQuota, w.me.PutScript(w.ctx, "50", strings.Repeat(" ", MaxScriptBytes)))
}

// What is remembered counts until its time; the first who asks hears that it is new.
func TestMemory(t *testing.T) {
	w := newWorld(t)
	id := MemoryID{1}
	remember := func(extend bool) bool {
		known, err := w.me.Remember(w.ctx, Memory{id, w.now.Add(time.Hour), extend})
		w.must(err)
		return known[0]
	}
	is := func(want bool) {
		t.Helper()
		got, err := w.me.Remembers(w.ctx, id)
		if w.must(err); got != want {
			t.Errorf("remembered: %v", got)
		}
	}
	is(false)
	if remember(false) || !remember(false) {
		t.Error("the first who asks is not the first")
	}
	is(true)
	w.now = w.now.Add(40 * time.Minute)
	remember(false)
	w.now = w.now.Add(30 * time.Minute)
	is(false)
	remember(false)
	w.now = w.now.Add(40 * time.Minute)
	remember(true)
	w.now = w.now.Add(30 * time.Minute)
	is(true)
	w.now = w.now.Add(time.Hour)
	w.must(w.store.Tidy(w.ctx, ann))
	is(false)
	w.now = w.now.Add(-90 * time.Minute)
	is(false) // it was forgotten, not only over
	_, err := w.open(w.store, ann, ident.Identity{Account: bob}).Remember(w.ctx, Memory{ID: id})
	w.fails(fault.Denied, err)
}
