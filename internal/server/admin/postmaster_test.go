package admin

import "context"

func (r *recorder) Postmaster(context.Context) (Postmaster, error) {
	return Postmaster{"ann@x.example"}, r.note("postmaster")
}

func (r *recorder) SetPostmaster(_ context.Context, p Postmaster) error {
	return r.note("set postmaster %s", p.Address)
}
