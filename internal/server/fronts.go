package server

import (
	"context"
	"net"

	"postroad/internal/server/config"
)

// frontEnd is a protocol's server as this package sees it.
type frontEnd interface {
	// serve accepts connections until the listener closes or ctx ends.
	serve(ctx context.Context, b bound) error
	// shutdown says goodbye to the sessions and waits for them. When ctx ends they are cut.
	shutdown(ctx context.Context) error
}

// buildFronts makes one front end for each protocol; all its listeners share it, and its limits.
func (s *Server) buildFronts() (map[string]frontEnd, error) {
	return map[string]frontEnd{
		config.HTTP: newWeb(s),
	}, nil
}

// loopback reports whether an address can be reached from this machine only.
func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
