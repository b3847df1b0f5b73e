package imap

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Quotas changes quotas. It must be safe for concurrent use.
type Quotas interface {
	// May reports whether somebody may set quotas.
	May(ctx context.Context, who ident.AccountID) bool
	// Set limits the bytes of an account, as somebody has asked who may; 0: no limit.
	Set(ctx context.Context, by ident.Identity, id ident.AccountID, bytes int64) error
}

// maySetQuotas reports whether the client may set quotas, and so hears of QUOTASET. Others are told that there is no such
// command.
func (s *session) maySetQuotas(ctx context.Context) bool {
	return s.srv.quotas != nil && s.srv.quotas.May(ctx, s.who.Account)
}

// maxResources is how many resources a SETQUOTA may name.
const maxResources = 16

// setQuota: RFC 9208 §4.1.3. Roots are those of GETQUOTA, and of all other accounts too: who may do this is an administrator,
// for whom it is no secret which there are. STORAGE alone can be set; without it there is no limit.
func (s *session) setQuota(ctx context.Context) (reply, error) {
	d := &s.dec
	d.sp()
	root := s.mailboxName()
	d.sp()
	kib, unknown, n := int64(0), "", 0
	d.list(func() {
		name := d.keyword()
		d.sp()
		limit := d.number64()
		if n++; n > maxResources {
			d.fail("too many resources")
		}
		if name != "STORAGE" || limit == 0 || limit > 1<<42 {
			unknown = name
		}
		kib = limit
	})
	if err := d.end(); err != nil {
		return reply{}, err
	}
	switch {
	case !s.maySetQuotas(ctx):
		return reply{}, fault.New(fault.Denied, "you may not set quotas")
	case unknown != "" || n > 1:
		return reply{}, no("CANNOT", "only a limit of STORAGE can be set, and not to nothing")
	}
	id, err := s.anyRoot(ctx, root)
	if err != nil {
		return reply{}, err
	}
	if err := s.srv.quotas.Set(ctx, s.who, id, kib<<10); err != nil {
		return reply{}, err
	}
	mail, err := s.srv.store.Open(ctx, id, ident.System())
	if err != nil {
		return reply{}, err
	}
	defer mail.Close()
	s.sendQuota(mail, root)
	return reply{text: "quota set"}, nil
}

// anyRoot finds the account of a quota root, whether the client sees something of it or not.
func (s *session) anyRoot(ctx context.Context, root string) (ident.AccountID, error) {
	if root == "" {
		return s.who.Account, nil
	}
	top, address, ok := strings.Cut(root, string(separator))
	if !ok || s.srv.principals == nil || !inNamespace(root) {
		return 0, errNoRoot
	}
	kind, id, err := s.srv.principals.Find(ctx, unescapeName(address))
	if fault.Is(err, fault.NotFound) || err == nil && kind != mailbox.ToAccount {
		return 0, errNoRoot
	}
	if err != nil {
		return 0, err
	}
	o, err := s.other(ctx, ident.AccountID(id))
	if err == nil && o.prefix != top+string(separator)+address {
		err = errNoRoot
	}
	return ident.AccountID(id), err
}
