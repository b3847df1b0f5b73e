package scan

import (
	"context"
	"time"
)

// Scanner speaks to one program. It must be safe for concurrent use. One that is an io.Closer keeps connections, which Close
// closes as far as they aren't in use.
type Scanner interface {
	// Scan shows it a message, and returns soon after ctx ends. m and its content aren't used after that. Errors say that it
	// gave no answer, in words that are fit for a log. fault.Unsupported: it is there, but has no opinion on this message. That says nothing
	// about the next one: else strangers could send what it can't digest, and have it left alone while what they really want comes in.
	Scan(ctx context.Context, m *Message) (Finding, error)
	// Ping finds out whether the program answers, and what it calls itself.
	Ping(ctx context.Context) (string, error)
}

// Action is what is to become of a message, the mildest first.
type Action uint8

// Actions.
const (
	// Accept: nothing was found.
	Accept Action = iota
	// Junk: it goes to the folders for junk.
	Junk
	// TempFail: whoever brings it is to come again later.
	TempFail
	// Discard: it is taken, and nobody gets it.
	Discard
	// Quarantine: it is taken, and kept for an administrator.
	Quarantine
	// Reject: it is refused.
	Reject

	actions
)

// String names the action in a word.
func (a Action) String() string {
	names := [actions]string{"accept", "junk", "tempfail", "discard", "quarantine", "reject"}
	if a < actions {
		return names[a]
	}
	return "unknown"
}

// ActionOf is the Action with a name.
func ActionOf(name string) (Action, bool) {
	for a := range actions {
		if a.String() == name {
			return a, true
		}
	}
	return Accept, false
}

// Certainty says what is known of viruses, as Sieve's virustest does (RFC 5235 §2.2).
type Certainty uint8

// What is known of viruses. The numbers are those of virustest; nothing cures messages here, so that 2 and 3 never occur.
const (
	Untested  Certainty = 0
	Clean     Certainty = 1
	Suspected Certainty = 4
	Infected  Certainty = 5
)

// Symbol is one of the reasons that make up a score.
type Symbol struct {
	Name  string
	Score float64
	// Text says more; "": nothing.
	Text string
}

// Field is a header field that goes in front of the message.
type Field struct{ Name, Value string }

// Finding is what one program thinks of a message. The zero value accepts it.
type Finding struct {
	// Scanner is its name in the settings; a Set fills it in.
	Scanner string
	// Action is what it wants.
	Action Action
	// Code, Status and Text are the reply with which it wants the message refused or put off: 550, "5.7.1"; 0 and "": the usual. A text may have
	// several lines, with LF between them.
	Code         int
	Status, Text string
	// Reason says in a few words why, for the log, the history and the quarantine.
	Reason string
	// Virus is the name of one that it found; Certainty how sure that is, and whether it looks for them at all.
	Virus     string
	Certainty Certainty
	// Scored: it gives scores. Score is the message's, Required what makes it junk; Symbols are the greatest parts of it.
	Scored          bool
	Score, Required float64
	Symbols         []Symbol
	// Fields are to stand in front of the message, the first on top.
	Fields []Field
	// Changes are what else it wants changed; nil: nothing.
	Changes *Changes
	// Final: it has nothing more to say, of the message, or, at AtConnect and AtHello, of the client.
	Final bool
	// Failed: it gave no answer, because of Reason. Skipped: it wasn't asked, because of Reason.
	Failed, Skipped bool
	// Took is how long it took.
	Took time.Duration
}

// Limits of what is kept of a Finding.
const (
	MaxSymbols = 100
	MaxFields  = 50
	maxName    = 128  // bytes in the name of a virus, symbol or field
	maxText    = 400  // bytes in a reply's text and a reason
	maxValue   = 8192 // bytes in a field's value
)
