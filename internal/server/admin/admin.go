// Package admin is what an administrator can do: domains, accounts, aliases,
// groups, the mail that is to leave, and checking that all is well.
//
// The interface Admin has two implementations, so that every command works the
// same on a running server and on a stopped one: Direct acts on the open store, and Client asks
// a server that has it open, whose Handler answers with Direct.
//
// The API is JSON over HTTP: POST /admin/v1/OPERATION with the operation's
// argument, an object, as the body. The answer is the result, or with another status
// than 200 an object {"error": {"kind": ..., "text": ...}} with a Kind of
// package fault. It is spoken over the socket admin.sock in the data folder, to which
// file permissions admit, and over HTTPS with a bearer token.
package admin

import (
	"context"
	"time"
)

// Admin is what an administrator can do. Addresses are those of people:
// spelled in any way that directory.Parse takes. Errors are of package fault.
// Implementations are safe for concurrent use.
type Admin interface {
	// Status tells how the server is.
	Status(ctx context.Context) (Status, error)
	// Examine looks a running server over for what an administrator should know, and do. Errors: fault.Unavailable if it is stopped.
	Examine(ctx context.Context) ([]Finding, error)
	// Check looks for contradictions in everything that is stored. No problem is an empty list.
	Check(ctx context.Context) ([]Problem, error)

	// Domains lists the domains that are served, by name.
	Domains(ctx context.Context) ([]Domain, error)
	// AddDomain begins to serve a domain, with DKIM keys that are still pending.
	AddDomain(ctx context.Context, name string) error
	// SetDomain changes who gets mail for unknown addresses of a domain, and what begins a detail.
	SetDomain(ctx context.Context, c DomainChange) error
	// RemoveDomain refuses (fault.Conflict) while addresses are in it.
	RemoveDomain(ctx context.Context, name string) error
	KeyAdmin
	Advisor
	ReportAdmin
	CertificateAdmin
	FetchAdmin
	UndeleteAdmin
	SharingAdmin
	SieveAdmin
	QuarantineAdmin
	JunkAdmin
	AwayAdmin
	Delegator
	SourceAdmin
	POP3Admin
	PolicyAdmin

	// Accounts lists all, in the order of their numbers.
	Accounts(ctx context.Context) ([]Account, error)
	// Account shows one account, by its own address.
	Account(ctx context.Context, address string) (Account, error)
	// AddAccount makes the account and its mailbox.
	AddAccount(ctx context.Context, a NewAccount) (Account, error)
	// RemoveAccount removes an account. It can be brought back with all its mail for a while, unless it is removed at once.
	RemoveAccount(ctx context.Context, r Removal) error
	// RemovedAccounts lists those that can be brought back.
	RemovedAccounts(ctx context.Context) ([]RemovedAccount, error)
	// BringBackAccount brings one back, with its password and mail. What led to its address doesn't come back.
	BringBackAccount(ctx context.Context, r Restoral) (Account, error)
	// RenameAccount gives an account another address. Its old one stays as an alias, unless that isn't wanted.
	RenameAccount(ctx context.Context, r Rename) (Account, error)
	// SetPassword gives an account a password. The old one opens nothing from now on.
	SetPassword(ctx context.Context, address, password string) error
	// SetQuota limits the account's bytes; 0 means no limit.
	SetQuota(ctx context.Context, address string, bytes int64) error
	// SetEnabled lets the account sign in, or not. Mail for it is kept either way.
	SetEnabled(ctx context.Context, address string, enabled bool) error
	// Reindex makes the index for searches in text anew.
	Reindex(ctx context.Context, address string) error
	// AccountLimits tells what an account has sent, and its limits.
	AccountLimits(ctx context.Context, address string) (AccountUsage, error)
	// ResetAccountLimits forgets what an account has sent, and releases it if it is held.
	ResetAccountLimits(ctx context.Context, address string) error
	// Language is what an account's owner reads what the server writes in.
	Language(ctx context.Context, address string) (Language, error)
	// SetLanguage changes it. fault.Invalid: there are no texts in it.
	SetLanguage(ctx context.Context, l Language) error
	// SetAccountAuthors says whom an account may name as authors. fault.Invalid: there is no such rule.
	SetAccountAuthors(ctx context.Context, c AuthorsChange) error
	// HeldAccounts lists those from which nothing is taken.
	HeldAccounts(ctx context.Context) ([]AccountUsage, error)

	SignInAdmin
	PasskeyAdmin
	GrantAdmin

	// Aliases lists the aliases, by domain and local part.
	Aliases(ctx context.Context) ([]Alias, error)
	// AddAlias makes an address lead to others; an alias that is there is changed.
	AddAlias(ctx context.Context, a Alias) error
	// RemoveAlias removes an alias, also from aliases and groups that lead to it.
	RemoveAlias(ctx context.Context, address string) error

	// Groups lists the groups and mailing lists.
	Groups(ctx context.Context) ([]Group, error)
	// AddGroup makes a group or a mailing list.
	AddGroup(ctx context.Context, g Group) error
	// SetGroup changes what is said of a group.
	SetGroup(ctx context.Context, g GroupChange) error
	// SetMembers replaces the members of a group.
	SetMembers(ctx context.Context, address string, members []string) error
	// RemoveGroup removes a group, also from aliases and groups that lead to it.
	RemoveGroup(ctx context.Context, address string) error

	// Queue lists the mail that is to leave, oldest first; of more than the limit, any.
	Queue(ctx context.Context, f QueueFilter) (QueueList, error)
	// QueueMessage shows all that is left of one message, with its attempts. Errors: fault.NotFound.
	QueueMessage(ctx context.Context, id string) ([]QueueItem, error)
	// RetryQueue has what waits tried now.
	RetryQueue(ctx context.Context, c QueueChange) (Changed, error)
	// HoldQueue keeps mail from being tried, and from expiring, until it is released.
	HoldQueue(ctx context.Context, c QueueChange) (Changed, error)
	// ReleaseQueue has held mail tried now.
	ReleaseQueue(ctx context.Context, c QueueChange) (Changed, error)
	// DropQueue removes mail for good. An attempt that is under way may still succeed.
	DropQueue(ctx context.Context, c QueueChange) (Changed, error)
	// FlushQueue has all mail for a domain tried now, even if the domain seemed dead.
	FlushQueue(ctx context.Context, domain string) (Changed, error)
	// Trace tells what happened to messages that came through the queue, oldest first.
	Trace(ctx context.Context, q TraceQuery) ([]Trace, error)
}

// Status is how a server is.
type Status struct {
	Version  string    `json:"version"`
	Hostname string    `json:"hostname,omitempty"`
	Started  time.Time `json:"started,omitzero"` // zero: the server is stopped
	Listen   []string  `json:"listen,omitempty"` // protocol and address of each listener
}

// Problem is one contradiction in the store.
type Problem struct {
	Account string `json:"account,omitempty"` // empty: in the directory; "queue": in the mail that is to leave
	Text    string `json:"text"`
}

// Account is somebody's mailbox, and how full it is.
type Account struct {
	ID         uint64    `json:"id"`
	Address    string    `json:"address"`
	Name       string    `json:"name,omitempty"`
	Enabled    bool      `json:"enabled"`
	Shared     bool      `json:"shared,omitempty"` // nobody's own: nobody signs in to it
	QuotaBytes int64     `json:"quota_bytes"`      // 0: no limit
	Created    time.Time `json:"created"`
	UsedBytes  int64     `json:"used_bytes"`
	UsedItems  int64     `json:"used_items"`
}

// NewAccount is what it takes to make one.
type NewAccount struct {
	Address    string `json:"address"`
	Name       string `json:"name,omitempty"`
	Password   string `json:"password,omitempty"` // empty: nobody can sign in until one is set
	QuotaBytes int64  `json:"quota_bytes,omitempty"`
	Shared     bool   `json:"shared,omitempty"` // nobody's own: nobody signs in to it, rights on its folders are given to others
}

// Alias is an address whose mail goes to others.
type Alias struct {
	Address string   `json:"address"`
	Targets []string `json:"targets"`
}
