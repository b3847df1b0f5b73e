// Package directory keeps who is served here: domains, accounts, aliases,
// groups and credentials, in one partition of the kv.
//
// An address is found in three steps: Parse gives it one spelling, its entry
// says what it is (an account, an alias, a group), and Resolve follows aliases
// and groups to the accounts that mail goes to and the remote addresses that
// are none of ours. Profile gives what a sign-in needs: the account, its
// identity with groups, its credential.
//
// Both are on the path of every delivery and every sign-in, so their answers
// are remembered in a bounded cache that is dropped whole when the partition's
// bell rings: provisioning is rare, reading is not. Nothing here grows in
// memory with the number of accounts.
//
// Passwords are prepared by RFC 8265 (OpaqueString) and kept as argon2id
// hashes, beside SCRAM-SHA-256 keys (RFC 5802, RFC 7677). The number of argon2
// runs at a time is limited, so that a flood of sign-ins can't take all memory.
//
// What is not here: the mail (package mailbox, one partition for each
// account), and how sign-ins are spoken or slowed down (package auth).
package directory
