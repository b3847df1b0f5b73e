package directory

import (
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// thing is what the model keeps of an address of m.example.
type thing struct {
	kind    entryKind
	id      ident.AccountID
	targets []string // local parts here; with an @: elsewhere
	list    bool
	owners  []string
}

// plainModel is the directory as one would write it down on paper: it searches everything, and indexes nothing.
type plainModel struct {
	things     map[string]*thing
	delimiters string
	catchAll   string
}

// find is the rule for addresses in words as plain as can be.
func (m *plainModel) find(local string) (at string, role bool) {
	if m.things[local] != nil {
		return local, false
	}
	for _, suffix := range []string{"+owner", "-owner", "+request", "-request", "+bounces", "-bounces"} {
		if base, ok := strings.CutSuffix(local, suffix); ok && m.things[base] != nil && m.things[base].list {
			return base, true
		}
	}
	for i := len(local) - 1; i > 0; i-- {
		if strings.Contains(m.delimiters, local[i:i+1]) && m.things[local[:i]] != nil {
			return local[:i], false
		}
	}
	return "", false
}

// reached is what an address leads to: the accounts' numbers and addresses elsewhere of each box, by its list's address ("": no list).
type reached map[string]map[any]bool

func (m *plainModel) expand(local string) reached {
	r := reached{"": {}}
	seen := map[[2]string]bool{}
	var visit func(box, local string)
	visit = func(box, local string) {
		if strings.Contains(local, "@") {
			r[box][local] = true
			return
		}
		at, role := m.find(local)
		name := at
		if role {
			name = local
		}
		if at == "" || seen[[2]string{box, name}] {
			return
		}
		seen[[2]string{box, name}] = true
		next := m.things[at].targets
		switch t := m.things[at]; {
		case t.kind == isAccount:
			r[box][t.id] = true
		case role:
			for _, owner := range t.owners {
				visit(box, owner)
			}
			if r.empty() {
				m.postmaster(r)
			}
			return
		case t.list && r[at] != nil:
			return
		case t.list:
			box = at
			r[box] = map[any]bool{}
		}
		for _, target := range next {
			visit(box, target)
		}
	}
	if at, _ := m.find(local); at == "" && m.catchAll != "" {
		local = m.catchAll
	}
	visit("", local)
	return r
}

func (r reached) empty() bool {
	for _, who := range r {
		if len(who) > 0 {
			return false
		}
	}
	return true
}

// postmaster is the oldest account.
func (m *plainModel) postmaster(r reached) {
	var oldest ident.AccountID
	for _, t := range m.things {
		if t.kind == isAccount && (oldest == 0 || t.id < oldest) {
			oldest = t.id
		}
	}
	if oldest != 0 {
		r[""][oldest] = true
	}
}

// remove takes an address away, and all that led to it alone.
func (m *plainModel) remove(gone string) {
	leads := func(target string) bool {
		at, _ := m.find(target)
		return at == gone
	}
	var orphans []string
	for at, t := range m.things {
		if at == gone {
			continue
		}
		had := len(t.targets)
		t.targets = slices.DeleteFunc(slices.Clone(t.targets), leads)
		t.owners = slices.DeleteFunc(slices.Clone(t.owners), leads)
		if t.kind == isAlias && had > 0 && len(t.targets) == 0 {
			orphans = append(orphans, at)
		}
	}
	if leads(m.catchAll) {
		m.catchAll = ""
	}
	for _, at := range orphans {
		if m.things[at] != nil {
			m.remove(at)
		}
	}
	delete(m.things, gone)
}

// locals are the local parts that the test uses: few, and much alike.
var locals = []string{"a", "b", "a+b", "a-b", "a-b+c", "b-owner", "c", "c+a", "c-a"}

// probes are those that are asked for besides.
var probes = []string{"a+x", "a-x", "a+b-x", "b+owner", "c-owner", "c+bounces", "a-b+owner", "c-request", "d", "b-owner-x", "a-b+c+x"}

// TestAgainstModel does random things to a directory and to the model: both lead addresses to the same, and
// nothing contradicts itself.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d, err := Open(t.Context(), newStore(t), Options{Hash: quick})
		ok(t, err)
		_, err = d.AddDomain(t.Context(), "m.example")
		ok(t, err)
		w := &modelWorld{t: t, d: d, m: &plainModel{things: map[string]*thing{}, delimiters: "+"}}
		steps := rapid.IntRange(1, 25).Draw(r, "steps")
		for range steps {
			w.step(r)
			w.compare(r)
		}
	})
}

type modelWorld struct {
	t *testing.T
	d *Directory
	m *plainModel

	retired []ident.AccountID
}

func full(locals []string) []string {
	out := make([]string, len(locals))
	for i, s := range locals {
		if out[i] = s; !strings.Contains(s, "@") {
			out[i] = s + "@m.example"
		}
	}
	return out
}

// someTargets are of those that lead somewhere.
func (w *modelWorld) someTargets(r *rapid.T, what string) []string {
	choice := []string{"x@elsewhere.example", "y@elsewhere.example"}
	for _, s := range slices.Concat(locals, probes) {
		if at, _ := w.m.find(s); at != "" {
			choice = append(choice, s)
		}
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(choice), 1, min(4, len(choice)), rapid.ID[string]).Draw(r, what)
}

func (w *modelWorld) step(r *rapid.T) {
	ctx, d, m := w.t.Context(), w.d, w.m
	local := rapid.SampledFrom(locals).Draw(r, "local")
	at, there := local+"@m.example", m.things[local]
	switch op := rapid.SampledFrom([]string{"account", "account", "alias", "alias", "group", "list", "change", "remove", "rename", "retire", "restore", "delimiters", "catch-all"}).Draw(r, "op"); {
	case op == "delimiters":
		s := rapid.SampledFrom([]string{"", "+", "-", "+-"}).Draw(r, "delimiters")
		m.delimiters = s
		must(r, d.SetDomain(ctx, "m.example", DomainChange{Delimiters: &s}))
	case op == "catch-all":
		s := w.someTargets(r, "catch-all")[0]
		m.catchAll = s
		must(r, d.SetDomain(ctx, "m.example", DomainChange{CatchAll: &full([]string{s})[0]}))
	case op == "remove" && there != nil:
		w.remove(r, at, there)
		m.remove(local)
	case op == "rename" && there == nil:
		w.rename(r, local)
	case op == "retire" && there != nil && there.kind == isAccount:
		must(r, d.Retire(ctx, there.id))
		m.remove(local)
		w.retired = append(w.retired, there.id)
	case op == "restore" && there == nil && len(w.retired) > 0:
		id := w.retired[len(w.retired)-1]
		w.retired = w.retired[:len(w.retired)-1]
		_, err := d.Restore(ctx, id, at)
		must(r, err)
		m.things[local] = &thing{kind: isAccount, id: id}
	case op == "account" && there == nil:
		a, err := d.AddAccount(ctx, NewAccount{Address: at})
		must(r, err)
		m.things[local] = &thing{kind: isAccount, id: a.ID}
	case op == "alias" && (there == nil || there.kind == isAlias):
		to := w.someTargets(r, "targets")
		if slices.Contains(to, local) {
			if err := d.AddAlias(ctx, at, full(to)); !fault.Is(err, fault.Invalid) {
				r.Fatalf("%s leads to itself: %v", at, err)
			}
			return
		}
		must(r, d.AddAlias(ctx, at, full(to)))
		m.things[local] = &thing{kind: isAlias, targets: to}
	case op == "group" && there == nil:
		to := w.someTargets(r, "members")
		_, err := d.NewGroup(ctx, NewGroup{Address: at, Members: full(to)})
		must(r, err)
		m.things[local] = &thing{kind: isGroup, targets: to}
	case op == "list" && there == nil:
		to, owners := w.someTargets(r, "members"), w.someTargets(r, "owners")
		_, err := d.NewGroup(ctx, NewGroup{Address: at, Members: full(to), Owners: full(owners), List: true})
		must(r, err)
		m.things[local] = &thing{kind: isGroup, targets: to, owners: owners, list: true}
	case op == "change" && there != nil && there.kind == isGroup:
		there.targets, there.owners, there.list = w.someTargets(r, "members"), w.someTargets(r, "owners"), !there.list
		members, owners := full(there.targets), full(there.owners)
		must(r, d.SetGroup(ctx, at, GroupChange{Members: &members, Owners: &owners, List: &there.list}))
	}
}

// rename gives one of the accounts, if there is one, an address that is free.
func (w *modelWorld) rename(r *rapid.T, to string) {
	var names []string
	for name, t := range w.m.things {
		if t.kind == isAccount {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	sort.Strings(names)
	from, keep := rapid.SampledFrom(names).Draw(r, "from"), rapid.Bool().Draw(r, "keep")
	_, err := w.d.RenameAccount(w.t.Context(), w.m.things[from].id, to+"@m.example", keep)
	must(r, err)
	w.m.rename(from, to, keep)
}

func (m *plainModel) rename(from, to string, keep bool) {
	m.things[to] = m.things[from]
	if keep {
		m.things[from] = &thing{kind: isAlias, targets: []string{to}}
		return
	}
	replace := func(targets []string) []string {
		out := slices.Clone(targets)
		for i, s := range out {
			if at, _ := m.find(s); at != from {
				continue
			}
			out[i] = to
			if at, _ := m.find(to + s[len(from):]); at == to {
				out[i] = to + s[len(from):] // with its detail
			}
		}
		return out
	}
	for _, t := range m.things {
		t.targets, t.owners = replace(t.targets), replace(t.owners)
	}
	m.catchAll = replace([]string{m.catchAll})[0]
	delete(m.things, from)
}

func (w *modelWorld) remove(r *rapid.T, at string, there *thing) {
	ctx := w.t.Context()
	switch there.kind {
	case isAccount:
		must(r, w.d.RemoveAccount(ctx, there.id))
	case isAlias:
		must(r, w.d.RemoveAlias(ctx, at))
	default:
		must(r, w.d.RemoveGroup(ctx, at))
	}
}

func must(r *rapid.T, err error) {
	if err != nil {
		r.Fatal(err)
	}
}

func (w *modelWorld) compare(r *rapid.T) {
	for _, local := range slices.Concat(locals, probes) {
		got, want := w.resolved(r, local), w.m.expand(local)
		if !maps.EqualFunc(got, want, maps.Equal) {
			r.Fatalf("%s leads to %v, want %v; delimiters %q", local, got, want, w.m.delimiters)
		}
	}
	problems, err := w.d.Check(w.t.Context())
	must(r, err)
	sort.Strings(problems)
	for _, p := range problems {
		// Targets may lose their meaning when delimiters change, or a list becomes a group.
		if !strings.Contains(p, "there is no") {
			r.Error(p)
		}
	}
}

// resolved is what Resolve says, in the model's words.
func (w *modelWorld) resolved(r *rapid.T, local string) reached {
	got := reached{"": {}}
	fill := func(box string, accounts []ident.AccountID, remote []string) {
		for _, id := range accounts {
			got[box][id] = true
		}
		for _, s := range remote {
			got[box][s] = true
		}
	}
	t, err := w.d.Resolve(w.t.Context(), local+"@m.example")
	if fault.Is(err, fault.NotFound) {
		return w.m.expand(local).nothing(r, local)
	}
	must(r, err)
	fill("", t.Accounts, t.Remote)
	for _, l := range t.Lists {
		got[l.Address.Local] = map[any]bool{}
		fill(l.Address.Local, l.Accounts, l.Remote)
	}
	return got
}

// nothing makes sure that nobody is reached, and returns what is.
func (r reached) nothing(t *rapid.T, local string) reached {
	for box, who := range r {
		if len(who) > 0 {
			t.Fatalf("%s leads nowhere, but should to %v (%q)", local, r, box)
		}
	}
	return r
}
