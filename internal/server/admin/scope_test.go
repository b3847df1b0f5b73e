package admin

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// ask sends one operation as a caller.
func ask(t *testing.T, a Admin, c Caller, name string, argument any) (status int, body string) {
	t.Helper()
	b, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", Prefix+name, strings.NewReader(string(b)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	Handler(a, func(*http.Request) (Caller, error) { return c, nil }, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// filled is an argument in which every text is an address of a domain.
func filled(t reflect.Type, domain string) any {
	v := reflect.New(t).Elem()
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString("x@" + domain)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					fill(v.Field(i))
				}
			}
		}
	}
	fill(v)
	return v.Interface()
}

// Every operation there is, now and later, is refused to administrators of a domain, but for those in scopes, and these
// too for another domain.
func TestScopes(t *testing.T) {
	c := Caller{Name: "ann", Domains: []string{"example.org"}}
	for name, op := range operations {
		s := scopes[name]
		for domain, may := range map[string]bool{
			"example.org": s.touches != nil || s.keep != nil, "EXAMPLE.ORG": s.touches != nil || s.keep != nil,
			"other.example": s.keep != nil, "sub.example.org": s.keep != nil, "example.org.evil": s.keep != nil,
			"example.org@other.example": s.keep != nil, "": s.keep != nil,
		} {
			a := &recorder{}
			status, body := ask(t, a, c, name, filled(op.in, domain))
			want, asked := 403, 0
			if may {
				want, asked = 200, 1
			}
			if status != want || len(a.asked) != asked {
				t.Errorf("%s of %q: %d %s", name, domain, status, body)
			}
		}
	}
	for name := range scopes {
		if _, ok := operations[name]; !ok {
			t.Errorf("there is no operation %s", name)
		}
	}
	for _, name := range []string{importName, exportName} {
		if status, _ := ask(t, &recorder{}, c, name, none{}); status != 501 {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// What an operation is about may be two domains: both must be the caller's.
func TestScopesOfTwo(t *testing.T) {
	c := Caller{Domains: []string{"a.example"}}
	for _, x := range []struct {
		from, to string
		want     int
	}{
		{"x@a.example", "y@a.example", 200}, {"x@a.example", "y@b.example", 403}, {"x@b.example", "y@a.example", 403}, {"x@a.example", "y", 403}, {"x@a.example", Anyone, 403},
	} {
		if status, body := ask(t, &recorder{}, c, "account.rename", Rename{Address: x.from, To: x.to}); status != x.want {
			t.Errorf("rename %v: %d %s", x, status, body)
		}
		if status, body := ask(t, &recorder{}, c, "account.removed.restore", Restoral{Address: x.from, To: x.to}); status != x.want {
			t.Errorf("restore %v: %d %s", x, status, body)
		}
		if status, body := ask(t, &recorder{}, c, "account.share", ShareChange{Address: x.from, Who: x.to}); status != x.want {
			t.Errorf("share %v: %d %s", x, status, body)
		}
	}
}

func TestListsShowTheCallersDomains(t *testing.T) {
	for _, c := range []struct {
		domain string
		want   bool
	}{{"example.org", true}, {"other.example", false}} {
		for _, name := range []string{"account.list", "account.removed", "domain.list"} {
			status, body := ask(t, &recorder{}, Caller{Domains: []string{c.domain}}, name, none{})
			if status != 200 || strings.Contains(body, "example.org") != c.want || !strings.HasPrefix(body, "[") {
				t.Errorf("%s for %s: %d %s", name, c.domain, status, body)
			}
		}
	}
}
