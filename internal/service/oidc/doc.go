// Package oidc verifies access tokens that outside OAuth 2.0 and OpenID Connect providers have given to people's programs: JSON web
// tokens by the provider's keys (RFC 9068, RFC 7519), others by asking it (introspection, RFC 7662). The provider tells where its keys
// and its introspection are (OpenID Connect Discovery 1.0).
//
// A token is taken only if it is for us: it names an audience, or has a scope, that the settings ask for. Otherwise any
// service that people sign in to at the same provider could sign in here with the tokens that they give it.
//
// Tokens that are bound to a key of the client (RFC 7800: "cnf") are refused, since mail protocols can't show that it has the key.
package oidc
