package scan

import (
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
	// Client is where the one who brings it is; the zero Addr: on this machine, or not known.
	Client netip.Addr
	// ClientName gives the client's name in the DNS, if that leads back to it; "": it has none. It may wait. Nil: nobody knows.
	ClientName func() string
	// Helo is the name that the client gave itself.
	Helo string
	// TLSVersion and Cipher are of the connection: "TLS 1.3", "TLS_AES_128_GCM_SHA256"; "": it isn't private.
	TLSVersion, Cipher string
	// Protocol is that of the Received field: "ESMTPS".
	Protocol string
	// Login is who has signed in; "": nobody.
	Login string
	// Hostname is our name.
	Hostname string
	// Content has the message's bytes, Size of them, without our own Received field. It may be read by several at once.
	Content io.ReaderAt
	Size    int64
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
