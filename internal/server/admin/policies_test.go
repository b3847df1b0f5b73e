package admin

import "context"

var aPolicy = Policy{ID: 3, Kind: "sender", Scope: "x.example", Pattern: "spam.example", Action: "reject", Direction: "in"}

func (r *recorder) Policies(context.Context) ([]Policy, error) {
	return []Policy{aPolicy}, r.note("policies")
}
func (r *recorder) AddPolicy(_ context.Context, p Policy) (Policy, error) {
	return aPolicy, r.note("add policy %v", p)
}
func (r *recorder) RemovePolicy(_ context.Context, p PolicyID) error {
	return r.note("remove policy %v", p)
}
