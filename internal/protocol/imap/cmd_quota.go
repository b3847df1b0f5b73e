package imap

import (
	"context"
	"fmt"
)

// An account with a limit has one quota root, named "" (RFC 9208 §3.2).

// getQuota: RFC 9208 §4.1.1.
func (s *session) getQuota(context.Context) (reply, error) {
	s.dec.sp()
	root := s.dec.astring()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if len(root) > 0 || !s.limited() {
		return reply{}, no("NONEXISTENT", "no such quota root")
	}
	s.sendQuota()
	return reply{text: "quota told"}, nil
}

// getQuotaRoot: RFC 9208 §4.1.2.
func (s *session) getQuotaRoot(context.Context) (reply, error) {
	s.dec.sp()
	path := s.mailboxName()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if _, err := s.folder(path); err != nil {
		return reply{}, err
	}
	b := s.appendName(append(s.out.buf(), "* QUOTAROOT "...), path)
	if !s.limited() {
		s.out.set(append(b, crlf...))
		return reply{text: "nothing is limited"}, nil
	}
	s.out.set(append(b, " \"\"\r\n"...))
	s.sendQuota()
	return reply{text: "quota told"}, nil
}

// limited reports whether the account has a limit, and so a quota root.
func (s *session) limited() bool {
	l := s.mail.State().Limit
	return l.Bytes > 0 || l.Items > 0
}

// sendQuota tells the limits that there are. STORAGE is in units of 1,024 bytes (RFC 9208 §5.1), use rounded up.
func (s *session) sendQuota() {
	st := s.mail.State()
	line := `* QUOTA "" (`
	if st.Limit.Bytes > 0 {
		line += fmt.Sprintf("STORAGE %d %d", (st.Used.Bytes+1023)/1024, st.Limit.Bytes/1024)
	}
	if st.Limit.Items > 0 {
		if st.Limit.Bytes > 0 {
			line += " "
		}
		line += fmt.Sprintf("MESSAGE %d %d", st.Used.Items, st.Limit.Items)
	}
	s.out.line(line, ")")
}
