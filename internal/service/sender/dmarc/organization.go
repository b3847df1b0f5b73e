package dmarc

import (
	"context"

	"postroad/internal/fault"
)

// Organization finds the organizational domain of a domain (RFC 9989 §4.10.2), in lower-case A-labels, with at most eight questions. It fails with
// fault.Invalid if domain is none, else with fault.Unavailable if the DNS has no answer now.
func Organization(ctx context.Context, resolver Resolver, domain string) (string, error) {
	name := canonical(domain)
	if name == "" {
		return "", fault.New(fault.Invalid, "not a domain")
	}
	w := &walker{resolver: resolver}
	return w.organizationOf(ctx, name)
}
