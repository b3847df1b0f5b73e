// Package spf checks whether a host may send mail for a domain (RFC 7208).
//
//	r := spf.Check(ctx, resolver, spf.Request{IP: ip, Helo: "mx.example.org", MailFrom: "ann@example.org"})
//	if r.Status == authres.Fail { ... }
//
// Records are read whole before any of them is acted upon, so that a mistake anywhere shows. Limits are the RFC's: ten terms
// that ask the DNS, two that get no answer, ten hosts of an MX or PTR; and the context's deadline.
package spf
