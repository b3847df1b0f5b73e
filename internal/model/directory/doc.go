// Package directory keeps who is served here: domains, accounts, aliases,
// groups and credentials, and the keys that sign domains' mail, in one partition of the kv.
//
// An address is found in three steps: Parse gives it one spelling, its entry
// says what it is (an account, an alias, a group), and Resolve follows aliases
// and groups to the accounts that mail goes to and the remote addresses that
// are none of ours. What has no entry may be an address of a list (its owners', its bounces'), one with a detail
// behind a delimiter of the domain, a role that every domain has, or the catch-all's, in this order. Groups of list style
// come out apart, for their copies are others. Profile gives what a sign-in needs: the account, its
// identity with groups, its credential. SigningKeys gives what signs a domain's mail.
//
// All three are on the path of deliveries and sign-ins, so their answers
// are remembered in a bounded cache that is dropped whole when the partition's
// bell rings: provisioning is rare, reading is not. Nothing here grows in
// memory with the number of accounts.
//
// Passwords are prepared by RFC 8265 (OpaqueString) and kept as argon2id
// hashes, beside SCRAM-SHA-256 keys (RFC 5802, RFC 7677). The number of argon2
// runs at a time is limited, so that a flood of sign-ins can't take all memory.
//
// What is not here: the mail (package mailbox, one partition for each
// account), how sign-ins are spoken or slowed down (package auth), how mail is signed (package signing), and what
// lists and forwarding do to it (package delivery).
package directory
