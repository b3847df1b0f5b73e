package scan

// Extent is how much programs may change.
type Extent uint8

// Extents.
const (
	// ChangeAll: all that a program wants.
	ChangeAll Extent = iota
	// ChangeHeaders: its header alone.
	ChangeHeaders
	// ChangeNone: nothing, but for fields that go in front.
	ChangeNone
)

// Changes are what a program wants changed in a message, and in its envelope.
type Changes struct {
	// Header is done first, in its order, on the header that the program has seen.
	Header []HeaderChange
	// Body takes the body's place; nil: it stays. Line ends that aren't CRLF are made so.
	Body Draft
	// Envelope is done when the message is about to be delivered.
	Envelope []EnvelopeChange
}

// HeaderChange changes a field, adds or removes one. Places are those that fields had before any of them was removed.
type HeaderChange struct {
	Name string
	// Place is which of those of the name: 1 the first, -1 the last; 0: all, which only Remove knows.
	Place int
	Value string
	Do    HeaderAct
}

// HeaderAct is what becomes of a field.
type HeaderAct uint8

// What becomes of fields.
const (
	// SetField gives it another value; if there is none at that place it is added.
	SetField HeaderAct = iota
	// AddField adds one at the end of the header.
	AddField
	// RemoveField removes it.
	RemoveField
)

// EnvelopeChange is a change of sender or recipients.
type EnvelopeChange struct {
	Do EnvelopeAct
	// Address is without brackets.
	Address string
	// By is the program's name in the settings; a Set fills it in. Outgoing: it sees outgoing mail, too.
	By       string
	Outgoing bool
}

// EnvelopeAct is what becomes of an address.
type EnvelopeAct uint8

// What becomes of addresses.
const (
	SetSender EnvelopeAct = iota
	AddRecipient
	RemoveRecipient
)

// Limits of Changes.
const (
	maxHeaderChanges   = 1000
	maxEnvelopeChanges = 1000
	maxChangedValue    = 256 << 10
)

// beyond says in a few words what of the changes an extent doesn't have; body: the message would be wrong without it.
func (c *Changes) beyond(e Extent) (why string, wrong bool) {
	switch {
	case c == nil || e == ChangeAll:
	case c.Body != nil:
		return "it wants another body, which isn't done", true
	case len(c.Envelope) > 0:
		return "it wants another envelope, which isn't done", true
	case e == ChangeNone && len(c.Header) > 0:
		return "it wants header fields changed, which isn't done", false
	}
	return "", false
}
