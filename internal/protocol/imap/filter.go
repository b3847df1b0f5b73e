package imap

import (
	"context"
	"slices"
	"strings"
)

// mailboxFilter says which mailboxes a command is about: filter-mailboxes of RFC 5465 §6, with what RFC 7377 §2.2 adds.
type mailboxFilter struct {
	kind  string // in lower case
	paths []string
}

// maxFilterNames is how many mailboxes may be named in one command.
const maxFilterNames = 1000

// mailboxFilter consumes filter-mailboxes.
func (s *session) mailboxFilter() (f mailboxFilter) {
	d := &s.dec
	f.kind = strings.ToLower(d.keyword())
	switch f.kind {
	case "selected", "selected-delayed", "inboxes", "personal", "subscribed":
	case "subtree", "subtree-one", "mailboxes":
		d.sp()
		if d.peek() != '(' {
			f.paths = []string{s.mailboxName()}
			break
		}
		d.list(func() {
			if f.paths = append(f.paths, s.mailboxName()); len(f.paths) > maxFilterNames {
				d.fail("too many mailboxes")
			}
		})
		if d.ok() && len(f.paths) == 0 {
			d.expected("a mailbox")
		}
	default:
		d.fail("no such kind of mailboxes")
	}
	return f
}

// selects reports whether the filter is about the selected mailbox as such.
func (f *mailboxFilter) selects() bool { return f.kind == "selected" || f.kind == "selected-delayed" }

// covers reports whether a folder is among those meant. Mail may come to any folder, so "inboxes" is "personal" (RFC 5465
// §6.3).
func (f *mailboxFilter) covers(b *placed) bool {
	switch f.kind {
	case "inboxes", "personal":
		return !b.foreign
	case "subscribed":
		return b.Subscribed
	}
	for _, p := range f.paths {
		below, found := strings.CutPrefix(b.path, p+string(separator))
		switch {
		case b.path == p,
			found && f.kind == "subtree",
			found && f.kind == "subtree-one" && !strings.ContainsRune(below, separator):
			return true
		}
	}
	return false
}

// reaches reports whether folders of others may be among those meant.
func (f *mailboxFilter) reaches() bool {
	return f.kind == "subscribed" || slices.ContainsFunc(f.paths, inNamespace)
}

// boxesOf is boxes, without those of others if none of the filters can mean one. Subscribed tells what the client is
// subscribed to, also of others.
func (s *session) boxesOf(ctx context.Context, filters []mailboxFilter) ([]placed, error) {
	selects := func(f mailboxFilter) bool { return f.selects() && s.sel != nil && s.foreign(s.sel.mail) }
	if !slices.ContainsFunc(filters, func(f mailboxFilter) bool { return f.reaches() || selects(f) }) {
		return s.ownBoxes(), nil
	}
	all, err := s.boxes(ctx)
	if err != nil || !slices.ContainsFunc(all, func(b placed) bool { return b.foreign }) {
		return all, err
	}
	names, err := lostSubscriptions(ctx, s.mail)
	for i := range all {
		if all[i].foreign {
			_, all[i].Subscribed = slices.BinarySearch(names, all[i].path)
		}
	}
	return all, err
}
