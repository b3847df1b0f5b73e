package features

import "slices"

// An Extractor makes Sets. It is safe for concurrent use, and keeps its working memory between messages.
type Extractor struct{}

// New makes an Extractor.
func New() *Extractor { return &Extractor{} }

// Extract returns the features of a message.
func (x *Extractor) Extract(m *Message) Set {
	return Set{}
}

// Name tells what some features of a message mean, such as "body: cheap watches" or "link to: example.com", in the order of
// want; "" for those that it doesn't have. The texts are parts of the message: whoever shows them must treat them as such.
func (x *Extractor) Name(m *Message, want []uint32) []string {
	return make([]string, len(want))
}

// Has reports whether a feature is in the set.
func (s Set) Has(f uint32) bool {
	_, ok := slices.BinarySearch(s, f)
	return ok
}
