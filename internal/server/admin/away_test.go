package admin

import (
	"context"
)

func (r *recorder) Away(_ context.Context, a string) (Away, error) {
	return Away{State: "on", Audience: "all"}, r.note("away of %s", a)
}
func (r *recorder) SetAway(_ context.Context, c AwayChange) (Away, error) {
	return Away{}, r.note("set away %s %v %v", c.Address, *c.State, *c.Text)
}
