package mailbox

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// TestNeighbours lets two people do at random what they may and may not, each in both accounts, and compares with lists.
func TestNeighbours(t *testing.T) {
	w := newWorld(t)
	first := ident.AccountID(100)
	rapid.Check(t, func(t *rapid.T) {
		r := newTown(w, first)
		defer r.leave()
		first += 2
		t.Repeat(map[string]func(*rapid.T){
			"grant": r.grant, "append": r.append, "copy": r.copy, "move": r.move, "flag": r.flag, "expunge": r.expunge, "": r.check,
		})
	})
}

// town is two accounts as they must be.
type town struct {
	w      *world
	people []ident.AccountID               // two
	doors  map[[2]ident.AccountID]*Session // who acts where
	houses map[ident.AccountID][]*house
	marks  int64
}

// house is a folder as it must be.
type house struct {
	owner  ident.AccountID
	id     FolderID
	rights Rights // of the other one
	said   bool   // rights were given once
	next   UID
	in     []tenant
}

// tenant is a message; its mark is when it was received.
type tenant struct {
	uid   UID
	mark  int64
	flags Flags
}

// newTown makes two accounts with the numbers from first on.
func newTown(w *world, first ident.AccountID) *town {
	r := &town{w: w, people: []ident.AccountID{first, first + 1}, doors: map[[2]ident.AccountID]*Session{}, houses: map[ident.AccountID][]*house{}}
	for _, at := range r.people {
		w.must(w.store.Create(w.ctx, at, Usage{}))
		for _, who := range r.people {
			r.doors[[2]ident.AccountID{who, at}] = w.open(w.store, at, ident.Identity{Account: who})
		}
		for _, f := range r.doors[[2]ident.AccountID{at, at}].Folders()[:3] {
			r.houses[at] = append(r.houses[at], &house{owner: at, id: f.ID, next: 1})
		}
	}
	return r
}

// leave checks the accounts, and removes them.
func (r *town) leave() {
	for _, s := range r.doors {
		s.Close()
	}
	for _, id := range r.people {
		problems, err := r.w.store.Check(r.w.ctx, id)
		r.w.must(err)
		for _, p := range problems {
			r.w.Errorf("account %d: %s", id, p)
		}
		r.w.must(r.w.store.Delete(r.w.ctx, id))
	}
}

func (r *town) who(t *rapid.T) ident.AccountID { return rapid.SampledFrom(r.people).Draw(t, "who") }

func (r *town) house(t *rapid.T, label string) *house {
	owner := rapid.SampledFrom(r.people).Draw(t, label+" of")
	return rapid.SampledFrom(r.houses[owner]).Draw(t, label)
}

// neighbour is the other one.
func (r *town) neighbour(of ident.AccountID) ident.AccountID { return r.people[0] + r.people[1] - of }

func (r *town) door(who ident.AccountID, h *house) *Session {
	return r.doors[[2]ident.AccountID{who, h.owner}]
}

func (h *house) may(who ident.AccountID) Rights {
	if who == h.owner {
		return AllRights
	}
	return h.rights
}

// refusal is what somebody who needs rights on a folder is told.
func (h *house) refusal(who ident.AccountID, need Rights) fault.Kind {
	switch have := h.may(who); {
	case have&RightLookup == 0:
		return fault.NotFound
	case have&need != need:
		return fault.Denied
	}
	return 0
}

func expect(t *rapid.T, what string, err error, want fault.Kind) bool {
	if want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
		t.Fatalf("%s: %v, want kind %v", what, err, want)
	}
	return err == nil
}

func (r *town) grant(t *rapid.T) {
	h := r.house(t, "folder")
	h.rights = Rights(rapid.Uint16Range(0, uint16(AllRights)).Draw(t, "rights"))
	h.said = h.said || h.rights != 0
	r.w.must(r.door(h.owner, h).SetGrants(r.w.ctx, h.id, []Grant{{ToAccount, uint64(r.neighbour(h.owner)), h.rights}}))
}

func (h *house) put(mark int64, flags Flags) UID {
	h.in = append(h.in, tenant{h.next, mark, flags})
	h.next++
	return h.next - 1
}

func (r *town) append(t *rapid.T) {
	h, who := r.house(t, "folder"), r.who(t)
	flags := Flags(rapid.Uint16Range(0, uint16(allFlags)).Draw(t, "flags"))
	r.marks++
	_, err := r.door(who, h).Append(r.w.ctx, h.id, Append{Content: r.w.content(fmt.Sprint("Subject: ", r.marks, "\r\n\r\n")), Flags: flags, Received: time.Unix(r.marks, 0)})
	if expect(t, "append", err, h.refusal(who, RightInsert)) {
		h.put(r.marks, flags&settable(h.may(who)))
	}
}

// some picks messages, among them one that isn't there.
func (h *house) some(t *rapid.T) []UID {
	uids := []UID{9999}
	for _, m := range h.in {
		if rapid.Bool().Draw(t, fmt.Sprint("UID ", m.uid)) {
			uids = append(uids, m.uid)
		}
	}
	return uids
}

func (r *town) transfer(t *rapid.T, what string, need Rights, within func(*Session, FolderID, []UID, FolderID) ([]Copied, error), across func(*Session, FolderID, []UID, Target) ([]Copied, error)) (from *house, gone []UID) {
	from, to, who := r.house(t, "from"), r.house(t, "to"), r.who(t)
	uids := from.some(t)
	var (
		done []Copied
		err  error
	)
	if from.owner == to.owner {
		done, err = within(r.door(who, from), from.id, uids, to.id)
	} else {
		done, err = across(r.door(who, from), from.id, uids, Target{Session: r.door(who, to), Folder: to.id})
	}
	want := from.refusal(who, need)
	if want == 0 {
		want = to.refusal(who, RightInsert)
	}
	if !expect(t, what, err, want) {
		return from, nil
	}
	var must []Copied
	for _, m := range slices.Clone(from.in) {
		if slices.Contains(uids, m.uid) {
			must = append(must, Copied{m.uid, to.put(m.mark, m.flags&settable(to.may(who)))})
			gone = append(gone, m.uid)
		}
	}
	if !slices.Equal(done, must) {
		t.Fatalf("%s: %v, want %v", what, done, must)
	}
	return from, gone
}

func (r *town) copy(t *rapid.T) {
	r.transfer(t, "copy", RightRead, func(s *Session, from FolderID, uids []UID, to FolderID) ([]Copied, error) {
		done, _, err := s.Copy(r.w.ctx, from, uids, to)
		return done, err
	}, func(s *Session, from FolderID, uids []UID, to Target) ([]Copied, error) {
		done, _, err := s.CopyTo(r.w.ctx, from, uids, to)
		return done, err
	})
}

func (r *town) move(t *rapid.T) {
	from, gone := r.transfer(t, "move", RightRead|RightTrash|RightExpunge, func(s *Session, from FolderID, uids []UID, to FolderID) ([]Copied, error) {
		done, _, err := s.Move(r.w.ctx, from, uids, to)
		return done, err
	}, func(s *Session, from FolderID, uids []UID, to Target) ([]Copied, error) {
		done, _, err := s.MoveTo(r.w.ctx, from, uids, to)
		return done, err
	})
	from.remove(gone)
}

func (h *house) remove(uids []UID) {
	h.in = slices.DeleteFunc(h.in, func(m tenant) bool { return slices.Contains(uids, m.uid) })
}

func (r *town) flag(t *rapid.T) {
	h, who := r.house(t, "folder"), r.who(t)
	flags := Flags(rapid.Uint16Range(1, uint16(allFlags)).Draw(t, "flags"))
	uids := h.some(t)
	_, err := r.door(who, h).SetFlags(r.w.ctx, h.id, FlagChange{UIDs: uids, Op: AddFlags, Flags: flags})
	want := h.refusal(who, RightRead)
	if want == 0 && flags&settable(h.may(who)) == 0 {
		want = fault.Denied
	}
	if !expect(t, "flags", err, want) {
		return
	}
	for i := range h.in {
		if slices.Contains(uids, h.in[i].uid) {
			h.in[i].flags |= flags & settable(h.may(who))
		}
	}
}

func (r *town) expunge(t *rapid.T) {
	h, who := r.house(t, "folder"), r.who(t)
	uids := h.some(t)
	_, err := r.door(who, h).Expunge(r.w.ctx, h.id, uids, false)
	if expect(t, "expunge", err, h.refusal(who, RightExpunge)) {
		h.remove(uids)
	}
}

// check compares all folders as their owners see them, what the others see, and whether they find it.
func (r *town) check(t *rapid.T) {
	for owner, houses := range r.houses {
		other := r.neighbour(owner)
		shared := false
		for _, h := range houses {
			v, err := r.door(owner, h).View(r.w.ctx, h.id)
			r.w.must(err)
			var is []tenant
			for _, row := range v.All(0, v.Len()) {
				is = append(is, tenant{row.UID, row.Received().Unix(), row.Flags})
			}
			if !slices.Equal(is, h.in) {
				t.Fatalf("folder %d of %d has %v, want %v", h.id, owner, is, h.in)
			}
			shared = shared || h.rights != 0
			sees := slices.ContainsFunc(r.door(other, h).Tree(), func(p Placed) bool { return p.ID == h.id })
			if sees != (h.rights&RightLookup != 0) {
				t.Fatalf("folder %d of %d, with rights %v: seen %t", h.id, owner, h.rights, sees)
			}
		}
		ids, err := r.w.store.Sharers(r.w.ctx, ident.Identity{Account: other})
		r.w.must(err)
		if found := slices.Contains(ids, owner); shared && !found {
			t.Fatalf("%d doesn't find %d", other, owner)
		}
	}
}
