package mailbox

import (
	"time"

	"postroad/internal/model/ident"
)

// ModSeq is a change number of one account: 48 bits used, larger is later.
// Zero is before every change. It is IMAP's MODSEQ, JMAP's state and DAV's
// sync-token; each protocol spells it in its own package.
type ModSeq uint64

// FolderID, ItemID and ContentID are numbers from the account's one 48-bit
// counter. They are never given twice. Zero means none.
type (
	FolderID  uint64
	ItemID    uint64
	ContentID uint64
)

// maxID is the largest number that 48 bits hold.
const maxID = 1<<48 - 1

// UID numbers an item in its folder, in the order of insertion (RFC 9051 §2.3.1.1). Zero means none.
type UID uint32

// Kind says what a folder's items are.
type Kind uint8

// Kinds of folders and items.
const (
	Mail Kind = iota
	Contacts
	Calendar
	Tasks
	Notes
)

// Role is what a folder is for. At most one folder of an account has a given role, NoRole apart.
type Role uint8

// Roles of folders (RFC 6154 §2, RFC 8621 §2).
const (
	NoRole Role = iota
	Inbox
	Drafts
	Sent
	Junk
	Trash
	Archive
)

// Flags are the system flags of RFC 9051 §2.3.2. Keywords stand apart.
type Flags uint16

// System flags.
const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft

	allFlags = Seen | Answered | Flagged | Deleted | Draft
)

// Rights are what an identity may do with a folder (RFC 4314 §2.1).
type Rights uint16

// Rights, by the letters of RFC 4314.
const (
	RightLookup  Rights = 1 << iota // l: the folder is visible
	RightRead                       // r: open it, read items
	RightSeen                       // s: keep \Seen
	RightWrite                      // w: other flags and keywords
	RightInsert                     // i: append, copy into
	RightPost                       // p: send mail to it
	RightCreate                     // k: make folders below it
	RightDelete                     // x: delete or rename it
	RightTrash                      // t: set \Deleted
	RightExpunge                    // e: expunge
	RightAdmin                      // a: change rights

	AllRights = RightAdmin<<1 - 1
)

// PrincipalKind says to whom a grant is given.
type PrincipalKind uint8

// Kinds of principals.
const (
	ToAccount PrincipalKind = iota
	ToGroup
	ToAnyone // every signed-in identity
)

// Grant gives rights on a folder.
type Grant struct {
	Kind   PrincipalKind
	ID     uint64 // account or group number; 0 for ToAnyone
	Rights Rights
}

// Folder is a folder as it stood at one change number. It is a value: nothing
// that happens later changes it.
type Folder struct {
	ID     FolderID
	Name   string   // unique among siblings; any text without control characters, 1 to MaxName bytes
	Parent FolderID // 0: a root folder
	Kind   Kind
	Role   Role

	UIDValidity uint32
	UIDNext     UID

	Created ModSeq // the change that made it
	Changed ModSeq // its own last change (name, parent, rights, ...)
	// HighestModSeq is the last change of the folder or anything in it, removals too (RFC 7162 §3.1.2.1).
	HighestModSeq ModSeq

	Subscribed bool
	Grants     []Grant

	Items   int   // items in it
	Unseen  int   // of these without Seen
	Deleted int   // of these with Deleted
	Bytes   int64 // sum of their sizes
	// DeletedBytes is the size of those with Deleted (STATUS DELETED-STORAGE).
	DeletedBytes int64

	recent UID // items from here on have not been shown as recent
}

// MaxName is the longest folder name, in bytes.
const MaxName = 255

// MaxDepth is how deep folders may nest.
const MaxDepth = 64

// Row is an item as a view shows it. Rows are shared and immutable.
type Row struct {
	ID      ItemID
	Content ContentID
	UID     UID
	Kind    Kind
	Flags   Flags
	zone    int16 // minutes east of UTC of Received

	Keywords *Keywords // nil: none

	Size    int64
	created ModSeq
	changed ModSeq // last change but for read state
	read    ModSeq // last change of Seen

	received int64 // Unix seconds
	saved    int64 // Unix seconds
	hasBag   bool  // a property bag lies beside it
	bare     bool  // see BareLines
}

// ModSeq is the number of the item's last change, of whatever kind.
func (r *Row) ModSeq() ModSeq { return max(r.changed, r.read) }

// Created is the change that put the item where it is.
func (r *Row) Created() ModSeq { return r.created }

// ReadModSeq is the number of the last change of read state alone.
func (r *Row) ReadModSeq() ModSeq { return r.read }

// Received is when the item arrived (INTERNALDATE), in the zone it was given in.
func (r *Row) Received() time.Time {
	return time.Unix(r.received, 0).In(time.FixedZone("", int(r.zone)*60))
}

// Saved is when the item came to this folder (RFC 8514 SAVEDATE).
func (r *Row) Saved() time.Time { return time.Unix(r.saved, 0).UTC() }

// ReceivedUnix is Received in Unix seconds, and its zone in minutes east of UTC, for those
// who print many.
func (r *Row) ReceivedUnix() (sec int64, zoneMinutes int) { return r.received, int(r.zone) }

// State is an account at one change number.
type State struct {
	Account ident.AccountID
	Change  ModSeq // the last change
	Floor   ModSeq // changes up to here have left the log
	Used    Usage
	Limit   Usage // zero fields: no limit
}

// Usage counts what an account holds, or may hold.
type Usage struct {
	Bytes int64
	Items int64
}

// FirstRecent is the first UID that no session has claimed yet with ClaimRecent: items from there
// on are recent to whoever comes next (RFC 3501 §2.3.2).
func (f *Folder) FirstRecent() UID { return f.recent }
