// Package ident names who acts and upon what: account numbers, groups, and the
// identity that a signed-in session carries.
//
// It knows nothing of passwords or addresses (package directory does) and
// nothing of mail (package mailbox does): it is what those two have in common.
package ident

// AccountID is an account's number: 48 bits, given once and never again. Zero means none.
type AccountID uint64

// GroupID is a group's number, from the same counter as AccountID. Zero means none.
type GroupID uint64

// Identity is somebody who acts: whose rights are looked at.
// The zero value is a stranger, who may do nothing.
type Identity struct {
	// Account is the person's own account.
	Account AccountID
	// Login is the address they signed in with, for logs and banners.
	Login string
	// Groups are those the person is a member of.
	Groups []GroupID
	// ReadsMail: what they signed in with opens their mailboxes too, by IMAP. It is false for an app password that is only for
	// sending, where the protocol that it was given to might be made to read (BURL), and wherever that isn't known.
	ReadsMail bool
	// System is Postroad itself (delivery, checks, administrators' commands): it has every right.
	System bool
}

// System returns the identity under which Postroad itself acts.
func System() Identity { return Identity{System: true, Login: "postroad"} }

// Owns reports whether the identity is the account's owner, or Postroad itself.
func (i Identity) Owns(a AccountID) bool {
	return i.System || (i.Account != 0 && i.Account == a)
}

// In reports whether the identity is a member of g.
func (i Identity) In(g GroupID) bool {
	for _, have := range i.Groups {
		if have == g {
			return true
		}
	}
	return false
}
