package ldap

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/certtest"
	"postroad/internal/service/provision"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T) *server {
	s := &server{t: t, passwords: map[string]string{"cn=reader,dc=x": "read", "uid=ann,ou=people,dc=x": "sesame"}}
	s.entries = []*ldap.Entry{
		ldap.NewEntry("uid=ann,ou=people,dc=x", map[string][]string{"entryUUID": {"u-1"}, "mail": {"ann@example.org"}, "cn": {"Ann"},
			"mailAlternateAddress": {"a@example.org", "smtp:b@example.org", "X400:c=us", "nonsense"}, "quota": {"2G"}, "userPassword": {"{SSHA}pefPy/ZNBbzzWDcy+3TDQdTDIxJb7drE"}}),
		ldap.NewEntry("uid=ben,ou=people,dc=x", map[string][]string{"entryUUID": {"u-2"}, "mail": {"ben@example.org"}, "cn": {"Ben"}, "locked": {"TRUE"}}),
		ldap.NewEntry("uid=nokey,ou=people,dc=x", map[string][]string{"mail": {"nokey@example.org"}}),
		ldap.NewEntry("uid=carl,ou=people,dc=x", map[string][]string{"entryUUID": {"u-3"}, "mail": {"carl@example.org"}, "cn": {"Carl"}}),
		ldap.NewEntry("uid=robot,ou=people,dc=x", map[string][]string{"entryUUID": {"u-4"}, "cn": {"no mail"}}),
		ldap.NewEntry("cn=team,ou=groups,dc=x", map[string][]string{"entryUUID": {"g-1"}, "mail": {"team@example.org"}, "cn": {"Team"},
			"member": {"uid=ann,ou=people,dc=x", "UID=BEN,ou=people,dc=x"}}),
		ldap.NewEntry("cn=nomail,ou=groups,dc=x", map[string][]string{"entryUUID": {"g-2"}, "cn": {"No mail"}}),
	}
	t.Cleanup(s.cut)
	return s
}

func options(s *server) Options {
	return Options{Name: "corp", URLs: []string{"ldap://127.0.0.1"}, BindDN: "cn=reader,dc=x", Password: "read", Base: "ou=people,dc=x",
		GroupBase: "ou=groups,dc=x", GroupFilter: "(member=*)", Attributes: Attributes{Aliases: "mailAlternateAddress", Quota: "quota", Disabled: "locked"}, Dial: s.dial}
}

func newSource(t *testing.T, o Options) *Source {
	t.Helper()
	src, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(src.Close)
	return src
}

func listed(t *testing.T, src *Source) (people []provision.Entry, groups []provision.Group) {
	t.Helper()
	err := src.List(t.Context(), func(e provision.Entry) error { people = append(people, e); return nil },
		func(g provision.Group) error { groups = append(groups, g); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return people, groups
}

func TestList(t *testing.T) {
	people, groups := listed(t, newSource(t, options(newServer(t))))
	want := []provision.Entry{
		{Key: "u-1", Ref: "uid=ann,ou=people,dc=x", Address: "ann@example.org", Name: "Ann", Aliases: []string{"a@example.org", "b@example.org"}, QuotaBytes: 2 << 30},
		{Key: "u-2", Ref: "uid=ben,ou=people,dc=x", Address: "ben@example.org", Name: "Ben", Disabled: true},
		{Key: "u-3", Ref: "uid=carl,ou=people,dc=x", Address: "carl@example.org", Name: "Carl"},
	}
	if d := cmp.Diff(want, people); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]provision.Group{{Key: "g-1", Ref: "cn=team,ou=groups,dc=x", Address: "team@example.org", Name: "Team",
		Members: []string{"uid=ann,ou=people,dc=x", "UID=BEN,ou=people,dc=x"}}}, groups); d != "" {
		t.Error(d)
	}
}

func TestActiveDirectory(t *testing.T) {
	s := newServer(t)
	guid := string([]byte{1, 2, 0xfe, '(', '*', 0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	s.entries = []*ldap.Entry{
		ldap.NewEntry("CN=Ann,ou=people,dc=x", map[string][]string{"objectGUID": {guid}, "mail": {"ann@example.org"}, "displayName": {"Ann A."},
			"proxyAddresses": {"SMTP:ann@example.org", "smtp:a.a@example.org"}, "userAccountControl": {"512"}, "objectCategory": {"person"}, "objectClass": {"user"}}),
		ldap.NewEntry("CN=Off,ou=people,dc=x", map[string][]string{"objectGUID": {"0123456789abcdef"}, "mail": {"off@example.org"}, "displayName": {"Off"},
			"userAccountControl": {"514"}, "objectCategory": {"person"}, "objectClass": {"user"}}),
		ldap.NewEntry("CN=All,ou=groups,dc=x", map[string][]string{"objectGUID": {"g123456789abcdef"}, "mail": {"all@example.org"}, "displayName": {"All"},
			"objectCategory": {"group"}, "member;range=0-1": {"x", "y"}}),
	}
	s.passwords["CN=Ann,ou=people,dc=x"] = "sesame"
	o := options(s)
	o.Attributes, o.Filter, o.GroupFilter, _ = Preset("ad")
	src := newSource(t, o)
	people, groups := listed(t, src)
	want := []provision.Entry{
		{Key: "0102fe282a000708090a0b0c0d0e0f10", Ref: "CN=Ann,ou=people,dc=x", Address: "ann@example.org", Name: "Ann A.", Aliases: []string{"ann@example.org", "a.a@example.org"}},
		{Key: "30313233343536373839616263646566", Ref: "CN=Off,ou=people,dc=x", Address: "off@example.org", Name: "Off", Disabled: true},
	}
	if d := cmp.Diff(want, people); d != "" {
		t.Error(d)
	}
	if len(groups) != 1 || groups[0].Address != "all@example.org" {
		t.Errorf("%+v", groups)
	}
	if right, err := src.Verify(t.Context(), directory.Link{Key: people[0].Key}, "sesame"); !right || err != nil {
		t.Error(right, err)
	}
}

func TestVerifyByBinding(t *testing.T) {
	s := newServer(t)
	src := newSource(t, options(s))
	ann := directory.Link{Source: "corp", Key: "u-1", Ref: "uid=ann,ou=old,dc=x"} // where she was at the last sync
	for _, c := range []struct {
		link     directory.Link
		password string
		want     bool
	}{
		{ann, "sesame", true}, {ann, "wrong", false}, {ann, "", false}, {directory.Link{Key: "u-9"}, "sesame", false},
		{directory.Link{Key: "*"}, "sesame", false}, {directory.Link{Key: "u-1)(uid=*"}, "sesame", false},
		{directory.Link{Key: "u-4"}, "sesame", false}, // no person any more
	} {
		if right, err := src.Verify(t.Context(), c.link, c.password); right != c.want || err != nil {
			t.Errorf("%+v %q: %v %v", c.link, c.password, right, err)
		}
	}
	s.passwords["uid=ben,ou=people,dc=x"] = "sesame"
	if right, err := src.Verify(t.Context(), directory.Link{Key: "u-2"}, "sesame"); right || err != nil {
		t.Error("who is disabled there signs in", err)
	}
	for _, dn := range s.binds {
		if dn == "" {
			t.Error("bound as nobody")
		}
	}
}

func TestVerifyByLookup(t *testing.T) {
	s := newServer(t)
	o := options(s)
	o.Lookup = true
	src := newSource(t, o)
	for password, want := range map[string]bool{"correct horse": true, "sesame": false, "": false} {
		if right, err := src.Verify(t.Context(), directory.Link{Key: "u-1"}, password); right != want || err != nil {
			t.Errorf("%q: %v %v", password, right, err)
		}
	}
	if right, err := src.Verify(t.Context(), directory.Link{Key: "u-3"}, "x"); right || err != nil {
		t.Error("an entry without a password", right, err)
	}
	s.entries[3].Attributes = append(s.entries[3].Attributes, &ldap.EntryAttribute{Name: "userPassword", Values: []string{"{CLEAR}x"}})
	if right, err := src.Verify(t.Context(), directory.Link{Key: "u-3"}, "x"); right || !fault.Is(err, fault.Unsupported) {
		t.Error("a password in the clear", right, err)
	}
}

// A connection that has died meanwhile is made again; a directory that is away is said to be.
func TestConnectionsDie(t *testing.T) {
	s := newServer(t)
	src := newSource(t, options(s))
	ann := directory.Link{Key: "u-1"}
	for range 3 {
		if right, err := src.Verify(t.Context(), ann, "sesame"); !right || err != nil {
			t.Error(right, err)
		}
		s.cut()
	}
	s.mu.Lock()
	s.down = true
	s.mu.Unlock()
	if right, err := src.Verify(t.Context(), ann, "sesame"); right || !fault.Is(err, fault.Unavailable) {
		t.Error(right, err)
	}
	err := src.List(t.Context(), func(provision.Entry) error { return nil }, nil)
	if !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if err := src.Pretend(t.Context(), "x"); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestWrongReader(t *testing.T) {
	o := options(newServer(t))
	o.Password = "wrong"
	src := newSource(t, o)
	if right, err := src.Verify(t.Context(), directory.Link{Key: "u-1"}, "sesame"); right || !fault.Is(err, fault.Unavailable) {
		t.Error(right, err)
	}
}

// Nothing is said in the clear to another machine.
func TestStartTLS(t *testing.T) {
	s := newServer(t)
	cert := certtest.Server(t, "ldap.example.org")
	s.cert = &cert
	o := options(s)
	o.URLs, o.TLS = []string{"ldap://ldap.example.org"}, &tls.Config{RootCAs: certtest.Roots(cert)}
	if right, err := newSource(t, o).Verify(t.Context(), directory.Link{Key: "u-1"}, "sesame"); !right || err != nil {
		t.Error(right, err)
	}
	s.binds = nil
	o.TLS = nil
	if right, err := newSource(t, o).Verify(t.Context(), directory.Link{Key: "u-1"}, "sesame"); right || !fault.Is(err, fault.Unavailable) {
		t.Error("a certificate that isn't trusted", right, err)
	}
	if len(s.binds) > 0 {
		t.Error("said in the clear:", s.binds)
	}
}

// A directory that stalls costs no more than the caller's patience.
func TestStall(t *testing.T) {
	s := newServer(t)
	s.mu.Lock()
	src := newSource(t, options(s))
	src.o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if right, err := src.Verify(ctx, directory.Link{Key: "u-1"}, "sesame"); right || err == nil {
		t.Error(right, err)
	}
}

// A directory whose answers have no end, one entry after the other, fills nobody's memory.
func TestEndlessAnswers(t *testing.T) {
	o := options(newServer(t))
	o.Dial = flood(50_000)
	if right, err := newSource(t, o).Verify(t.Context(), directory.Link{Key: "u-1"}, "sesame"); right || !fault.Is(err, fault.Unavailable) {
		t.Error(right, err)
	}
	o.Dial = flood(8 << 20)
	err := newSource(t, o).List(t.Context(), func(provision.Entry) error { return nil }, func(provision.Group) error { return nil })
	if !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestBadOptions(t *testing.T) {
	good := Options{Name: "x", URLs: []string{"ldaps://h"}, Base: "dc=x"}
	for i, change := range []func(*Options){
		func(o *Options) { o.Name = "" }, func(o *Options) { o.URLs = nil }, func(o *Options) { o.Base = "" },
		func(o *Options) { o.URLs = []string{"http://h"} }, func(o *Options) { o.URLs = []string{"ldap://"} },
		func(o *Options) { o.Filter = "(mail" }, func(o *Options) { o.GroupFilter = "x)" },
	} {
		o := good
		change(&o)
		if _, err := New(o); !fault.Is(err, fault.Invalid) {
			t.Error(i, err)
		}
	}
	if _, _, _, err := Preset("novell"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestValues(t *testing.T) {
	for v, want := range map[string]int64{"": 0, "1024": 1024, "5M": 5 << 20, "2 GB": 2 << 30, "1t": 1 << 40, "-1": 0, "x": 0, "9999999999999999999": 0, "9999999999T": 0, "1KK": 0} {
		if got := bytesOf(v); got != want {
			t.Errorf("%q is %d", v, got)
		}
	}
	e := ldap.NewEntry("x", map[string][]string{"Member;Range=0-1499": {"a", "b"}})
	if got := rangeOf(e, "member"); got != "member;range=0-*" {
		t.Error(got)
	}
	for name, want := range map[string]string{"member;range=0-1499": "member;range=1500-*", "member;range=1500-*": "", "member;range=0-x": "", "member;range=0-99999999999": ""} {
		values, next := ranged(ldap.NewEntry("x", map[string][]string{name: {"a"}}), "member")
		if next != want || !slices.Equal(values, []string{"a"}) {
			t.Errorf("%s: %v, then %q", name, values, next)
		}
	}
}
