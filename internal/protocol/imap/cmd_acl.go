package imap

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Principals knows whom rights can be given to. Without it ACL (RFC 4314) is not offered, and mailboxes of others are not
// shown. It must be safe for concurrent use.
type Principals interface {
	// Find finds an account or group by what people call it, an address; fault.NotFound if there is none.
	Find(ctx context.Context, name string) (kind mailbox.PrincipalKind, id uint64, err error)
	// Name is an account's or group's address; fault.NotFound if it is gone.
	Name(ctx context.Context, kind mailbox.PrincipalKind, id uint64) (string, error)
	// Groups are those that an account is in now, in the order that identities have them in.
	Groups(ctx context.Context, id ident.AccountID) ([]ident.GroupID, error)
	// Shared reports whether an account is nobody's own: its mailboxes stand below "Shared", not "Other Users".
	Shared(ctx context.Context, id ident.AccountID) (bool, error)
}

const (
	anyone       = "anyone"                                  // RFC 4314 §2
	seeingRights = mailbox.RightLookup | mailbox.RightRead | // of which MYRIGHTS needs one
		mailbox.RightInsert | mailbox.RightCreate | mailbox.RightDelete | mailbox.RightAdmin
)

// appendRights writes rights as letters, with the virtual ones.
func appendRights(b []byte, r mailbox.Rights) []byte {
	b = r.Append(b)
	if r&mailbox.CreateRights != 0 {
		b = append(b, 'c')
	}
	if r&mailbox.DeleteRights != 0 {
		b = append(b, 'd')
	}
	return b
}

// rights consumes rights as letters; what isn't known is an error (RFC 4314 §3.1).
func (d *decoder) rights(letters string) mailbox.Rights {
	r, err := mailbox.ParseRights(letters)
	if err != nil {
		d.fail("there is no such right")
	}
	return r
}

// principal is somebody whom rights are given to, and what the client calls them.
type principal struct {
	kind  mailbox.PrincipalKind
	id    uint64
	owner bool
}

// identifier consumes an identifier (RFC 4314 §3).
func (d *decoder) identifier() string {
	name := strings.TrimSpace(string(d.astring()))
	if d.ok() && name == "" {
		d.expected("an identifier")
	}
	return name
}

// principal finds whom an identifier means.
func (s *session) principal(ctx context.Context, f *box, name string) (p principal, err error) {
	switch {
	case strings.HasPrefix(name, "-"):
		return p, no("CANNOT", "rights can't be negative here") // RFC 4314 §2: not required
	case name == anyone:
		return principal{kind: mailbox.ToAnyone}, nil
	}
	p.kind, p.id, err = s.srv.principals.Find(ctx, name)
	p.owner = p.kind == mailbox.ToAccount && p.id == uint64(f.mail.Account())
	return p, err
}

// aclArguments consumes a mailbox, and an identifier if there is one.
func (s *session) aclArguments(identifier bool) (path, name string) {
	s.dec.sp()
	path = s.mailboxName()
	if identifier {
		s.dec.sp()
		name = s.dec.identifier()
	}
	return path, name
}

// aclFolder finds the folder, which must be one whose rights the client may see and change.
func (s *session) aclFolder(ctx context.Context, path string) (box, error) {
	f, err := s.folder(ctx, path)
	if err == nil && f.rights()&mailbox.RightAdmin == 0 {
		err = fault.New(fault.Denied, "you have no right to administer that mailbox")
	}
	return f, err
}

// setACL: RFC 4314 §3.1.
func (s *session) setACL(ctx context.Context) (reply, error) {
	path, name := s.aclArguments(true)
	s.dec.sp()
	letters := string(s.dec.astring())
	change := byte(0)
	if letters != "" && (letters[0] == '+' || letters[0] == '-') {
		change, letters = letters[0], letters[1:]
	}
	rights := s.dec.rights(letters)
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	return s.changeACL(ctx, path, name, func(have mailbox.Rights) mailbox.Rights {
		switch change {
		case '+':
			return have | rights
		case '-':
			return have &^ rights
		}
		return rights
	})
}

// deleteACL: RFC 4314 §3.2.
func (s *session) deleteACL(ctx context.Context) (reply, error) {
	path, name := s.aclArguments(true)
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	return s.changeACL(ctx, path, name, func(mailbox.Rights) mailbox.Rights { return 0 })
}

func (s *session) changeACL(ctx context.Context, path, name string, change func(mailbox.Rights) mailbox.Rights) (reply, error) {
	f, err := s.aclFolder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	p, err := s.principal(ctx, &f, name)
	switch {
	case err != nil:
		return reply{}, err
	case p.owner:
		return reply{}, no("CANNOT", "the owner always has all rights")
	case p.kind == mailbox.ToAnyone && !s.srv.anyone && change(0) != 0:
		return reply{}, no("NOPERM", "only the administrator shares with everybody here")
	}
	err = f.mail.UpdateGrants(ctx, f.ID, func(grants []mailbox.Grant) []mailbox.Grant {
		i := slices.IndexFunc(grants, func(g mailbox.Grant) bool { return g.Kind == p.kind && g.ID == p.id })
		if i < 0 {
			i = len(grants)
			grants = append(grants, mailbox.Grant{Kind: p.kind, ID: p.id})
		}
		grants[i].Rights = change(grants[i].Rights)
		return grants
	})
	return reply{text: "rights changed"}, err
}

// getACL: RFC 4314 §3.3.
func (s *session) getACL(ctx context.Context) (reply, error) {
	path, _ := s.aclArguments(false)
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	f, err := s.aclFolder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	b := s.appendName([]byte("* ACL "), path)
	owner := mailbox.Grant{Kind: mailbox.ToAccount, ID: uint64(f.mail.Account()), Rights: mailbox.AllRights}
	for _, g := range append([]mailbox.Grant{owner}, f.Grants...) {
		name := anyone
		if g.Kind != mailbox.ToAnyone {
			name, err = s.srv.principals.Name(ctx, g.Kind, g.ID)
		}
		if fault.Is(err, fault.NotFound) {
			continue // rights of somebody who is gone
		}
		if err != nil {
			return reply{}, err
		}
		b = append(appendString(append(b, ' '), name, s.utf8), ' ')
		b = appendRights(b, g.Rights)
	}
	s.out.set(append(append(s.out.buf(), b...), crlf...))
	return reply{text: "rights told"}, nil
}

// listRights: RFC 4314 §3.4. No rights are tied together.
func (s *session) listRights(ctx context.Context) (reply, error) {
	path, name := s.aclArguments(true)
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	f, err := s.aclFolder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	p, err := s.principal(ctx, &f, name)
	if err != nil {
		return reply{}, err
	}
	b := append(s.appendName([]byte("* LISTRIGHTS "), path), ' ')
	b = append(appendString(b, name, s.utf8), ' ')
	if p.owner {
		b = appendRights(b, mailbox.AllRights)
	} else {
		b = append(b, `""`...)
		for _, c := range appendRights(nil, mailbox.AllRights) {
			b = append(b, ' ', c)
		}
	}
	s.out.set(append(append(s.out.buf(), b...), crlf...))
	return reply{text: "rights told"}, nil
}

// myRights: RFC 4314 §3.5.
func (s *session) myRights(ctx context.Context) (reply, error) {
	path, _ := s.aclArguments(false)
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	f, err := s.folder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	if f.rights()&seeingRights == 0 {
		return reply{}, errNoMailbox
	}
	s.tellMyRights(path, &f)
	return reply{text: "rights told"}, nil
}

func (s *session) tellMyRights(path string, f *box) {
	b := append(s.appendName(append(s.out.buf(), "* MYRIGHTS "...), path), ' ')
	s.out.set(append(appendRights(b, f.rights()), crlf...))
}

// needsPrincipals makes a command one that isn't there if nobody is known who could be given rights.
func needsPrincipals(run func(*session, context.Context) (reply, error)) func(*session, context.Context) (reply, error) {
	return func(s *session, ctx context.Context) (reply, error) {
		if s.srv.principals == nil {
			return reply{}, bad("no such command")
		}
		return run(s, ctx)
	}
}
