package imap

import (
	"context"
	"fmt"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// An account with a limit has one quota root (RFC 9208 §3.2): "" is the client's own, those of others are called as the path
// above their folders.

var errNoRoot = no("NONEXISTENT", "no such quota root")

// getQuota: RFC 9208 §4.1.1.
func (s *session) getQuota(ctx context.Context) (reply, error) {
	s.dec.sp()
	root := s.mailboxName()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	mail, err := s.quotaRoot(ctx, root)
	if err != nil {
		return reply{}, err
	}
	if !limited(mail) {
		return reply{}, errNoRoot
	}
	s.sendQuota(mail, root)
	return reply{text: "quota told"}, nil
}

// quotaRoot finds the account of a quota root. Of somebody else's only those hear who may read something there, since it tells
// how much there is (RFC 9208 §6), or who may set quotas.
func (s *session) quotaRoot(ctx context.Context, root string) (*mailbox.Session, error) {
	if root == "" {
		return s.mail, nil
	}
	if s.maySetQuotas(ctx) {
		id, err := s.anyRoot(ctx, root)
		if err != nil {
			return nil, err
		}
		return s.guest(ctx, id)
	}
	all, err := s.others(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(o other) bool { return o.prefix == root })
	if i < 0 {
		return nil, errNoRoot
	}
	mail, err := s.guest(ctx, all[i].id)
	if err != nil {
		return nil, errNoRoot
	}
	if !slices.ContainsFunc(mail.Tree(), func(f mailbox.Placed) bool { return mail.Rights(f.ID)&mailbox.RightRead != 0 }) {
		return nil, errNoRoot
	}
	return mail, nil
}

// getQuotaRoot: RFC 9208 §4.1.2.
func (s *session) getQuotaRoot(ctx context.Context) (reply, error) {
	s.dec.sp()
	path := s.mailboxName()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	f, err := s.folder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	if f.rights()&mailbox.RightRead == 0 { // RFC 9208 §6
		return reply{}, fault.New(fault.Denied, "you have no right to read that mailbox")
	}
	root := ""
	if s.foreign(f.mail) {
		o, err := s.other(ctx, f.mail.Account())
		if err != nil {
			return reply{}, err
		}
		root = o.prefix
	}
	b := s.appendName(append(s.out.buf(), "* QUOTAROOT "...), path)
	if !limited(f.mail) {
		s.out.set(append(b, crlf...))
		return reply{text: "nothing is limited"}, nil
	}
	s.out.set(append(s.appendName(append(b, ' '), root), crlf...))
	s.sendQuota(f.mail, root)
	return reply{text: "quota told"}, nil
}

// limited reports whether an account has a limit, and so a quota root.
func limited(mail *mailbox.Session) bool {
	l := mail.State().Limit
	return l.Bytes > 0 || l.Items > 0
}

// sendQuota tells the limits that there are. STORAGE is in units of 1,024 bytes (RFC 9208 §5.1), use rounded up.
func (s *session) sendQuota(mail *mailbox.Session, root string) {
	st := mail.State()
	b := append(s.appendName(append(s.out.buf(), "* QUOTA "...), root), " ("...)
	if st.Limit.Bytes > 0 {
		b = fmt.Appendf(b, "STORAGE %d %d", (st.Used.Bytes+1023)/1024, st.Limit.Bytes/1024)
	}
	if st.Limit.Items > 0 {
		if st.Limit.Bytes > 0 {
			b = append(b, ' ')
		}
		b = fmt.Appendf(b, "MESSAGE %d %d", st.Used.Items, st.Limit.Items)
	}
	s.out.set(append(b, ")\r\n"...))
}
