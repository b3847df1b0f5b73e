package server

import "net/http"

// PolicyHost is what answers at https://mta-sts.<domain>.
func (s *Server) PolicyHost() http.Handler { return s.policyHost() }
