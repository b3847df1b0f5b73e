package server

import (
	"context"
	"net/http"
	"time"
)

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

// TellNotices is what happens when people are due to be told what has changed in their accounts.
func (s *Server) TellNotices(ctx context.Context) (time.Time, error) { return s.notices.Tell(ctx) }
