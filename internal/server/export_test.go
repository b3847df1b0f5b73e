package server

import "net/http"

// PolicyHost is what answers at https://mta-sts.<domain>.
func (s *Server) PolicyHost() http.Handler { return s.policyHost() }

// MailServices and WebBase are what mail programs are told.
var (
	MailServices = mailServices
	Vouching     = vouching
	WebBase      = webBase
)

// LookAtRules is what happens once a minute to the administrator's filter scripts.
func (s *Server) LookAtRules() { s.lookAtRules() }
