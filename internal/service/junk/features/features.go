// Package features says what is remarkable about a message, for those who learn to tell junk from good mail: its words, where
// its links lead, who proved to have sent it, how it is built. Each remark is a feature: the 32-bit hash of a short text that
// begins with the feature's kind ("subject:offer"), so that a message is a set of numbers.
//
// Extractor.Extract makes the set in one pass over a bounded part of the message; Extractor.Name tells what features mean by
// making them again, so that nobody has to keep their texts. It is pure: no store, no network, no clock. The same message
// with the same facts always gives the same set, on arrival as well as months later.
//
// What it reads of the world outside are Facts, which FactsOf finds in the trace that the server puts in front of messages.
package features

import (
	"io"

	"postroad/internal/format/summary"
)

// Max is the most features that a Set holds.
const Max = 3000

// A Set is what is remarkable about one message: hashes each once, in no particular order, Max at most. The zero value is that of
// an empty message. It may be read concurrently.
type Set []uint32

// A Message is what features are made of.
type Message struct {
	// Summary is the message's record.
	Summary summary.Record
	// Body has the whole message, as the record's offsets point into it. What can't be read has no features.
	Body io.ReaderAt
	// Front is header fields that stand in front of those that Summary and Body tell of.
	Front []byte
	// Results is the value of our Authentication-Results field in the header, if somebody has it as text: it needn't be. Another one is of no account.
	Results string
	// Facts are what is known apart from the message itself.
	Facts Facts
	// Decoded returns the first MaxDecoded octets of the text at an offset of Body whose transfer encoding is undone, or all if there are fewer, if
	// somebody has undone that already. They are only read, while Extract or Name run. nil: nobody has.
	Decoded func(offset int64) (text []byte, ok bool)
}

// MaxDecoded is how much of one text is looked at, in octets.
const MaxDecoded = maxRaw
