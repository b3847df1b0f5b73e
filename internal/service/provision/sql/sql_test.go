package sql

import (
	"context"
	"net"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/provision"
	"postroad/internal/service/provision/sql/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSource(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

const hashed = "{SSHA}pefPy/ZNBbzzWDcy+3TDQdTDIxJb7drE" // of "correct horse"

func TestSource(t *testing.T) {
	tables := map[string]sqltest.Table{
		"people": {Names: []string{"ID", "address", "name", "aliases", "quota", "enabled"}, Types: []uint32{sqltest.Int8, sqltest.Text, sqltest.Text, sqltest.TextArray, sqltest.Int8, sqltest.Bool}, Rows: [][]string{
			{"1", "ann@example.org", "Ann", "{a@example.org,b@example.org}", "1024", "t"},
			{"2", "ben@example.org", sqltest.Null, sqltest.Null, sqltest.Null, "f"},
			{"3", sqltest.Null, "nobody", sqltest.Null, sqltest.Null, "t"},
		}},
		"with keys": {Names: []string{"key", "address"}, Types: []uint32{sqltest.Int8, sqltest.Text}, Rows: [][]string{{"7", "ann@example.org"}}},
		"groups": {Names: []string{"address", "member", "name"}, Types: []uint32{sqltest.Text, sqltest.Text, sqltest.Text}, Rows: [][]string{
			{"team@example.org", "ann@example.org", "Team"}, {"all@example.org", sqltest.Null, ""}, {"team@example.org", "ben@example.org", "Team"}}},
		"password of ann@example.org": {Names: []string{"hash"}, Rows: [][]string{{hashed}}},
		"password of ben@example.org": {Names: []string{"hash"}, Rows: [][]string{{sqltest.Null}}},
		"password of two":             {Names: []string{"hash"}, Rows: [][]string{{hashed}, {hashed}}},
		"password of plain":           {Names: []string{"hash"}, Rows: [][]string{{"correct horse"}}},
		"password of \x01nobody":      {Names: []string{"hash"}},
		"password of eve":             {Names: []string{"hash"}},
	}
	url := sqltest.Start(t, func(query, argument string) (sqltest.Table, bool) { x, ok := tables[query+argument]; return x, ok })
	o := Options{Name: "db", URL: url, List: "people", Groups: "groups", Password: "password of "}
	s := newSource(t, o)
	var people []provision.Entry
	var groups []provision.Group
	list := func(s *Source) error {
		people, groups = nil, nil
		return s.List(t.Context(), func(e provision.Entry) error { people = append(people, e); return nil }, func(g provision.Group) error { groups = append(groups, g); return nil })
	}
	if err := list(s); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]provision.Entry{
		{Key: "ann@example.org", Address: "ann@example.org", Name: "Ann", Aliases: []string{"a@example.org", "b@example.org"}, QuotaBytes: 1024},
		{Key: "ben@example.org", Address: "ben@example.org", Disabled: true}}, people); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]provision.Group{{Key: "group team@example.org", Address: "team@example.org", Name: "Team", Members: []string{"ann@example.org", "ben@example.org"}},
		{Key: "group all@example.org", Address: "all@example.org"}}, groups); d != "" {
		t.Error(d)
	}
	o.List, o.Groups = "with keys", ""
	if err := list(newSource(t, o)); err != nil || len(people) != 1 || people[0].Key != "7" {
		t.Errorf("%+v %v", people, err)
	}
	o.List = "nothing"
	if err := list(newSource(t, o)); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	for _, c := range []struct {
		key, password string
		want          bool
		kind          fault.Kind
	}{
		{"ann@example.org", "correct horse", true, 0}, {"ann@example.org", "wrong", false, 0}, {"ann@example.org", "", false, 0},
		{"ben@example.org", "", false, 0}, {"ben@example.org", "x", false, 0}, {"eve", "x", false, 0},
		{"two", "correct horse", false, fault.Unavailable}, {"plain", "correct horse", false, fault.Unsupported},
	} {
		right, err := s.Verify(t.Context(), directory.Link{Key: c.key}, c.password)
		if right != c.want || c.kind == 0 && err != nil || c.kind != 0 && !fault.Is(err, c.kind) {
			t.Errorf("%s %q: %v %v", c.key, c.password, right, err)
		}
	}
	if err := s.Pretend(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

func TestDatabaseAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := newSource(t, Options{Name: "db", URL: "postgres://" + l.Addr().String() + "/x?sslmode=disable", List: "x", Password: "x"})
	if right, err := s.Verify(t.Context(), directory.Link{Key: "1"}, "x"); right || !fault.Is(err, fault.Unavailable) {
		t.Error(right, err)
	}
	if err := s.Pretend(t.Context(), "x"); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	for _, o := range []Options{{}, {Name: "x", URL: "postgres://h/d", List: "l"}, {Name: "x", URL: "postgres://h:badport/d?secret", List: "l", Password: "p"}} {
		if _, err := New(o); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
	}
}

func TestRows(t *testing.T) {
	r := row{"a": "x, y;z", "b": int32(-1), "n": int16(0), "f": 2.5, "u": [16]byte{0xab}, "s": "No", "t": "yes", "nil": nil}
	if d := cmp.Diff([]string{"x", "y", "z"}, r.list("a")); d != "" {
		t.Error(d)
	}
	for name, want := range map[string]int64{"a": 0, "b": 0, "f": 2, "none": 0} {
		if got := r.number(name); got != want {
			t.Error(name, got)
		}
	}
	for name, want := range map[string]bool{"n": true, "s": true, "t": false, "nil": false, "none": false} {
		if got := r.isFalse(name); got != want {
			t.Error(name, got)
		}
	}
	if got := r.text("u"); got != "ab000000-0000-0000-0000-000000000000" {
		t.Error(got)
	}
}

// TestAgainstPostgreSQL runs against a real server, which scripts/accounts.sh starts.
func TestAgainstPostgreSQL(t *testing.T) {
	url := os.Getenv("POSTROAD_TEST_POSTGRES")
	if url == "" {
		t.Skip("scripts/accounts.sh runs this")
	}
	s := newSource(t, Options{Name: "db", URL: url, List: "SELECT id AS key, address, name, aliases, quota, enabled FROM people ORDER BY id",
		Groups: "SELECT address, member FROM groups ORDER BY member", Password: "SELECT hash FROM people WHERE id = $1::text::uuid"})
	var people []provision.Entry
	err := s.List(context.Background(), func(e provision.Entry) error { people = append(people, e); return nil }, func(provision.Group) error { return nil })
	if err != nil || len(people) != 2 || people[0].QuotaBytes != 5<<30 || len(people[0].Aliases) != 2 || !people[1].Disabled {
		t.Fatalf("%+v %v", people, err)
	}
	if right, err := s.Verify(t.Context(), directory.Link{Key: people[0].Key}, "correct horse"); !right || err != nil {
		t.Error(right, err)
	}
	if right, err := s.Verify(t.Context(), directory.Link{Key: people[0].Key}, "wrong"); right || err != nil {
		t.Error(right, err)
	}
}
