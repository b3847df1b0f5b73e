// Package mailbox is what a post office knows: accounts, their folders, the
// items in them, and one log of changes for each account, which every protocol shows in its
// own way.
//
// In the order a reader meets them: a Store opens accounts; a Session is an
// identity acting on one account and checks its rights; a View is a folder at one change number,
// immutable and shared by all who look at it; Compare tells what lies between two views; a
// Content is a message on its way in; Log reads the changes.
//
// # How a change happens
//
// An account is one kv partition, so its transactions run one after the
// other. A transaction works on the account's newest state (account.current),
// makes the next state beside it (copy on write) and writes the same to the kv. The
// state is published when its commit is durable, and only then do readers
// see it, does the bell ring, does the caller hear of it. So reading folders, counts and views
// touches no storage at all, and nobody learns of what a crash could take back.
//
// Each object that a transaction changes takes the account's next change number;
// numbers of one transaction are consecutive, and its log record holds one entry for each.
//
// What this package does not do: it knows no addresses and no passwords (package
// directory), parses no protocol, and delivers nothing by itself.
package mailbox
