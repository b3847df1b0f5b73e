package rules

import (
	"context"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
)

// world answers the questions of one run, also those about the owner.
type world struct {
	ctx     context.Context
	rules   *Rules
	session *mailbox.Session
	address [1]string        // of the account
	owner   *mailbox.Session // acts for the owner; nil: not opened yet
}

// complete fills in what is known of the account. The world must be closed.
func (r *Rules) complete(ctx context.Context, s *mailbox.Session, env *sieve.Environment) (*world, error) {
	p, err := r.o.Dir.ProfileByID(ctx, s.Account())
	if err != nil {
		return nil, err
	}
	w := &world{ctx: ctx, rules: r, session: s, address: [1]string{p.Account.Address}}
	env.Now = r.o.Now().In(r.o.Location)
	env.Addresses, env.Name = w.address[:], p.Account.DisplayName
	env.World, env.Owner = w, w
	return w, nil
}

func (w *world) domain() string { return w.address[0][strings.LastIndexByte(w.address[0], '@')+1:] }

// Mine implements sieve.Owner.
func (w *world) Mine(address string) (bool, error) {
	return w.rules.o.Dir.MaySend(w.ctx, w.session.Account(), address)
}

// Item implements sieve.Owner. RFC 5183 §4.1.
func (w *world) Item(name string) (string, bool) {
	switch name {
	case "domain":
		return w.domain(), true
	case "host":
		return w.rules.o.Host, true
	case "vnd.dovecot.username":
		return w.address[0], true
	}
	return "", false
}

// Separators implements sieve.Owner.
func (w *world) Separators() string {
	d, err := w.rules.o.Dir.Domain(w.ctx, w.domain())
	if err != nil {
		return ""
	}
	return d.Delimiters
}

func (w *world) close() {
	if w.owner != nil {
		w.owner.Close()
	}
}

// FindFolder finds a folder by its path, with "/" between the levels; the INBOX in any case of letters. missing is what isn't there of
// the path, and at the folder that is there (0: none).
func FindFolder(s *mailbox.Session, path string) (f mailbox.Folder, at mailbox.FolderID, missing []string) {
	parts := strings.Split(path, "/")
	if strings.EqualFold(parts[0], "INBOX") {
		if inbox, ok := s.FolderByRole(mailbox.Inbox); ok {
			f, at, parts = inbox, inbox.ID, parts[1:]
		}
	}
	for i, name := range parts {
		next, ok := s.Child(at, name)
		if !ok {
			return f, at, parts[i:]
		}
		f, at = next, next.ID
	}
	return f, at, nil
}

// ByMailboxID finds a folder by its OBJECTID (RFC 8474 §4), as IMAP tells it.
func ByMailboxID(s *mailbox.Session, id string) (mailbox.Folder, bool) {
	rest, ok := strings.CutPrefix(id, "F")
	n, err := strconv.ParseUint(rest, 10, 48)
	if !ok || err != nil {
		return mailbox.Folder{}, false
	}
	f, err := s.Folder(mailbox.FolderID(n))
	return f, err == nil
}

// roles are the special uses of RFC 6154 and what they are here.
var roles = map[string]mailbox.Role{
	"\\drafts": mailbox.Drafts, "\\sent": mailbox.Sent, "\\junk": mailbox.Junk, "\\trash": mailbox.Trash, "\\archive": mailbox.Archive,
}

// ByUse finds a folder by its special use.
func ByUse(s *mailbox.Session, use string) (mailbox.Folder, bool) {
	role := RoleOf(use)
	if role == mailbox.NoRole {
		return mailbox.Folder{}, false
	}
	return s.FolderByRole(role)
}

// RoleOf is the role of a folder with a special use; NoRole: there is none.
func RoleOf(use string) mailbox.Role { return roles[strings.ToLower(use)] }

// Mailbox implements sieve.World.
func (w *world) Mailbox(_ context.Context, name string) (bool, error) {
	_, _, missing := FindFolder(w.session, name)
	return missing == nil, nil
}

// MailboxID implements sieve.World.
func (w *world) MailboxID(_ context.Context, id string) (bool, error) {
	_, ok := ByMailboxID(w.session, id)
	return ok, nil
}

// SpecialUse implements sieve.World.
func (w *world) SpecialUse(_ context.Context, name, use string) (bool, error) {
	f, ok := ByUse(w.session, use)
	if !ok || name == "" {
		return ok, nil
	}
	named, _, missing := FindFolder(w.session, name)
	return missing == nil && named.ID == f.ID, nil
}

// asOwner is the session of the owner, who sees private annotations.
func (w *world) asOwner(ctx context.Context) (*mailbox.Session, error) {
	if w.owner != nil {
		return w.owner, nil
	}
	who, err := w.rules.o.Dir.Identity(ctx, w.session.Account())
	if err != nil {
		return nil, err
	}
	w.owner, err = w.rules.o.Store.Open(ctx, w.session.Account(), who)
	return w.owner, err
}

// annotationPrefix is how IMAP names annotations of the server among the account's properties.
const annotationPrefix = "imap.annotation."

// Metadata implements sieve.World: RFC 5464 annotations as IMAP has them.
func (w *world) Metadata(ctx context.Context, name, annotation string) (string, bool, error) {
	annotation = strings.ToLower(annotation)
	entry, private := strings.CutPrefix(annotation, "/private/")
	if !private {
		entry = strings.TrimPrefix(annotation, "/shared/")
	}
	s, err := w.asOwner(ctx)
	if err != nil {
		return "", false, err
	}
	props := map[string][]byte{}
	switch {
	case name == "" && private:
		props, err = s.Props(ctx)
		entry = annotationPrefix + entry
	case name != "":
		f, _, missing := FindFolder(s, name)
		if missing != nil {
			return "", false, nil
		}
		scope := mailbox.SharedProps
		if private {
			scope = mailbox.PrivateProps
		}
		props, err = s.FolderProps(ctx, f.ID, scope)
		if fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) {
			return "", false, nil
		}
	}
	v, ok := props[entry]
	return string(v), ok, err
}

// Seen implements sieve.World.
func (w *world) Seen(ctx context.Context, id string) (bool, error) {
	return w.session.Remembers(ctx, DuplicateID(id))
}
