package message

// Limits bound what a Parser keeps and how deep it looks. A field that is zero (or less) has its default.
// What is beyond a limit is not an error: the structure tells less, and Structure.Limited is set.
type Limits struct {
	// Depth is how many parts may lie inside one another, the message itself included. A multipart or a message at
	// the limit is Opaque. Default 100.
	Depth int
	// Parts is how many parts are told apart. The last one extends to the message's end. Default 10,000.
	Parts int
	// HeaderBytes is how much of one header is read: fields beyond are skipped. Default 256 KB.
	HeaderBytes int
	// HeaderFields is how many fields of one header are read. Default 10,000.
	HeaderFields int
	// KeptBytes is how much the headers of parts and nested messages (not the message's own) may leave behind in
	// total. When it is used up, further parts have a type and an encoding but no parameters, names or envelopes. Default 4 MB.
	KeptBytes int
}

func (l Limits) withDefaults() Limits {
	l.Depth = orDefault(l.Depth, 100)
	l.Parts = orDefault(l.Parts, 10_000)
	l.HeaderBytes = orDefault(l.HeaderBytes, 256<<10)
	l.HeaderFields = orDefault(l.HeaderFields, 10_000)
	l.KeptBytes = orDefault(l.KeptBytes, 4<<20)
	return l
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// maxBoundary is the longest boundary that is honoured. RFC 2046 section 5.1.1 allows 70 characters, but a line is enough.
const maxBoundary = 998

// maxParams is how many parameters of one field are kept.
const maxParams = 100
