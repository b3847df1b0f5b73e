// Package oauthclient gets tokens for people's mailboxes elsewhere from OAuth 2.0 providers, and renews them.
//
// An App is what a provider knows us by, and where it is: told, found by its metadata (Discover), or one of those that many have (Known).
// Somebody allows it by a code that they type in any browser (Device, Poll: RFC 8628), or in a browser that
// comes back with a code (CodeURL, Exchange: RFC 6749 §4.1 with PKCE, RFC 7636, for native programs, RFC 8252). Refresh renews what was given.
//
// What a provider says is bounded, its endpoints must be HTTPS, and redirects aren't followed. No error holds a secret.
//
// What this package does not do: it keeps nothing, and verifies no token: tokens are the mail server's business.
package oauthclient
