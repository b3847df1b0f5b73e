package server

import (
	"context"
	"strings"

	"postroad/internal/service/transfer"
)

// destination names what shares the remote end, for the queue: the smart host or other next hop of the settings, else the
// recipient's domain. What is for people here waits for nobody else.
func (s *Server) destination(e *transfer.Envelope, r *transfer.Recipient) string {
	domain := r.Address[strings.LastIndexByte(r.Address, '@')+1:]
	if s.internet == nil || len(s.config.Route) == 0 {
		return strings.ToLower(domain)
	}
	if ours, err := s.agent.Local(context.Background(), r.Address); err == nil && ours {
		return strings.ToLower(domain)
	}
	return s.internet.router.Destination(domain, e.From)
}
