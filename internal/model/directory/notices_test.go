package directory

import (
	"fmt"
	"testing"
	"time"
)

// Each change is told, with what it is about; the first password isn't, nor anything of others' accounts, and nothing where notices are off.
func TestNotices(t *testing.T) {
	d := newDirectory(t)
	d.notices = true
	ctx := t.Context()
	a, err := d.AddAccount(ctx, NewAccount{Address: "new@example.org"})
	ok(t, err)
	id := a.ID
	kinds := func() (all []NoticeKind) {
		t.Helper()
		list, err := d.Notices(ctx)
		ok(t, err)
		for _, n := range list {
			if n.Account != id {
				t.Errorf("a notice to %d", n.Account)
			}
			for _, one := range n.List {
				all = append(all, one.Kind)
			}
			ok(t, d.Told(ctx, n))
		}
		return all
	}
	wants := func(want ...NoticeKind) {
		t.Helper()
		if got := kinds(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	ok(t, d.SetPassword(ctx, id, "one secret"))
	wants()
	ok(t, d.SetPassword(ctx, id, "another secret"))
	_, _, err = d.AddAppPassword(ctx, id, NewAppPassword{Name: "x"})
	ok(t, err)
	_, err = d.RemoveAppPassword(ctx, id, "x")
	ok(t, err)
	wants(PasswordChanged, AppPasswordAdded, AppPasswordRemoved)
	ok(t, d.EndTwoStep(ctx, id))
	wants()
	d.notices = false
	ok(t, d.SetPassword(ctx, id, "a third secret"))
	ok(t, d.Notify(ctx, id, ProgramAllowed, "x"))
	wants()
	d.notices = true
	if err := d.Notify(ctx, id+100, ProgramAllowed, "x"); err == nil {
		t.Error("nobody is told")
	}
	ok(t, d.Notify(ctx, id, ProgramAllowed, "x"))
	ok(t, d.SetLanguage(ctx, id, "de"))
	ok(t, d.RemoveAccount(ctx, id))
	if list, err := d.Notices(ctx); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
	if problems, err := d.Check(ctx); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// Whoever makes much noise neither hides what else happens, nor puts off that the owner is told.
func TestNoticesAreBounded(t *testing.T) {
	d := newDirectory(t)
	d.notices = true
	ctx := t.Context()
	ann := add(t, d, "ann")
	ok(t, d.Notify(ctx, ann, PasskeyAdded, "first"))
	began := d.now()
	for n := range 3 * MaxNotices {
		ok(t, d.Notify(ctx, ann, AppPasswordAdded, fmt.Sprint(n)))
	}
	ok(t, d.Notify(ctx, ann, PasswordChanged, ""))
	for n := range 2 * MaxNotices {
		ok(t, d.Notify(ctx, ann, AppPasswordRemoved, fmt.Sprint(n)))
	}
	list, err := d.Notices(ctx)
	ok(t, err)
	seen := map[NoticeKind]int{}
	for _, n := range list[0].List {
		seen[n.Kind]++
	}
	if len(list[0].List) != MaxNotices || seen[PasswordChanged] != 1 || seen[PasskeyAdded] != 1 || seen[AppPasswordRemoved] == 0 || list[0].List[0].Kind != PasskeyAdded || list[0].List[0].At.Sub(began).Abs() > time.Minute {
		t.Errorf("%d: %v", len(list[0].List), seen)
	}
}

func TestLanguageTags(t *testing.T) {
	d := newDirectory(t)
	ann := add(t, d, "ann")
	for tag, good := range map[string]bool{"de": true, "pt-BR": true, "": true, "d e": false, "de\n": false, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": false} {
		if err := d.SetLanguage(t.Context(), ann, tag); (err == nil) != good {
			t.Errorf("%q: %v", tag, err)
		}
		if got, err := d.Language(t.Context(), ann); good && got != tag || err != nil {
			t.Errorf("%q: %q %v", tag, got, err)
		}
	}
	if err := d.SetLanguage(t.Context(), ann+100, "de"); err == nil {
		t.Error("of nobody")
	}
}
