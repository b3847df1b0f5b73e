// Package managesieve lets people's programs keep their filter scripts on the server.
//
// What a script means, and whether it is right, is package service/sieve's business; where scripts lie, model/mailbox's.
//
// Implements RFC 5804 with UNAUTHENTICATE (§2.14.1). There is no SASL security layer and no referral.
package managesieve
