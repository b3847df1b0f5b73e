package server

import (
	"net/http"
	"net/netip"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server/admin"
	"postroad/internal/service/auth"
)

// whoAdministers says who sent a request to the admin API. It admits the token in the data folder (the whole server), the tokens of the
// directory (RFC 6750 §2.1), and accounts that administer something, by address and password (RFC 7617), none of which may come in
// the clear over a network.
func (s *Server) whoAdministers(r *http.Request) (admin.Caller, error) {
	if r.TLS == nil && !onLoopback(r) {
		return admin.Caller{}, fault.New(fault.Denied, "use https")
	}
	if s.token.Admits(r) {
		return admin.Caller{Name: "token", Server: true}, nil
	}
	if login, password, ok := r.BasicAuth(); ok {
		return s.accountThatAdministers(r, login, password)
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		s.noteWrongToken(r)
		return admin.Caller{}, fault.New(fault.Unauthenticated, "this needs an admin token, or an administrator's password")
	}
	t, err := s.store.Directory.Token(r.Context(), secret)
	if err != nil {
		s.noteWrongToken(r)
		return admin.Caller{}, err
	}
	return callerWith("token "+t.Name, t.Duties), nil
}

func callerWith(name string, d directory.Duties) admin.Caller {
	return admin.Caller{Name: name, Server: d.Server, Domains: d.Domains}
}

// accountThatAdministers signs an account in. Those that administer nothing are refused, but only once their password was right.
func (s *Server) accountThatAdministers(r *http.Request, login, password string) (admin.Caller, error) {
	peer := auth.Peer{Protocol: auth.AdminProtocol, TLS: r.TLS, PlainAllowed: onLoopback(r)}
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		peer.Addr = a.Addr().Unmap()
	}
	who, err := s.engine.Login(r.Context(), peer, login, password)
	if err != nil {
		return admin.Caller{}, err
	}
	duties, err := s.store.Directory.Duties(r.Context(), who.Account)
	if err == nil && duties.None() {
		err = fault.New(fault.Denied, "%s administers nothing", who.Login)
	}
	return callerWith(who.Login, duties), err
}
