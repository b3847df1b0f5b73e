// Package arc validates and continues Authenticated Received Chains (RFC 8617): what each site that handled a message
// found out about its sender, sealed.
//
// A chain is made of sets, one for each site, numbered from 1. A set is three fields:
//
//	ARC-Authentication-Results (AAR): what the site found out
//	ARC-Message-Signature (AMS):      the message as the site sent it on; a DKIM signature but for the name
//	ARC-Seal (AS):                    a signature over this set and all before it
//
// Messages come in as for package dkim, whose parts this package is made of:
//
//	v := arc.NewVerifier(arc.Options{Resolver: r})
//	io.Copy(v, message)
//	chain := v.Result(ctx)
//	...
//	s, err := arc.NewSealer(arc.SealOptions{Key: key, Results: results.Value(), Chain: chain.Status})
//	io.Copy(s, message) // as it will be sent
//	fields, err := s.Fields() // to be put before it
//
// A chain that passes says who touched the message, not that they are honest: whom to believe is the caller's to decide.
package arc
