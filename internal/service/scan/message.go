package scan

import (
	"crypto/x509"
	"io"
	"net/netip"
)

// Direction says whose mail a message is.
type Direction uint8

// Directions.
const (
	// Incoming is mail that a stranger brings.
	Incoming Direction = iota
	// Relayed is mail that one of ours brings who has it from others: a relay in front, by LMTP or from a trusted network.
	Relayed
	// Outgoing is mail of somebody who has signed in, to people here or elsewhere.
	Outgoing
)

// Message is what a Scanner gets to see. Fields that aren't known are empty.
type Message struct {
	// ID names the message in our log.
	ID        string
	Direction Direction
	// From is the reverse-path without brackets, "" the null path. To are the recipients.
	From string
	To   []string
	// Locals has for each recipient whether it is somebody here; it may be shorter than To.
	Locals []bool
	// FromArgs and ToArgs are the parameters that the client gave with them: "SIZE=1000". ToArgs may be shorter than To.
	FromArgs []string
	ToArgs   [][]string
	// Client is where the one who brings it is; the zero Addr: on this machine, or not known. Port is its, 0: not known.
	Client netip.Addr
	Port   uint16
	// Local is where it has connected to; the zero AddrPort: not known.
	Local netip.AddrPort
	// Listener is what that is for: "smtp", "submission" or "lmtp".
	Listener string
	// ClientName gives the client's name in the DNS, if that leads back to it; "": it has none. It may wait. Nil: nobody knows.
	ClientName func() string
	// Helo is the name that the client gave itself.
	Helo string
	// TLSVersion and Cipher are of the connection: "TLS 1.3", "TLS_AES_128_GCM_SHA256"; "": it isn't private.
	TLSVersion, Cipher string
	// Certificate is the client's, whether or not anybody vouches for it; nil: it has shown none.
	Certificate *x509.Certificate
	// Protocol is that of the Received field: "ESMTPS".
	Protocol string
	// Login is who has signed in; "": nobody.
	Login string
	// Mechanism is how: "PLAIN"; Author is who the client says has submitted the message (MAIL's AUTH, RFC 4954 §5); "": nobody.
	Mechanism, Author string
	// Hostname is our name.
	Hostname string
	// Content has the message's bytes, Size of them, without our own Received field. It may be read by several at once.
	Content io.ReaderAt
	Size    int64
	// Front are fields that other programs have put in front of it.
	Front []Field
	// Draft begins a place for other bytes than the message's, of which there may be Limit at most. Nil: nothing can be changed.
	Draft func() Draft
	Limit int64
}

// Draft takes bytes, and can be read when all are there. Whoever has made it discards it.
type Draft interface {
	io.Writer
	io.ReaderAt
	Size() int64
}

// Reader reads the message from its start.
func (m *Message) Reader() *io.SectionReader { return io.NewSectionReader(m.Content, 0, m.Size) }

// Name is the client's name in the DNS; "" if it has none or nobody knows.
func (m *Message) Name() string {
	if m.ClientName == nil {
		return ""
	}
	return m.ClientName()
}
