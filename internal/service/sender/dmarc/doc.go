// Package dmarc finds out whether the domain in a message's From field vouches for it, and what that domain asks to be done
// if not: DMARC as revised (RFC 9989, read here as draft-ietf-dmarc-dmarcbis-41, whose section numbers are
// cited), with what RFC 7489 made people publish.
//
//	r := dmarc.Evaluate(ctx, resolver, dmarc.Message{From: fields, SPF: spf, DKIM: signatures})
//	if r.Disposition == dmarc.Reject { ... }
//
// The organizational domain comes from the DNS by the tree walk, not from a list of public suffixes. Reports are
// not made here; Result has what they need.
package dmarc
