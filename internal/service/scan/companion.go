package scan

import "context"

// Stage is a step of a client's, which it takes with a message or before it.
type Stage uint8

// Stages, in their order. AtContent is when all of the message is there.
const (
	AtConnect Stage = iota
	AtHello
	AtMail
	AtRecipient
	AtData
	AtContent
)

// Companion is a Scanner that hears of a client's steps when they are taken, and may refuse each.
type Companion interface {
	Scanner
	// Begin begins a conversation about one client. It must cost nothing: nobody may ever ask anything.
	Begin() Conversation
	// Heeds reports whether the program has something to say at a stage; it must cost nothing. What isn't known yet is a yes.
	Heeds(at Stage) bool
}

// Conversation is about one client, all of whose messages it sees. It isn't safe for concurrent use.
type Conversation interface {
	// Step tells of a step, and of all before it that the program hasn't heard of. m is what is known then: of the message nothing
	// before AtMail; recipients so far, of which at AtRecipient the last is the one in question; the content only at AtContent. Else it is as Scan.
	Step(ctx context.Context, at Stage, m *Message) (Finding, error)
	// Abort says that nothing comes of the message. It must not wait; without a message it is nothing.
	Abort()
	// Close ends the conversation.
	Close()
}
