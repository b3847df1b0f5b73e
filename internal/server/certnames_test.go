package server

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/server/config"
)

func TestWantedNames(t *testing.T) {
	many := make([]string, 150)
	for i := range many {
		many[i] = fmt.Sprintf("n%03d.example.org", i)
	}
	for what, c := range map[string]struct {
		acme config.ACME
		want string // sets
	}{
		"one each": {config.ACME{Names: []string{"imap.example.org", "mail.example.org"}, DomainNames: []string{"mta-sts", "autoconfig"}},
			"mail.example.org; autoconfig.example.org; autoconfig.sub.example.org; imap.example.org; mta-sts.example.org"},
		"one for each domain": {config.ACME{PerDomain: true, Names: []string{"imap.example.org", "host.elsewhere.test", "other.elsewhere.test"}, DomainNames: []string{"mta-sts", "autoconfig"}},
			"mail.example.org autoconfig.example.org imap.example.org mta-sts.example.org; autoconfig.sub.example.org; host.elsewhere.test; other.elsewhere.test"},
		"wildcards": {config.ACME{Names: []string{"imap.example.org", "a.b.example.org"}, DomainNames: []string{"*", "mta-sts"}},
			"mail.example.org; *.example.org; *.sub.example.org; a.b.example.org"},
		"wildcards, for each domain": {config.ACME{PerDomain: true, DomainNames: []string{"*"}}, "mail.example.org *.example.org; *.sub.example.org"},
		"a wildcard of one's own":    {config.ACME{Names: []string{"*.example.org"}, DomainNames: []string{"mta-sts"}}, "mail.example.org; *.example.org"},
		"none":                       {config.ACME{DomainNames: []string{}}, "mail.example.org"},
		"too many": {config.ACME{PerDomain: true, Names: many, DomainNames: []string{}},
			"mail.example.org " + strings.Join(many[:99], " ") + "; " + strings.Join(many[99:], " ")},
	} {
		w := wantedNames{host: "mail.example.org", domains: []string{"example.org", "sub.example.org"}, acme: c.acme,
			serves:  func(prefix, domain string) bool { return prefix != "mta-sts" || domain == "example.org" },
			brought: func(name string) bool { return strings.HasPrefix(name, "brought") }}
		w.acme.Names = append(w.acme.Names, "brought.example.org", "localhost")
		var got []string
		for _, set := range w.sets() {
			got = append(got, strings.Join(set, " "))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s:\n got %s\nwant %s", what, s, c.want)
		}
	}
}
