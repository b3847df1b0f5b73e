// Package provision brings in accounts and groups that are kept elsewhere, in an LDAP directory or a table of a database, and has
// their passwords verified there.
//
// Everything here works on accounts of our own, which are tied to their entries (directory.Link): mail arrives, folders
// are shared and quotas count while the source is away. Sync copies what the source says, now and then. The source says who there is, by which
// addresses, and who may sign in; it never gets to remove mail: an account whose entry is gone is disabled, or removed so that it can be brought
// back.
//
// An entry is known by a key that never changes, so that a person who is renamed keeps the mailbox.
package provision

import (
	"context"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// Entry is a person in a source.
type Entry struct {
	Key string // never changes; see directory.Link
	Ref string // how the source addresses it now
	// Address is the account's, and its login. Aliases lead to it.
	Address string
	Aliases []string
	Name    string
	// QuotaBytes is the room for mail; 0: the source doesn't say.
	QuotaBytes int64
	// Disabled: may not sign in.
	Disabled bool
}

// Group is a group with an address in a source.
type Group struct {
	Key, Ref string
	Address  string
	Name     string
	// Members are Refs of entries and of groups, or addresses.
	Members []string
}

// Source is where accounts are kept. Implementations are safe for concurrent use.
type Source interface {
	// Name names it in links and settings.
	Name() string
	// List gives all entries and groups. If it fails nothing is changed, so that half a list takes nobody's account.
	List(ctx context.Context, entry func(Entry) error, group func(Group) error) error
	// Verify reports whether a password is that of the entry which a link names. Errors: fault.Unavailable if the source can't be asked.
	Verify(ctx context.Context, l directory.Link, password string) (bool, error)
	// Pretend takes as long as Verify does for a wrong password of somebody who is there, and fails when that would fail.
	Pretend(ctx context.Context, password string) error
}

// Accounts are made, and given room, by whoever keeps mailboxes.
type Accounts interface {
	// AddLinked makes an account and its mailbox.
	AddLinked(ctx context.Context, n directory.NewAccount) (directory.Account, error)
	// GiveRoom changes an account's quota.
	GiveRoom(ctx context.Context, id ident.AccountID, bytes int64) error
	// Barred ends the sessions of an account that was disabled or removed.
	Barred(ctx context.Context, id ident.AccountID)
}

// Options say how far a source's word goes.
type Options struct {
	// Adopt ties accounts of our own to entries that have their address. Else such entries are reported, and left alone.
	Adopt bool
	// Remove removes accounts whose entries are gone, so that they can be brought back for a while. Else they are disabled.
	Remove bool
}

// Report is what came of a Sync.
type Report struct {
	Entries  int `json:"entries"` // in the source
	Added    int `json:"added"`
	Changed  int `json:"changed"`
	Disabled int `json:"disabled"`
	Removed  int `json:"removed"`
	Groups   int `json:"groups"`  // in the source
	Skipped  int `json:"skipped"` // of domains that aren't served here
	// Problems are what could not be done, at most MaxProblems.
	Problems []string `json:"problems,omitempty"`
}

// MaxProblems is how many problems a Report tells.
const MaxProblems = 100
