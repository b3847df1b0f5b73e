// Package acme gets TLS certificates from an authority that speaks ACME (RFC 8555), renews them in time, and keeps
// them with their keys in the kv, so that all nodes on one store share them.
//
// A Manager looks after certificates, for one name each or for several, wildcards among them. certmagic holds the certificates, their
// files and staples; this package decides when to ask for one, speaks with the authority (by acmez, over a
// dialer of the caller's choice), and answers its challenges: http-01 by Handler, tls-alpn-01 (RFC 8737) by Challenge, both on
// listeners that are open anyway, or dns-01 by dynamic updates (RFC 2136) of the zone.
//
// A certificate's key stays the same at renewals unless Options.NewKeys is set, so that what DANE's records say
// of it stays true (RFC 7671 §5.1, §8.1). NextKey makes the key to come, for records that have to be published ahead.
//
// It listens nowhere, and it doesn't decide which certificate a client sees: see package server/certs.
package acme
