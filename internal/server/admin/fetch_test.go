package admin

import "context"

func (r *recorder) Fetches(_ context.Context, a string) ([]Fetch, error) {
	return []Fetch{{ID: 1}}, r.note("fetches %s", a)
}
func (r *recorder) AddFetch(_ context.Context, f NewFetch) (Fetch, error) {
	return Fetch{ID: 1}, r.note("add fetch %v", f)
}
func (r *recorder) SetFetchSecret(_ context.Context, s FetchSecret) error {
	return r.note("secret of fetch %v", s)
}
func (r *recorder) RemoveFetch(_ context.Context, id uint32) error {
	return r.note("remove fetch %d", id)
}
func (r *recorder) RunFetch(_ context.Context, id uint32) (Fetched, error) {
	return Fetched{Fetched: 1}, r.note("run fetch %d", id)
}
func (r *recorder) AskFetch(_ context.Context, q FetchQuestion) (FetchPermission, error) {
	return FetchPermission{URL: "https://id.example"}, r.note("ask fetch %v", q)
}
func (r *recorder) AllowFetch(_ context.Context, x FetchAnswer) (FetchAllowed, error) {
	return FetchAllowed{Allowed: true}, r.note("allow fetch %v", x)
}
