// Package move brings mail in from other servers and from files that other programs have written, and
// takes it out into such files: mbox with its dialects, Maildir with its
// Maildir++ folders, folders of EML files.
//
// A Source gives messages one after the other. Open makes one of files, Outgoing of an
// account, Decode of a stream of bytes. Import puts a Source into an account, Encode into a stream,
// Write into files. So a command reads and writes files with its user's rights,
// whoever has the store open.
//
// Both ways can be interrupted at any time and begun again: Import leaves out what an
// import has brought before, Write what is there. Nothing is held in memory but one
// message's first megabyte, a batch of small ones, and some fifty bytes for each message of the folder or account.
//
// FromIMAP asks another server. Messages that came from there carry a SourceID, so that a move that was
// interrupted goes on without asking for them again.
package move

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"postroad/internal/model/mailbox"
)

// Message is one message on its way, or, if Body is nil, a folder: so that empty ones come along.
type Message struct {
	// ID tells it from all other contents of its account, for ever. Only Outgoing gives it.
	ID string
	// Folder is the path, outermost first. "INBOX" alone is the inbox.
	Folder   []string
	Flags    mailbox.Flags
	Keywords []string
	Received time.Time // zero: unknown
	// Exact: lines end in other ways than by CRLF, too. A file for such a message keeps its bytes.
	Exact bool
	// Source tells the message from all others of all other servers, for ever: see SourceID. The zero value says nothing.
	Source SourceID
	// UniqueID is what the message was called by POP3 where it came from (RFC 1939 §7, UIDL); "": nobody knows. It counts in the inbox.
	UniqueID string
	// Update: it was brought before, and has these flags now where it came from; it has no body.
	Update bool
	// Body is the message with CRLF line ends, to be read before the next message is asked for. It fails with
	// fault.NotFound if the message is expunged meanwhile.
	Body io.Reader
}

// Source gives messages to yield, folder by folder, until it returns an error. A Source can be used once.
type Source func(ctx context.Context, yield func(*Message) error) error

// Result is what has become of messages.
type Result struct {
	Folders  int   `json:"folders"`            // that messages were in, empty ones too
	Added    int   `json:"added"`              // messages that are there now
	Present  int   `json:"present"`            // messages that were there already
	Updated  int   `json:"updated,omitempty"`  // of these, those whose flags are others now
	Bytes    int64 `json:"bytes"`              // of those that were added
	Keywords int   `json:"keywords,omitempty"` // keywords that couldn't be kept
}

// SourceID is a mailbox on another server (a digest of the account, its name there and its UIDVALIDITY) and
// the message's UID in it, big-endian.
type SourceID [mailboxIDLen + 4]byte

// MailboxID is the first part of SourceIDs.
type MailboxID [mailboxIDLen]byte

const mailboxIDLen = 16

func (id MailboxID) message(uid uint32) (s SourceID) {
	binary.BigEndian.PutUint32(s[copy(s[:], id[:]):], uid)
	return s
}

func (s SourceID) mailbox() MailboxID { return MailboxID(s[:mailboxIDLen]) }

func (s SourceID) uid() uint32 { return binary.BigEndian.Uint32(s[mailboxIDLen:]) }
