package message

// A Structure is what a parser has found out about one message.
// It shares no memory with the portions it was parsed from, and is safe for concurrent reading.
type Structure struct {
	// Root is the message itself taken as a part. Never nil.
	Root *Part
	// Header is the message's own header.
	Header Header
	// Envelope is what Header says about the message as a whole. Never nil.
	Envelope *Envelope
	// Size is the number of octets in the message.
	Size int64
	// Limited is true if a limit was met, so that the structure tells less than the message says.
	Limited bool
}

// Charset returns the character set of the message's first text part that names one, or "". Programs that write 8-bit
// headers without encoding them write them in that.
func (s *Structure) Charset() string {
	name := ""
	s.Root.Walk(func(p *Part) bool {
		if name == "" && p.Type == "text" {
			name = p.Charset()
		}
		return name == "" && p.Message == nil
	})
	return name
}

// A Part is one entity of MIME: a header and a body. RFC 2045 section 2.4.
// Type, subtype, parameter names, encoding and disposition are in lower case.
type Part struct {
	// Type and Subtype are never empty: a part that does not name them has its default, text/plain or, in a
	// multipart/digest, message/rfc822.
	Type, Subtype string
	// Typed is false if the type is the default because the header names none that can be read.
	Typed  bool
	Params []Param

	ID          string // Content-ID, with its angle brackets
	Description string // unfolded, encoded words kept
	Encoding    string // Content-Transfer-Encoding; "7bit" if there is none
	MD5         string

	Disposition       string // "" if there is none
	DispositionParams []Param
	Language          []string // RFC 3282
	Location          string

	// The header begins at HeaderOffset and is HeaderSize octets long, the empty line that ends it included.
	HeaderOffset, HeaderSize int64
	// The body begins where the header ends. The line end before a boundary belongs to the boundary.
	BodyOffset, BodySize int64
	// Lines counts the line feeds in the body.
	Lines int64

	// Children are the parts of a multipart, in order. A multipart that has none lost its boundary and was empty, or
	// is Opaque.
	Children []*Part
	// Message is the message inside a message/rfc822 or message/global part; nil if the part is Opaque or something else.
	Message *Nested
	// Opaque is true for a multipart or message whose inside was not looked at: because of a limit, or because its
	// encoding hides it.
	Opaque bool
}

// Nested is a message inside another one.
type Nested struct {
	Envelope *Envelope
	Root     *Part
}

// IsMultipart reports whether the part is a multipart with its parts known.
func (p *Part) IsMultipart() bool { return p.Type == "multipart" && !p.Opaque }

// IsMessage reports whether the part's type is one that holds a message. RFC 2046 section 5.2.1, RFC 6532 section 3.7.
func (p *Part) IsMessage() bool {
	return p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
}

// Param returns the decoded value of the Content-Type parameter name (lower case), or "".
func (p *Part) Param(name string) string { return param(p.Params, name) }

// Charset returns the part's character set as it is named, or "".
func (p *Part) Charset() string { return p.Param("charset") }

// Filename returns the decoded name under which the part wants to be saved, or "".
// The disposition's word counts more than the type's. RFC 2183 section 2.3.
func (p *Part) Filename() string {
	if name := param(p.DispositionParams, "filename"); name != "" {
		return DecodeWords(name)
	}
	return DecodeWords(param(p.Params, "name"))
}

// Walk calls f for the part and all parts below it, nested messages included, in the order of the bytes.
// If f returns false, what is below the part is left out.
func (p *Part) Walk(f func(*Part) bool) {
	if !f(p) {
		return
	}
	for _, c := range p.Children {
		c.Walk(f)
	}
	if p.Message != nil {
		p.Message.Root.Walk(f)
	}
}

// A Param is one parameter of a Content-Type or Content-Disposition field.
type Param struct {
	Name string // lower case, without the asterisks of RFC 2231
	// Value is the meaning, as valid UTF-8. Encoded words, which don't belong here, are kept.
	Value string
	// Raw is the value as written, its continuations joined. If Extended, it has the form charset'language'octets.
	Raw      string
	Extended bool
}

func param(ps []Param, name string) string {
	for i := range ps {
		if ps[i].Name == name {
			return ps[i].Value
		}
	}
	return ""
}
