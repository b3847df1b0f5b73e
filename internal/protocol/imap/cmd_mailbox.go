package imap

import (
	"cmp"
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// create: RFC 9051 §6.3.4, with the USE parameter of RFC 6154 §3. Missing parents are made too.
func (s *session) create(ctx context.Context) (reply, error) {
	s.dec.sp()
	path, spelled := s.spelledName()
	path = strings.TrimSuffix(path, string(separator)) // RFC 9051 §6.3.4: a mere declaration
	role, ok := s.createParams()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if err := s.mayUse(ctx, path, role, ok); err != nil {
		return reply{}, err
	}
	s.effects().doing = []string{path}
	f, err := s.makeFolder(ctx, path, role)
	if err != nil {
		return reply{}, err
	}
	s.tellOldName(&f, path, spelled)
	return reply{"MAILBOXID (" + s.folderID(f.mail, f.ID) + ")", "mailbox created"}, nil
}

// mayUse checks that a new mailbox may have a special use: that of a folder is its owner's business.
func (s *session) mayUse(ctx context.Context, path string, role mailbox.Role, ok bool) error {
	if ok && role == mailbox.NoRole {
		return nil
	}
	at, _, err := s.walk(ctx, path)
	_, taken := s.mail.FolderByRole(role)
	if err == nil && (!ok || taken || at.mail != s.mail) {
		err = errUse()
	}
	return err
}

// createParams consumes create-params; ok is false if the special use is none that a folder can have.
func (s *session) createParams() (role mailbox.Role, ok bool) {
	ok = true
	if !s.dec.trySP() {
		return role, ok
	}
	s.dec.list(func() {
		if s.dec.keyword() != "USE" {
			s.dec.fail("no such parameter of CREATE")
		}
		s.dec.sp()
		s.dec.list(func() {
			s.dec.special('\\')
			r, known := roleOf(string(s.dec.atom()))
			ok = ok && known && role == mailbox.NoRole
			role = r
		})
	})
	return role, ok
}

// makeFolder makes the folder of a path that isn't there, with its parents.
func (s *session) makeFolder(ctx context.Context, path string, role mailbox.Role) (box, error) {
	at, rest, err := s.freeName(ctx, path)
	if err != nil {
		return at, err
	}
	for i, name := range rest {
		n := mailbox.NewFolder{Name: name, Parent: at.ID}
		if i == len(rest)-1 {
			n.Role = role
		}
		if at.Folder, err = at.mail.CreateFolder(ctx, n); err != nil {
			return at, err
		}
	}
	return at, nil
}

// freeName goes down a path at which there is nothing yet, as walk does.
func (s *session) freeName(ctx context.Context, path string) (at box, rest []string, err error) {
	at, rest, err = s.walk(ctx, path)
	switch {
	case err != nil:
	case len(rest) == 0 && at.ID != 0:
		err = fault.New(fault.Exists, "that mailbox exists")
	case len(rest) == 0, at.mail == nil:
		// In the words for a mailbox that hides what may be made below it.
		err = fault.New(fault.Denied, "you have no right to make folders here")
	}
	return at, rest, err
}

// delete: RFC 9051 §6.3.5. A mailbox with others below it stays. Its subscription stays too,
// as RFC 9051 §6.3.7 has it.
func (s *session) delete(ctx context.Context) (reply, error) {
	s.dec.sp()
	path, spelled := s.spelledName()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	f, err := s.folder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	if f.Role == mailbox.Inbox {
		return reply{}, no("CANNOT", "INBOX can't be deleted")
	}
	s.effects().doing = []string{path}
	keep, done, err := s.keepSubscription(ctx, &f)
	if err != nil {
		return reply{}, err
	}
	defer done()
	err = f.mail.DeleteFolder(ctx, f.ID)
	if err != nil {
		if e := keep(false); e != nil { // it stays, and has its own mark
			return reply{}, e
		}
	}
	if fault.Is(err, fault.Conflict) {
		return reply{}, no("HASCHILDREN", "delete the mailboxes below it first")
	}
	if err != nil {
		return reply{}, err
	}
	if s.selected(&f) {
		s.deselect()
		s.remark("OK", "CLOSED", "the selected mailbox was deleted")
	}
	s.tellOldName(nil, path, spelled)
	return reply{text: "mailbox deleted"}, nil
}

// rename: RFC 9051 §6.3.6.
func (s *session) rename(ctx context.Context) (reply, error) {
	s.dec.sp()
	from, fromSpelled := s.spelledName()
	s.dec.sp()
	to, toSpelled := s.spelledName()
	to = strings.TrimSuffix(to, string(separator))
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	f, err := s.folder(ctx, from)
	if err != nil {
		return reply{}, err
	}
	s.effects().doing = []string{from, to}
	if f.Role == mailbox.Inbox {
		return s.renameInbox(ctx, f, to)
	}
	if strings.HasPrefix(to, from+string(separator)) {
		return reply{}, no("CANNOT", "a mailbox can't go below itself")
	}
	parent, name, err := s.makeParents(ctx, f.mail, to)
	if err != nil {
		return reply{}, err
	}
	f.Folder, err = f.mail.UpdateFolder(ctx, f.ID, mailbox.FolderPatch{Name: &name, Parent: &parent})
	if err != nil {
		return reply{}, err
	}
	if s.selected(&f) {
		s.sel.path = to
	}
	if fromSpelled != "" || toSpelled != "" {
		s.tellOldName(&f, to, cmp.Or(fromSpelled, from))
	}
	return reply{text: "mailbox renamed"}, nil
}

// makeParents makes what is missing above a path that isn't there, in the account that something is to be renamed in.
func (s *session) makeParents(ctx context.Context, mail *mailbox.Session, path string) (parent mailbox.FolderID, name string, err error) {
	at, rest, err := s.freeName(ctx, path)
	if err == nil && at.mail.Account() != mail.Account() {
		err = no("CANNOT", "a mailbox can't be renamed into somebody else's account: copy its messages")
	}
	for err == nil && len(rest) > 1 {
		at.Folder, err = mail.CreateFolder(ctx, mailbox.NewFolder{Name: rest[0], Parent: at.ID})
		rest = rest[1:]
	}
	if err != nil {
		return 0, "", err
	}
	return at.ID, rest[0], nil
}

// renameInbox moves the messages of INBOX to a new mailbox and leaves INBOX empty. Mailboxes below INBOX stay.
func (s *session) renameInbox(ctx context.Context, inbox box, to string) (reply, error) {
	if s.foreign(inbox.mail) {
		return reply{}, no("CANNOT", "the INBOX of somebody else stays what it is")
	}
	if at, _, err := s.walk(ctx, to); err == nil && at.mail != s.mail {
		return reply{}, no("CANNOT", "INBOX can't be renamed into somebody else's account: move its messages")
	}
	made, err := s.makeFolder(ctx, to, mailbox.NoRole)
	if err != nil {
		return reply{}, err
	}
	if err := s.copyAnnotations(ctx, &inbox, &made); err != nil {
		return reply{}, err
	}
	view, err := s.mail.View(ctx, inbox.ID)
	if err != nil {
		return reply{}, err
	}
	uids := make([]mailbox.UID, 0, view.Len())
	for _, r := range view.All(0, view.Len()) {
		uids = append(uids, r.UID)
	}
	if len(uids) > 0 {
		_, _, err = s.mail.Move(ctx, inbox.ID, uids, made.ID)
	}
	return reply{text: "messages moved"}, err
}

// copyAnnotations: those of INBOX stay, and its new name has them too (RFC 5464 §4.1).
func (s *session) copyAnnotations(ctx context.Context, from, to *box) error {
	all, err := s.annotations(ctx, from)
	if err != nil || len(all) == 0 {
		return err
	}
	return s.annotateFolder(ctx, to, all)
}

// namespace: RFC 9051 §6.3.10.
func (s *session) namespace(context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	s.tellNamespaces()
	if s.srv.principals == nil {
		return reply{text: "one namespace, yours"}, nil
	}
	return reply{text: "your own, those of others, and what is shared"}, nil
}

func (s *session) tellNamespaces() {
	if s.srv.principals == nil {
		s.out.line(`* NAMESPACE (("" "/")) NIL NIL`)
		return
	}
	s.out.line(`* NAMESPACE (("" "/")) (("`, otherUsers, `/" "/"`, s.lang.namespace(otherUsers), `)) (("`, sharedBy, `/" "/"`, s.lang.namespace(sharedBy), `))`)
}
