package admin

import (
	"context"
	"time"
)

var aUsage = AccountUsage{Address: "a@x.example", Held: time.Unix(1e9, 0).UTC(), Reason: "because", Authors: "own", AuthorsOwn: true, MessagesHour: Count{1, 2}, RefusedDay: Count{3, -1}}

func (r *recorder) AccountLimits(_ context.Context, a string) (AccountUsage, error) {
	return aUsage, r.note("limits %s", a)
}
func (r *recorder) ResetAccountLimits(_ context.Context, a string) error {
	return r.note("reset limits %s", a)
}
func (r *recorder) HeldAccounts(context.Context) ([]AccountUsage, error) {
	return []AccountUsage{aUsage}, r.note("held")
}
func (r *recorder) SetAccountAuthors(_ context.Context, c AuthorsChange) error {
	return r.note("authors of %s: %s", c.Address, c.Rule)
}
