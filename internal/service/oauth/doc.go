// Package oauth is an OAuth 2.0 authorization server with OpenID Connect's ID tokens, for people's mail programs: the grants that people
// have given to programs, and the codes and tokens that belong to them.
//
//	authorization code with PKCE   RFC 6749 §4.1, RFC 7636 (S256 only), RFC 8252, RFC 9207
//	device authorization           RFC 8628
//	refresh with rotation          RFC 6749 §6, RFC 9700 §4.14
//	revocation, introspection      RFC 7009, RFC 7662
//	dynamic registration           RFC 7591, without anything being stored
//
// All secrets that it gives out are random and kept as keyed hashes. Access tokens are looked up at each use, so that what is
// taken back is worth nothing at once. A code or a refresh token that comes a second time ends its grant: somebody has stolen it.
//
// How it is spoken over HTTP, and the pages where people sign in, are package oauthweb's.
package oauth
