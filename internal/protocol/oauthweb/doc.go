// Package oauthweb speaks OAuth 2.0 and OpenID Connect over HTTP: the endpoints for programs, and the two pages where people
// allow them in. What is behind them is package oauth's, and who people are is package auth's.
//
// The pages keep nothing: no cookies, no sessions, no scripts. Each sign-in is one form, whose answer goes to the program.
package oauthweb
