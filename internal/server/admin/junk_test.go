package admin

import "context"

func (r *recorder) Junk(_ context.Context, a string) (JunkState, error) {
	return JunkState{Address: a, Junk: 3}, r.note("junk of %q", a)
}
func (r *recorder) SharedJunk(context.Context) (JunkState, error) {
	return JunkState{Senders: 2}, r.note("shared junk")
}
func (r *recorder) SetJunk(_ context.Context, c JunkChange) (JunkState, error) {
	return JunkState{Off: c.Off}, r.note("set junk %v", c)
}
func (r *recorder) WhyJunk(_ context.Context, q JunkQuery) (JunkReasons, error) {
	return JunkReasons{Junk: true, Score: 99, Arrived: &JunkRemark{Score: 3}}, r.note("why %v", q)
}
func (r *recorder) TestJunk(_ context.Context, q JunkTest) (JunkReasons, error) {
	return JunkReasons{Reasons: []JunkReason{{"body: pills", 1.5}}}, r.note("test %s %s", q.Address, q.Text)
}
func (r *recorder) TrainJunk(_ context.Context, l JunkLessons) (JunkTrained, error) {
	return JunkTrained{Learned: 2}, r.note("train %s %v %s", l.Address, l.Junk, l.Texts)
}
func (r *recorder) ForgetJunk(_ context.Context, a string) error {
	return r.note("forget junk of %s", a)
}
