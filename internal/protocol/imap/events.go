package imap

import (
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Events runs people's filter scripts on what happens to messages (IMAPSIEVE, RFC 6785). It must be safe for concurrent use.
type Events interface {
	// Server is the URL of the ManageSieve server where the scripts are kept.
	Server() string
	// Happened is called when a command has succeeded. What it does is told to the client with the other news.
	Happened(ctx context.Context, e Event)
}

// Event is what a command has done with messages of a folder.
type Event struct {
	Who      ident.Identity
	Account  ident.AccountID // whose folder it is
	Folder   mailbox.FolderID
	Cause    string // "APPEND", "COPY" or "FLAG"
	Messages []EventMessage
}

// EventMessage is one of them. Old and New are it before and after its flags have changed, if that is the cause.
type EventMessage struct {
	UID      mailbox.UID
	Old, New *mailbox.Row
}

// scriptEntry says which script runs on what happens in a mailbox, or where it says nothing in all of an account's: RFC 6785 §2.3.1.
// scriptProp is where the latter is kept.
const (
	scriptEntry = sharedEntries + "imapsieve/script"
	scriptProp  = "imapsieve.script"
)

// hears reports whether scripts may run on what happens in an account: nearly nobody has any.
func (s *session) hears(mail *mailbox.Session) bool {
	return s.srv.events != nil && (s.foreign(mail) || len(mail.Scripts().List) > 0)
}

// came tells of messages that have come into a folder.
func (s *session) came(ctx context.Context, mail *mailbox.Session, folder mailbox.FolderID, cause string, uids []mailbox.UID) {
	if len(uids) == 0 || !s.hears(mail) {
		return
	}
	e := Event{Who: s.who, Account: mail.Account(), Folder: folder, Cause: cause}
	for _, uid := range uids {
		e.Messages = append(e.Messages, EventMessage{UID: uid})
	}
	s.srv.events.Happened(ctx, e)
}

// flagged tells of messages of the selected folder whose flags have changed; old finds them as they were.
func (s *session) flagged(ctx context.Context, old *mailbox.View, res mailbox.FlagResult) {
	if len(res.Changed) == 0 || !s.hears(s.sel.mail) {
		return
	}
	e := Event{Who: s.who, Account: s.sel.mail.Account(), Folder: s.sel.id, Cause: "FLAG"}
	before, after := mailbox.Finder{View: old}, mailbox.Finder{View: res.View}
	for _, uid := range slices.Sorted(slices.Values(res.Changed)) {
		_, was := before.Find(uid)
		_, is := after.Find(uid)
		if was != nil && is != nil {
			e.Messages = append(e.Messages, EventMessage{UID: uid, Old: was, New: is})
		}
	}
	if len(e.Messages) > 0 {
		s.srv.events.Happened(ctx, e)
	}
}

// maySetScript keeps others from choosing which of somebody's scripts runs.
func (s *session) maySetScript(f *box) error {
	if f != nil && s.foreign(f.mail) {
		return fault.New(fault.Denied, "only the mailbox's owner can choose a script")
	}
	return nil
}
