package sieve

import (
	"strings"
	"time"

	syntax "postroad/internal/format/sieve"
)

// Outcome is what a run wants done.
type Outcome struct {
	// Actions are to be carried out in this order. There are none for a message that is to vanish.
	Actions []Action
	// Remember are duplicates to be remembered once the actions are done. RFC 7352 §3.
	Remember []Remembered
	// Kept: the message stays here.
	Kept bool
	// Steps is how much fuel was used.
	Steps int64

	keep [1]Action // room for Actions, which most often are to keep the message
}

// Remembered is a duplicate's identifier, and until when it counts. Extend: also if it is remembered already (:last).
type Remembered struct {
	ID     string
	Until  time.Time
	Extend bool
}

// Op says what an action does.
type Op uint8

// Actions.
const (
	Keep Op = iota // into the INBOX, or where the message is (imapsieve)
	FileInto
	Redirect
	Reject  // with a notification, or 5xx where nothing is hidden by it
	Ereject // with 5xx if it can be
	Vacation
	Notify
)

// String is the action's name in scripts.
func (o Op) String() string {
	return [...]string{"keep", "fileinto", "redirect", "reject", "ereject", "vacation", "notify"}[o]
}

// Action is one thing to be done.
type Action struct {
	Op Op
	// Pos is where the script asks for it; zero: the implicit keep.
	Pos    syntax.Pos
	Script string
	// Implicit: nobody asked for this keep.
	Implicit bool
	// Message is the message as it is to be filed or sent, if the script has changed it; nil: as it came.
	Message Message
	// Flags are those the message gets: "\\Seen" and keywords. SetFlags tells "none" from "what it has anyway".
	Flags    []string
	SetFlags bool
	// Mailbox is where FileInto files; Create: the folder is made if it isn't there (RFC 5490 §3.2).
	Mailbox string
	Create  bool
	// MailboxID and Use are preferred to Mailbox, if a folder of that OBJECTID (RFC 9042 §4) or use (RFC 8579 §4) exists.
	MailboxID, Use string
	// Address is where Redirect sends the message, List the list to whose members (RFC 6134 §2.3).
	Address, List string
	// Text is the reason of Reject and Ereject.
	Text string
	// Reply and Notice tell of Vacation and Notify.
	Reply  *Reply
	Notice *Notice
	// Copies are where a copy of what is sent is filed (RFC 8580); nil: nowhere.
	Copies *Action
}

// Reply is an answer by vacation. RFC 5230.
type Reply struct {
	// Handle tells answers apart; each sender gets one per handle and period.
	Handle string
	// To is who gets it ("": nobody, since it is no message to be answered), From who it is from, as for a header field.
	To, From string
	// Name is the name of who gets it; "": not known.
	Name string
	// Subject is decoded.
	Subject string
	// Body is the text, or with MIME a whole MIME entity with its header. HTML is the same in another form; "": there is none.
	Body, HTML string
	MIME       bool
	// Every is how often a sender may get it; 0: each time (RFC 6131 §2).
	Every time.Duration
	// References are those of the answered message; InReplyTo its identifier without brackets.
	References []string
	InReplyTo  string
}

// Notice is a notification by notify. RFC 5435.
type Notice struct {
	// Method is the URI, From is in the form of a header field ("": the owner), Importance is 1 (high) to 3.
	Method, From string
	Importance   int
	Options      []string
	// Message is the text; "": none was given.
	Message string
	// Mail is what a mailto: URI says (RFC 5436); never nil.
	Mail *Mailto
}

// Describe tells in words what an action does.
func (a *Action) Describe() string {
	text := a.Op.String()
	switch a.Op {
	case Keep:
		if text = "keep the message"; a.Implicit {
			text += " (no rule says otherwise)"
		}
	case FileInto:
		text = "file it into \"" + a.Mailbox + "\""
		if a.Create {
			text += ", which is made if need be"
		}
	case Redirect:
		text = "redirect it to " + a.Address
	case Reject, Ereject:
		text = "refuse it: " + oneLine(a.Text)
	case Vacation:
		if text = "no answer by vacation: it is no message to be answered"; a.Reply.To != "" {
			text = "answer " + a.Reply.To + ", unless that was done lately: \"" + a.Reply.Subject + "\""
		}
	case Notify:
		text = "notify " + strings.Join(a.Notice.Mail.everybody(), ", ")
	}
	if a.SetFlags {
		text += ", with the flags (" + strings.Join(a.Flags, " ") + ")"
	}
	if a.Message != nil {
		text += ", changed"
	}
	return text
}
