package admin

import (
	"cmp"

	"postroad/internal/fault"
)

// scope says how far an operation is for those who administer some domains only. The zero value: not at all.
type scope struct {
	touches func(in any) []string       // the addresses and domains that an argument is about
	keep    func(out any, c Caller) any // leaves in a list what is of the caller's domains
}

// scopes are the operations that administrators of a domain may ask for. All others are for those of the whole server.
var scopes = map[string]scope{
	"domain.list":    listing(func(d Domain) string { return d.Name }),
	"domain.set":     about(func(c DomainChange) string { return c.Name }),
	"domain.keys":    about(func(d domainArg) string { return d.Domain }),
	"domain.limits":  about(func(d domainArg) string { return d.Domain }),
	"domain.records": about(func(q RecordsQuery) string { return q.Domain }),

	"account.list":            listing(func(a Account) string { return a.Address }),
	"account.show":            about(aboutAddress),
	"account.add":             about(func(n NewAccount) string { return n.Address }),
	"account.remove":          about(func(r Removal) string { return r.Address }),
	"account.removed":         listing(func(a RemovedAccount) string { return a.Address }),
	"account.removed.restore": about(func(r Restoral) string { return r.Address }, func(r Restoral) string { return cmp.Or(r.To, r.Address) }),
	"account.rename":          about(func(r Rename) string { return r.Address }, func(r Rename) string { return r.To }),
	"account.password":        about(func(x passwordArg) string { return x.Address }),
	"account.quota":           about(func(x quotaArg) string { return x.Address }),
	"account.enabled":         about(func(x enabledArg) string { return x.Address }),
	"account.undelete":        about(func(q ExpungedQuery) string { return q.Address }),
	"account.limits":          about(aboutAddress),
	"account.programs":        about(aboutAddress),
	"account.shares":          about(aboutAddress),
	"account.share":           about(func(c ShareChange) string { return c.Address }, func(c ShareChange) string { return c.Who }),
	"account.away":            about(aboutAddress),
	"account.away.set":        about(func(c AwayChange) string { return c.Address }),
	"account.junk":            about(aboutAddress),
	"account.junk.set":        about(func(c JunkChange) string { return c.Address }),
	"account.junk.why":        about(func(q JunkQuery) string { return q.Address }),
	"account.junk.forget":     about(aboutAddress),
	// Of one account of theirs: without an address it is about all.
	"junk.test":  about(func(q JunkTest) string { return q.Address }),
	"junk.train": about(func(l JunkLessons) string { return l.Address }),

	"account.language":     about(aboutAddress),
	"account.language.set": about(func(l Language) string { return l.Address }),

	"account.pop3":     about(aboutAddress),
	"account.pop3.set": about(func(c POP3Change) string { return c.Address }),

	"account.app_passwords":        about(aboutAddress),
	"account.app_passwords.add":    about(func(n NewAppPassword) string { return n.Address }),
	"account.app_passwords.remove": about(func(n AppPasswordName) string { return n.Address }),
	"account.passkeys":             about(aboutAddress),
	"account.passkeys.remove":      about(func(n PasskeyName) string { return n.Address }),
	"account.two_step":             about(aboutAddress),
	"account.two_step.begin":       about(aboutAddress),
	"account.two_step.confirm":     about(func(c Code) string { return c.Address }),
	"account.two_step.recovery":    about(aboutAddress),
	"account.two_step.end":         about(aboutAddress),
	"account.grants":               about(aboutAddress),
	"account.grants.end":           about(func(g GrantChange) string { return g.Address }),
	// Of one account of theirs: a query without an address is about all.
	"session.list": about(func(q SessionQuery) string { return q.Address }),
	"session.end":  about(func(q SessionQuery) string { return q.Address }),

	// These look themselves what the caller may see: an argument doesn't tell whose a message is.
	"quarantine.list":    anyDomain,
	"quarantine.show":    anyDomain,
	"quarantine.read":    anyDomain,
	"quarantine.release": anyDomain,
	"quarantine.delete":  anyDomain,

	"alias.list":   listing(func(a Alias) string { return a.Address }),
	"alias.add":    about(func(a Alias) string { return a.Address }),
	"alias.remove": about(aboutAddress),

	"policy.list":   listing(func(p Policy) string { return p.Scope }),
	"policy.add":    about(func(p Policy) string { return p.Scope }),
	"policy.remove": about(func(p PolicyID) string { return p.Scope }), // and RemovePolicy looks whether it is theirs

	"group.list":    listing(func(g Group) string { return g.Address }),
	"group.add":     about(func(g Group) string { return g.Address }),
	"group.set":     about(func(g GroupChange) string { return g.Address }),
	"group.members": about(func(x membersArg) string { return x.Address }),
	"group.remove":  about(aboutAddress),
}

func aboutAddress(x addressArg) string { return x.Address }

// about is for the administrators of all domains that an argument is about.
func about[In any](names ...func(In) string) scope {
	return scope{touches: func(in any) []string {
		var list []string
		for _, name := range names {
			list = append(list, name(in.(In)))
		}
		return list
	}}
}

// anyDomain is for all who administer a domain: the operation keeps the others' affairs from them.
var anyDomain = scope{keep: func(out any, _ Caller) any { return out }}

// listing is for all who administer a domain; they see the elements of theirs.
func listing[T any](name func(T) string) scope {
	return scope{keep: func(out any, c Caller) any {
		kept := []T{}
		for _, v := range out.([]T) {
			if c.Administers(name(v)) {
				kept = append(kept, v)
			}
		}
		return kept
	}}
}

// admit refuses administrators of domains what isn't about these alone. They don't learn whether
// another domain is served here.
func (s scope) admit(c Caller, in any) error {
	if s.touches == nil && s.keep == nil {
		return errServerOnly()
	}
	if s.touches == nil {
		return nil
	}
	for _, name := range s.touches(in) {
		if !c.Administers(name) {
			return fault.New(fault.Denied, "%s is not of a domain that you administer", name)
		}
	}
	return nil
}

func errServerOnly() error {
	return fault.New(fault.Denied, "this is for administrators of the whole server")
}
