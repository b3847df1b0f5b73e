package pop3

import (
	"sync/atomic"

	"postroad/internal/service/talk"
)

type counts struct {
	signIns, retrieved, retrievedBytes, deleted atomic.Uint64
}

// Stats counts what a Server has done since it was made.
type Stats struct {
	talk.Stats
	SignIns        uint64
	Retrieved      uint64 // messages, by RETR
	RetrievedBytes uint64
	Deleted        uint64 // messages
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	c := &s.counts
	return Stats{
		Stats: s.talk.Stats(), SignIns: c.signIns.Load(),
		Retrieved: c.retrieved.Load(), RetrievedBytes: c.retrievedBytes.Load(), Deleted: c.deleted.Load(),
	}
}
