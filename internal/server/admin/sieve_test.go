package admin

import "context"

func (r *recorder) Scripts(_ context.Context, a string) ([]FilterScript, error) {
	return []FilterScript{{Name: "main", Bytes: 5, Active: true}}, r.note("scripts of %s", a)
}
func (r *recorder) Script(_ context.Context, n ScriptName) (FilterScript, error) {
	return FilterScript{Name: n.Name, Bytes: 5, Text: "keep;"}, r.note("script %v", n)
}
func (r *recorder) PutScript(_ context.Context, n NewScript) (ScriptCheck, error) {
	return ScriptCheck{Warnings: []string{"1:1: odd"}}, r.note("put script %v", n)
}
func (r *recorder) ActivateScript(_ context.Context, n ScriptName) error {
	return r.note("activate script %v", n)
}
func (r *recorder) DeleteScript(_ context.Context, n ScriptName) error {
	return r.note("delete script %v", n)
}
