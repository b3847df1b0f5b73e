package provision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// maxEntries is how many entries and groups a source may have, and maxText how many bytes all of them.
const (
	maxEntries = 1_000_000
	maxText    = 512 << 20
)

// Syncer copies what sources say. Two syncs of one source must not run at a time.
type Syncer struct {
	dir      *directory.Directory
	accounts Accounts
}

// New returns a Syncer.
func New(dir *directory.Directory, accounts Accounts) *Syncer {
	return &Syncer{dir, accounts}
}

// Sync makes the accounts and groups that are tied to a source what the source says. What can't be done for one is a
// problem in the report, and the others go on. Errors: the source couldn't be read, and nothing was changed; or ctx ended.
func (s *Syncer) Sync(ctx context.Context, src Source, o Options) (Report, error) {
	r := run{Syncer: s, o: o, source: src.Name(), linked: map[string]directory.Linked{}, seen: map[string]bool{}, addresses: map[string]string{}}
	if err := r.read(ctx, src); err != nil {
		return r.report, err
	}
	for l, err := range s.dir.Links(ctx, r.source) {
		if err != nil {
			return r.report, err
		}
		r.linked[l.Link.Key] = l
	}
	for i := range r.entries {
		if ctx.Err() != nil {
			return r.report, fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
		}
		r.entry(ctx, &r.entries[i])
	}
	for i := range r.groups {
		if _, ok := r.linked[r.groups[i].Key]; ok {
			r.addresses[foldRef(r.groups[i].Ref)] = r.groups[i].Address
		}
	}
	for i := range r.groups {
		r.group(ctx, &r.groups[i])
	}
	r.vanished(ctx)
	return r.report, ctx.Err()
}

// run is one Sync.
type run struct {
	*Syncer
	o      Options
	source string
	report Report

	entries   []Entry
	groups    []Group
	linked    map[string]directory.Linked // by key
	seen      map[string]bool             // keys of entries and groups
	addresses map[string]string           // by Ref, folded: of accounts that are tied
}

// read takes all that the source has, before anything is changed.
func (r *run) read(ctx context.Context, src Source) error {
	left := maxText
	room := func(more []string, texts ...string) error {
		for _, t := range append(texts, more...) {
			left -= len(t)
		}
		if len(r.entries)+len(r.groups) >= maxEntries || left < 0 {
			return fault.New(fault.TooLarge, "the source has more than %d entries, or %d bytes", maxEntries, maxText)
		}
		return nil
	}
	err := src.List(ctx,
		func(e Entry) error {
			r.entries = append(r.entries, e)
			return room(e.Aliases, e.Key, e.Ref, e.Address, e.Name)
		},
		func(g Group) error {
			r.groups = append(r.groups, g)
			return room(g.Members, g.Key, g.Ref, g.Address, g.Name)
		})
	r.report.Entries, r.report.Groups = len(r.entries), len(r.groups)
	return err
}

func (r *run) problem(format string, args ...any) {
	if len(r.report.Problems) < MaxProblems {
		r.report.Problems = append(r.report.Problems, fmt.Sprintf(format, args...))
	}
}

// entry makes one account what the source says.
func (r *run) entry(ctx context.Context, e *Entry) {
	if r.seen[e.Key] {
		r.problem("%s: two entries have the key %q", e.Address, e.Key)
		return
	}
	r.seen[e.Key] = true
	ours, err := r.ours(ctx, e.Address)
	switch {
	case err != nil:
		r.problem("%s: %s", e.Address, fault.TextOf(err))
		return
	case !ours:
		r.report.Skipped++
		return
	}
	if l, ok := r.linked[e.Key]; ok {
		err = r.update(ctx, ident.AccountID(l.ID), l.Link, e)
	} else {
		err = r.add(ctx, e)
	}
	if err != nil {
		r.problem("%s: %s", e.Address, fault.TextOf(err))
		return
	}
	if e.Ref != "" {
		r.addresses[foldRef(e.Ref)] = e.Address
	}
}

// ours reports whether an address is of a domain that is served here.
func (r *run) ours(ctx context.Context, address string) (bool, error) {
	a, err := directory.Parse(address)
	if err != nil {
		return false, err
	}
	return r.dir.IsLocal(ctx, a.Domain)
}

// foldRef is a Ref as it is compared: names in LDAP don't depend on case, mostly (RFC 4514 leaves it to their schema).
func foldRef(ref string) string { return strings.ToLower(ref) }

func (r *run) add(ctx context.Context, e *Entry) error {
	link := directory.Link{Source: r.source, Key: e.Key, Ref: e.Ref}
	acc, err := r.accounts.AddLinked(ctx, directory.NewAccount{Address: e.Address, DisplayName: e.Name, QuotaBytes: e.QuotaBytes, Link: &link})
	if fault.Is(err, fault.Exists) && r.o.Adopt {
		acc, err = r.adopt(ctx, e, link)
	}
	if err != nil {
		return err
	}
	r.report.Added++
	return r.finish(ctx, acc, link, e)
}

// adopt ties an account of our own to an entry.
func (r *run) adopt(ctx context.Context, e *Entry, link directory.Link) (directory.Account, error) {
	p, err := r.dir.Profile(ctx, e.Address)
	if err != nil {
		return directory.Account{}, fault.New(fault.Exists, "the address is taken by an alias or a group")
	}
	if p.Link != nil || p.Account.Shared {
		return p.Account, fault.New(fault.Exists, "the address is taken by an account that isn't ours to give")
	}
	return p.Account, r.dir.LinkAccount(ctx, p.Account.ID, link)
}

// update changes what has changed of an account.
func (r *run) update(ctx context.Context, id ident.AccountID, link directory.Link, e *Entry) error {
	acc, err := r.dir.Account(ctx, id)
	if err != nil {
		return err
	}
	before := acc
	if acc.Address != e.Address && !sameAddress(acc.Address, e.Address) {
		if acc, err = r.dir.RenameAccount(ctx, id, e.Address, false); err != nil {
			return err
		}
	}
	if e.Name != "" && acc.DisplayName != e.Name {
		if err := r.dir.SetDisplayName(ctx, id, e.Name); err != nil {
			return err
		}
		acc.DisplayName = e.Name
	}
	if e.QuotaBytes > 0 && acc.QuotaBytes != e.QuotaBytes {
		if err := r.accounts.GiveRoom(ctx, id, e.QuotaBytes); err != nil {
			return err
		}
		acc.QuotaBytes = e.QuotaBytes
	}
	if acc != before {
		r.report.Changed++
	}
	return r.finish(ctx, acc, link, e)
}

func sameAddress(a, b string) bool {
	x, err1 := directory.Parse(a)
	y, err2 := directory.Parse(b)
	return err1 == nil && err2 == nil && x.Fold() == y.Fold()
}

// finish sees to what the link says: the entry's name, whether the account is on, its aliases.
func (r *run) finish(ctx context.Context, acc directory.Account, link directory.Link, e *Entry) error {
	was := link
	link.Ref = e.Ref
	if err := r.turn(ctx, acc, &link, e.Disabled); err != nil {
		return err
	}
	link.Aliases = r.aliases(ctx, acc, was.Aliases, e.Aliases)
	if link.Ref == was.Ref && link.Off == was.Off && slices.Equal(link.Aliases, was.Aliases) {
		return nil
	}
	return r.dir.LinkAccount(ctx, acc.ID, link)
}

// turn disables an account, or enables it if it was disabled for the source's sake: what an administrator here has disabled stays so.
func (r *run) turn(ctx context.Context, acc directory.Account, link *directory.Link, off bool) error {
	switch {
	case off && acc.Enabled:
		link.Off = true
		r.report.Disabled++
		if err := r.dir.SetEnabled(ctx, acc.ID, false); err != nil {
			return err
		}
		r.accounts.Barred(ctx, acc.ID)
	case !off && link.Off:
		link.Off = false
		return r.dir.SetEnabled(ctx, acc.ID, true)
	}
	return nil
}

// aliases makes those that the source wants, and takes those back that it wants no more. It returns what there is for its sake.
func (r *run) aliases(ctx context.Context, acc directory.Account, had, want []string) []string {
	have := map[string]bool{}
	for _, a := range had {
		have[a] = true
	}
	wanted := map[string]bool{}
	for _, text := range want {
		a, err := directory.Parse(text)
		ours := false
		if err == nil && !sameAddress(text, acc.Address) {
			ours, err = r.dir.IsLocal(ctx, a.Domain)
		}
		if err != nil {
			r.problem("%s: alias %s: %s", acc.Address, text, fault.TextOf(err))
		} else if ours {
			wanted[a.Fold().String()] = true
		}
	}
	for name := range have {
		if !wanted[name] && r.removeAlias(ctx, acc, name) {
			delete(have, name)
		}
	}
	for name := range wanted {
		if !have[name] && r.addAlias(ctx, acc, name) {
			have[name] = true
		}
	}
	return slices.Sorted(maps.Keys(have))
}

func (r *run) addAlias(ctx context.Context, acc directory.Account, name string) bool {
	if targets, err := r.dir.AliasTargets(ctx, name); err == nil {
		if len(targets) == 1 && sameAddress(targets[0], acc.Address) {
			return true // made by hand, or by a sync that was cut off
		}
		r.problem("%s: the alias %s leads elsewhere", acc.Address, name)
		return false
	}
	if err := r.dir.AddAlias(ctx, name, []string{acc.Address}); err != nil {
		r.problem("%s: alias %s: %s", acc.Address, name, fault.TextOf(err))
		return false
	}
	r.report.Changed++
	return true
}

// removeAlias takes an alias back, unless somebody has made it lead elsewhere. It reports whether it is gone, or no longer the source's.
func (r *run) removeAlias(ctx context.Context, acc directory.Account, name string) bool {
	targets, err := r.dir.AliasTargets(ctx, name)
	if err != nil || len(targets) != 1 || !sameAddress(targets[0], acc.Address) {
		return err == nil || fault.Is(err, fault.NotFound)
	}
	if err := r.dir.RemoveAlias(ctx, name); err != nil {
		r.problem("%s: alias %s: %s", acc.Address, name, fault.TextOf(err))
		return false
	}
	r.report.Changed++
	return true
}
