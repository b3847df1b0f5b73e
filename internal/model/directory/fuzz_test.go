package directory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
)

// FuzzResolve: whatever address a stranger writes to, there is an answer or one of the errors that Resolve names, it is the
// same twice, and leads nowhere that isn't in the directory.
func FuzzResolve(f *testing.F) {
	d := newDirectory(f)
	ann := add(f, d, "ann")
	newList(f, d, NewGroup{Address: "club@example.org", Members: []string{"x@elsewhere.example"}, Owners: []string{"ann@example.org"}})
	ok(f, d.AddAlias(f.Context(), "a+b@example.org", []string{"club-owner@example.org", "y@elsewhere.example"}))
	delimiters(f, d, "+-")
	for _, s := range []string{"ann@example.org", "ann+x-y@example.org", "club+bounces+a=b.c@example.org", "club-owner@EXAMPLE.org", "a+b-c@example.org", "postmaster",
		`"ann+x y"@example.org`, "+bounces+@example.org", "--------@example.org", "用户+x@example.org", "abuse-x@example.org", "ann@[192.0.2.1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := d.Resolve(t.Context(), s)
		if err != nil {
			switch fault.KindOf(err) {
			case fault.NotFound, fault.Unsupported, fault.Invalid:
				return
			}
			t.Fatalf("%q: %v", s, err)
		}
		again, err := d.Resolve(t.Context(), s)
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Fatalf("%q: %v %s", s, err, diff)
		}
		for _, id := range got.Accounts {
			if id != ann {
				t.Fatalf("%q leads to %d", s, id)
			}
		}
		for _, r := range got.Remote {
			if r != "y@elsewhere.example" {
				t.Fatalf("%q leads to %q", s, r)
			}
		}
		if strings.ContainsAny(got.Detail, "\x00\r\n") || (got.Role == NoRole) != (got.List == nil) || (got.Via == "") != (len(got.Remote) == 0) {
			t.Fatalf("%q: %+v", s, got)
		}
	})
}
