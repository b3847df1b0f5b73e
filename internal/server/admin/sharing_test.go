package admin

import "context"

func (r *recorder) Shares(_ context.Context, a string) ([]Share, error) {
	return []Share{{"INBOX", "b@x.example", "lr"}}, r.note("shares %s", a)
}
func (r *recorder) SetShare(_ context.Context, c ShareChange) (ShareResult, error) {
	return ShareResult{7}, r.note("share %v", c)
}
