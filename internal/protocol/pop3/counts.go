package pop3

import "sync/atomic"

type counts struct {
	connections, refused, panics       atomic.Uint64
	signIns, commands, errors          atomic.Uint64
	retrieved, retrievedBytes, deleted atomic.Uint64
}

// Stats counts what a Server has done since it was made.
type Stats struct {
	Connections    uint64 // accepted
	Refused        uint64 // connections turned away for their number
	Open           int    // connections now
	SignIns        uint64
	Commands       uint64
	Errors         uint64 // unknown, malformed or misplaced commands and failed sign-ins
	Retrieved      uint64 // messages, by RETR
	RetrievedBytes uint64
	Deleted        uint64 // messages
	Panics         uint64 // sessions that ended by a fault of ours
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	c := &s.counts
	open := s.crowd.Len()
	return Stats{
		Connections: c.connections.Load(), Refused: c.refused.Load(), Open: open, SignIns: c.signIns.Load(),
		Commands: c.commands.Load(), Errors: c.errors.Load(), Retrieved: c.retrieved.Load(),
		RetrievedBytes: c.retrievedBytes.Load(), Deleted: c.deleted.Load(), Panics: c.panics.Load(),
	}
}
