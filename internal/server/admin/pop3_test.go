package admin

import (
	"context"
)

func (r *recorder) AccountPOP3(_ context.Context, a string) (POP3, error) {
	return POP3{Enabled: true, OnDelete: "keep"}, r.note("pop3 of %s", a)
}
func (r *recorder) SetAccountPOP3(_ context.Context, c POP3Change) (POP3, error) {
	return POP3{}, r.note("set pop3 %s %v %v %v %v %v", c.Address, *c.Enabled, *c.Since, *c.OnDelete, *c.RemoveAfterDays, *c.MarkSeen)
}
