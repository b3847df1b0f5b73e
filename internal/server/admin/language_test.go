package admin

import "context"

func (r *recorder) Language(_ context.Context, a string) (Language, error) {
	return Language{"a@x.example", "de"}, r.note("language %s", a)
}
func (r *recorder) SetLanguage(_ context.Context, l Language) error {
	return r.note("language of %s: %s", l.Address, l.Tag)
}
