package imap

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// uses are the special uses of folders (RFC 6154 §2).
var uses = [...]struct {
	role mailbox.Role
	name string
}{
	{mailbox.Drafts, `\Drafts`}, {mailbox.Sent, `\Sent`}, {mailbox.Junk, `\Junk`},
	{mailbox.Trash, `\Trash`}, {mailbox.Archive, `\Archive`},
}

// use is an entry's special-use attribute, "" if it has none. Those of others are told to nobody else: a client would take
// their Sent for the client's own.
func (e *entry) use() string {
	if e.folder != nil && !e.foreign {
		for _, u := range uses {
			if u.role == e.folder.Role {
				return u.name
			}
		}
	}
	return ""
}

// roleOf finds the role of a special use named without its backslash.
func roleOf(name string) (mailbox.Role, bool) {
	for _, u := range uses {
		if strings.EqualFold(u.name[1:], name) {
			return u.role, true
		}
	}
	return mailbox.NoRole, false
}

// useEntry is the annotation of a mailbox that is its special use (RFC 6154 §4).
const useEntry = privateEntries + "specialuse"

// addUse puts the special use into a mailbox's annotations, in the place of what an earlier version may have stored.
func (s *session) addUse(all annotations, f *box) {
	delete(all, useEntry)
	e := entry{folder: f, foreign: s.foreign(f.mail)}
	if use := e.use(); use != "" {
		all[useEntry] = []byte(use)
	}
}

func errUse() error { return no("USEATTR", "that special use is not possible, or taken") }

// useWanted reads what the special use of a mailbox is to be. It must be one that CREATE would give it: one alone, which no other mailbox
// has; and that of a mailbox is its owner's business.
func (s *session) useWanted(f *box, value []byte) (mailbox.Role, error) {
	names := strings.Fields(string(value))
	if s.foreign(f.mail) || f.Role == mailbox.Inbox && len(names) > 0 || len(names) > 1 {
		return 0, errUse()
	}
	if len(names) == 0 {
		return mailbox.NoRole, nil
	}
	name, ok := strings.CutPrefix(names[0], `\`)
	role, known := roleOf(name)
	if other, taken := s.mail.FolderByRole(role); !ok || !known || taken && other.ID != f.ID {
		return 0, errUse()
	}
	return role, nil
}

// setUse gives a mailbox its special use, with other annotations.
func (s *session) setUse(ctx context.Context, f *box, value []byte, patch map[mailbox.PropScope]map[string][]byte) error {
	role, err := s.useWanted(f, value)
	if err != nil {
		return err
	}
	p := mailbox.FolderPatch{Role: &role, Props: patch}
	if f.Role == mailbox.Inbox {
		p.Role = nil
	}
	_, err = f.mail.UpdateFolder(ctx, f.ID, p)
	if fault.Is(err, fault.Exists) {
		err = errUse()
	}
	return err
}
