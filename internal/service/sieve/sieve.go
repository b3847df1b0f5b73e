// Package sieve decides, by a person's rules, what becomes of an arriving message: it is kept, filed into a folder, sent on,
// refused, answered, thrown away.
//
// Compile makes a Script of a text, once; Script.Run runs it on a message as often as one likes, and returns an Outcome: the
// actions that others (package delivery) are to carry out afterwards. Nothing is done while a script runs, so a script that fails
// half-way has done nothing, and the message is kept.
//
// What a script wants to know of the world it asks an Environment. A run is bounded in every way: in steps and in octets looked
// at (Limits.Fuel), in the size and number of variables, in actions.
//
// Nothing of a message is parsed that no test asks for, and header fields are parsed once.
//
// Implements RFC 5228 and the extensions that Extensions lists.
package sieve

import (
	"context"
	"io"
	"time"

	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
)

// Script is a compiled script with what it includes. It is immutable, and safe for concurrent use.
type Script struct {
	unit *unit
	// Warnings are what may be wrong, but is no error before it is met.
	Warnings []Problem
}

// Problem is something wrong in a script.
type Problem struct {
	// Script is the name of the script, which may be an included one.
	Script string
	Pos    syntax.Pos
	Text   string
}

// Error is "name:line:column: text".
func (p Problem) Error() string {
	where := p.Pos.String()
	if p.Script != "" {
		where = p.Script + ":" + where
	}
	return where + ": " + p.Text
}

// Problems are all that is wrong in a script, up to Limits.Errors.
type Problems []Problem

// Error joins them, one a line.
func (ps Problems) Error() string {
	text := ""
	for i, p := range ps {
		if i > 0 {
			text += "\n"
		}
		text += p.Error()
	}
	return text
}

// Location says where an included script lies. RFC 6609 §3.2.
type Location uint8

// Locations.
const (
	Personal Location = iota
	Global
)

// Options are what Compile needs. The zero value works.
type Options struct {
	// Name names the script in errors.
	Name string
	// Include finds included scripts; ok is false if there is none of the name. Nil: there are none.
	Include func(l Location, name string) (text string, ok bool, err error)
	// Without are extensions that are not to be had.
	Without []string
	// Limits bound the script and its runs.
	Limits Limits
	// Explain has runs tell Environment.Trace what they do. Such a script is slower.
	Explain bool

	more *extras // what tests add
}

// Limits bound scripts and their runs. A field that is zero (or less) has its default.
type Limits struct {
	// Bytes is how long a script may be; included ones count for themselves. Default 1 MB.
	Bytes int
	// Depth is how deep blocks and tests may lie inside one another. Default 32.
	Depth int
	// Errors is how many errors are told. Default 50.
	Errors int
	// Includes is how many scripts a script may include in all, and IncludeDepth how deep. Defaults 255 and 10.
	Includes, IncludeDepth int
	// Fuel is how much a run may do: about the commands, tests and comparisons, and a sixteenth of the octets looked at.
	// Default 5 million, which is some tenths of a second at worst.
	Fuel int64
	// Variables is how many variables a script may have, VariableBytes how long their values may get: longer ones are cut
	// (RFC 5229 §6). Defaults 255 and 4,000.
	Variables, VariableBytes int
	// Actions is how many actions a run may ask for, Redirects how many redirections and Notifications how many
	// notifications of them. Defaults 32, 4 and 4.
	Actions, Redirects, Notifications int
	// BodyBytes is how much of a message's body is looked at, decoded, and how much replace may write. Default 2 MB.
	BodyBytes int
	// HeaderBytes is how long a header may get by addheader. Default 256 KB.
	HeaderBytes int
	// FieldBytes is how long a header field that is added may be. Default 8,192.
	FieldBytes int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	set(&l.Bytes, 1<<20)
	set(&l.Depth, 32)
	set(&l.Errors, 50)
	set(&l.Includes, 255)
	set(&l.IncludeDepth, 10)
	set(&l.Variables, 255)
	set(&l.VariableBytes, 4000)
	set(&l.Actions, 32)
	set(&l.Redirects, 4)
	set(&l.Notifications, 4)
	set(&l.BodyBytes, 2<<20)
	set(&l.HeaderBytes, 256<<10)
	set(&l.FieldBytes, 8192)
	if l.Fuel <= 0 {
		l.Fuel = 5_000_000
	}
	return l
}

// Message is the message that a script runs on. It must be safe for reading while a run lasts.
type Message interface {
	io.ReaderAt
	Size() int64
	// Header returns the header as it is, the empty line at its end included. It must not be changed.
	Header() []byte
}

// HeaderParser is a Message whose header may be parsed already.
type HeaderParser interface {
	// ParsedHeader returns what Header does in two parts, of which each is made of whole fields, and the second is parsed; ok is false if it isn't.
	ParsedHeader() (front []byte, rest *message.Header, ok bool)
}

// Envelope is what came with the message. Addresses are without brackets.
type Envelope struct {
	// From is the reverse-path; "": the null path. To is the recipient for whom the script runs, and Original what the
	// client said, if that is another address ("": it isn't).
	From, To, Original string
	// Auth is who signed in to hand the message in; "": nobody.
	Auth string
}

// Environment is the world of one run.
type Environment struct {
	Envelope Envelope
	// Now is the time, in the owner's zone.
	Now time.Time
	// Addresses are all addresses of the script's owner, the best one first. They tell mail for the owner from mail for
	// others, and own mail from that of others.
	Addresses []string
	// Name is the owner's name for people; "": not known.
	Name string
	// Item tells those of RFC 5183 that are about the message, such as "remote-ip", by their names in lower case. Owner tells others, and the
	// interpreter adds "name", "version", "location" and "phase" if they are missing. Nil: there are none.
	Item func(name string) (value string, ok bool)
	// Owner tells what few scripts ask about the owner. Nil: nothing is known.
	Owner Owner
	// Spam and Virus are what checks found (RFC 5235): 0 is not tested. Spam is 1 (surely not) to 100, Virus 1 (surely none) to 5.
	Spam, Virus int
	// Junk: the message is taken for junk, so that its sender is not answered.
	Junk bool
	// Flags are those that the message has already.
	Flags []string
	// Event is the IMAP event by which the script runs (RFC 6785); nil: the message is being delivered.
	Event *Event
	// Trace hears what a script does that was compiled to be explained: the place, and "header: true" or "fileinto". Nil: nobody does.
	Trace func(script string, at syntax.Pos, what string)
	// Room is where the run's Outcome is made, which is valid until the next run that has this room. Nil: it is made anew.
	Room *Outcome
	// World answers questions. Nil: there are no folders but INBOX, no lists, nothing is remembered.
	World World
}

// Owner tells about a script's owner.
type Owner interface {
	// Mine reports whether another address is the owner's, such as an alias.
	Mine(address string) (bool, error)
	// Item is as Environment.Item: "domain", "host".
	Item(name string) (value string, ok bool)
	// Separators are the characters that part an address's detail from its user (RFC 5233); "": "+".
	Separators() string
}

// Event is what happened to a message in a folder. RFC 6785 §4.
type Event struct {
	Cause        string // "APPEND", "COPY", "FLAG"
	Mailbox      string
	ChangedFlags []string
	// User and Email are the name by which whoever did it has signed in, and their address.
	User, Email string
}

// World answers a script's questions. Names of mailboxes are as in the script: UTF-8, with "/" between levels.
type World interface {
	// Mailbox reports whether a folder exists that the owner may put messages into.
	Mailbox(ctx context.Context, name string) (bool, error)
	// MailboxID does so by the folder's OBJECTID. RFC 9042.
	MailboxID(ctx context.Context, id string) (bool, error)
	// SpecialUse reports whether a folder has a use such as "\\Junk"; of name "": whether there is a folder of that use. RFC 8579.
	SpecialUse(ctx context.Context, name, use string) (bool, error)
	// Metadata returns an annotation of a folder, or of name "" one of the server. RFC 5490.
	Metadata(ctx context.Context, name, annotation string) (string, bool, error)
	// Seen reports whether a duplicate is remembered. RFC 7352.
	Seen(ctx context.Context, id string) (bool, error)
	// List reports whether a value is in an external list; known is false if there is no such list. RFC 6134.
	List(ctx context.Context, list, value string) (in, known bool, err error)
	// ListAddress is the address by which all of a list are written to; "": there is no such list, or it isn't one to be written to.
	// RFC 6134 §2.3.
	ListAddress(ctx context.Context, list string) (address string, err error)
}

// Version is the version of the interpreter, as scripts see it (RFC 5183 §4.1).
const Version = "1"

// Extensions lists the capabilities that scripts may require, in the order of the alphabet, as ManageSieve tells them.
func Extensions() []string { return extensionNames() }
