package smtp

import "sync/atomic"

// Counts are totals since the server was made, but for Open.
type Counts struct {
	Open               int64 // connections now
	Connections        int64
	ConnectionsRefused int64 // by limits
	HandshakesFailed   int64
	AuthFailures       int64
	RecipientsRefused  int64
	Messages           int64 // that at least one recipient has got
	MessagesRefused    int64 // after their data
	Bytes              int64 // of the messages accepted
	Panics             int64
}

type counts struct {
	connections, connectionsRefused, handshakesFailed, authFailures atomic.Int64
	recipientsRefused, messages, messagesRefused, bytes, panics     atomic.Int64
}

// Counts tells what the server has done so far.
func (s *Server) Counts() Counts {
	open := s.crowd.Len()
	c := &s.counts
	return Counts{
		Open: int64(open), Connections: c.connections.Load(), ConnectionsRefused: c.connectionsRefused.Load(),
		HandshakesFailed: c.handshakesFailed.Load(), AuthFailures: c.authFailures.Load(),
		RecipientsRefused: c.recipientsRefused.Load(), Messages: c.messages.Load(),
		MessagesRefused: c.messagesRefused.Load(), Bytes: c.bytes.Load(), Panics: c.panics.Load(),
	}
}
