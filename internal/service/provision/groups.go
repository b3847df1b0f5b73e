package provision

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// group makes one group what the source says.
func (r *run) group(ctx context.Context, g *Group) {
	if r.seen[g.Key] {
		r.problem("%s: two entries have the key %q", g.Address, g.Key)
		return
	}
	r.seen[g.Key] = true
	ours, err := r.ours(ctx, g.Address)
	if err == nil && !ours {
		r.report.Skipped++
		return
	}
	if err == nil {
		err = r.setGroup(ctx, g)
	}
	if err != nil {
		r.problem("%s: %s", g.Address, fault.TextOf(err))
	}
}

func (r *run) setGroup(ctx context.Context, g *Group) error {
	members := r.members(g)
	l, ok := r.linked[g.Key]
	if ok {
		have, err := r.dir.GroupByID(ctx, ident.GroupID(l.ID))
		switch {
		case err != nil:
			return err
		case sameAddress(have.Address, g.Address):
			return r.changeGroup(ctx, &have, g, members)
		}
		// Rights are given to a group's number, which a new address can't keep: it is another group.
		if err := r.dir.RemoveGroup(ctx, have.Address); err != nil {
			return err
		}
	}
	_, err := r.dir.NewGroup(ctx, directory.NewGroup{Address: g.Address, Name: g.Name, Members: members,
		Link: &directory.Link{Source: r.source, Key: g.Key}})
	if err == nil {
		r.report.Added++
		r.addresses[foldRef(g.Ref)] = g.Address
	}
	return err
}

func (r *run) changeGroup(ctx context.Context, have *directory.Group, g *Group, members []string) error {
	was := slices.Clone(have.Members)
	slices.Sort(was)
	if slices.Equal(was, members) && have.Name == g.Name {
		return nil
	}
	r.report.Changed++
	return r.dir.SetGroup(ctx, have.Address, directory.GroupChange{Name: &g.Name, Members: &members})
}

// members are the addresses of those that are known here, sorted. A group that isn't there yet is a member
// after the next sync.
func (r *run) members(g *Group) []string {
	var list []string
	for _, m := range g.Members {
		address, ok := r.addresses[foldRef(m)]
		if !ok && strings.Contains(m, "@") && !strings.Contains(m, "=") {
			address, ok = m, true
		}
		if ok {
			list = append(list, address)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// vanished deals with accounts and groups whose entries are gone.
func (r *run) vanished(ctx context.Context) {
	var gone []directory.Linked
	for key, l := range r.linked {
		if !r.seen[key] {
			gone = append(gone, l)
		}
	}
	if len(gone) > tooMany && len(gone) > len(r.linked)/2 {
		r.problem("%d of %d entries are gone: that looks like a mistake in the source or in the settings, and nothing is done about it", len(gone), len(r.linked))
		return
	}
	for _, l := range gone {
		if err := r.lose(ctx, l); err != nil {
			r.problem("entry %s, which is gone: %s", l.Link.Key, fault.TextOf(err))
		}
	}
}

// tooMany is how many entries may vanish at once, whatever part of all they are.
const tooMany = 10

func (r *run) lose(ctx context.Context, l directory.Linked) error {
	if l.Group {
		g, err := r.dir.GroupByID(ctx, ident.GroupID(l.ID))
		if err != nil {
			return err
		}
		r.report.Removed++
		return r.dir.RemoveGroup(ctx, g.Address)
	}
	id := ident.AccountID(l.ID)
	acc, err := r.dir.Account(ctx, id)
	if err != nil {
		return err
	}
	if !r.o.Remove {
		before := l.Link.Off
		if err := r.turn(ctx, acc, &l.Link, true); err != nil || l.Link.Off == before {
			return err
		}
		return r.dir.LinkAccount(ctx, id, l.Link)
	}
	if err := r.dir.Retire(ctx, id); err != nil {
		return err
	}
	r.report.Removed++
	r.accounts.Barred(ctx, id)
	return nil
}
