package features

// A Kind says what a feature is about. It stands in the feature's five highest bits, so that models can treat kinds apart.
type Kind uint8

// The kinds. Their numbers are stored with what has been learned: they don't change, new ones go to the end.
const (
	_           Kind = iota
	Word             // a word of the text
	Pair             // two words in a row
	Subject          // a word of the subject
	SubjectPair      // two words of the subject in a row
	TextShape        // length, obfuscation, script of the text
	Link             // the host of a link
	LinkDomain       // its domain and top-level domain
	LinkShape        // how a link is made
	HTML             // how the HTML is made
	Part             // structure, types and encodings of parts
	File             // types and names of attached files
	Charset          // character sets
	From             // the author's address and domain
	Name             // words of the author's name
	Address          // how the sender's addresses relate
	Field            // presence of a header field
	Order            // two header fields in a row
	Mailer           // what program wrote the message
	Date             // how the date is written
	ID               // how the Message-ID is made
	To               // how the recipients are written
	Auth             // results of SPF, DKIM, DMARC, ARC
	Proven           // the author's domain, if it is proven
	Network          // where the client is
	Client           // how the client calls itself
	Envelope         // the reverse-path
	Sign             // phishing signs
	Gram             // four characters in a row
	Trace            // how the message came
	Match            // how parts of a message go together
	kinds
)

// kindBits is how many of a feature's bits are its hash; the kind is above them.
const kindBits = 27

// KindOf returns what a feature is about.
func KindOf(f uint32) Kind { return Kind(f >> kindBits) }

// labels are what people read before a feature's text.
var labels = [kinds]string{
	Word: "word", Pair: "words", Subject: "subject has", SubjectPair: "subject has", TextShape: "text", Link: "link to",
	LinkDomain: "link to domain", LinkShape: "link", HTML: "HTML", Part: "structure", File: "file", Charset: "character set",
	From: "from", Name: "author's name has", Address: "sender's addresses", Field: "header field", Order: "header fields",
	Mailer: "written by", Date: "date", ID: "message ID", To: "recipients", Auth: "authentication", Proven: "proven domain",
	Network: "network", Client: "client", Envelope: "return path", Sign: "phishing sign", Gram: "text has",
	Trace: "trace", Match: "goes together",
}

// String returns the kind as people read it.
func (k Kind) String() string {
	if k >= kinds {
		return ""
	}
	return labels[k]
}
