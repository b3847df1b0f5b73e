package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"postroad/internal/model/directory"
)

// Caller is who asks for an operation. The zero value may do nothing.
type Caller struct {
	// Name is what logs call it: "socket", "token" for that in the data folder, "token NAME", or an account's address.
	Name string
	// Server: it administers everything.
	Server bool
	// Domains are those that it administers, in lower-case A-labels.
	Domains []string
}

// Local is whoever may use the socket in the data folder.
func Local() Caller { return Caller{Name: "socket", Server: true} }

// Administers reports whether a domain, or that of an address, is one of the caller's. The local part may be anything.
func (c Caller) Administers(name string) bool {
	if c.Server {
		return true
	}
	domain := name[strings.LastIndexByte(name, '@')+1:]
	domain, err := directory.ParseDomain(domain)
	return err == nil && slices.Contains(c.Domains, domain)
}

// Identify says who sent a request. Errors: fault.Unauthenticated, fault.Denied, fault.RateLimited.
type Identify func(*http.Request) (Caller, error)

type callerKey struct{}

func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf says for whom Direct acts: whoever runs a command on a stopped server may do everything.
func callerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c
	}
	return Local()
}
