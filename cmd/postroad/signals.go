package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"postroad/internal/server"
)

// signals turns the process's signals into what a server understands: SIGINT and
// SIGTERM end the context, a second one the process at once, and SIGHUP makes the
// server, once there is one, read its certificate and filter scripts again.
type signals struct {
	incoming chan os.Signal
	ended    chan struct{}
	listener sync.WaitGroup
	server   atomic.Pointer[server.Server]
}

// obeySignals begins to listen. The caller calls end.
func obeySignals(ctx context.Context) (*signals, context.Context) {
	ctx, stop := context.WithCancel(ctx)
	s := &signals{incoming: make(chan os.Signal, 4), ended: make(chan struct{})}
	signal.Notify(s.incoming, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	s.listener.Go(func() {
		defer stop()
		s.listen(stop)
	})
	return s, ctx
}

func (s *signals) end() {
	signal.Stop(s.incoming)
	close(s.ended)
	s.listener.Wait()
}

func (s *signals) listen(stop func()) {
	stopping := false
	for {
		select {
		case <-s.ended:
			return
		case sig := <-s.incoming:
			switch {
			case sig == unix.SIGHUP:
				s.reload()
			case stopping:
				fmt.Fprintln(os.Stderr, "postroad: stopping at once; what was acknowledged is safe")
				os.Exit(exitFailed)
			default:
				stopping = true
				stop()
			}
		}
	}
}

func (s *signals) reload() {
	if sv := s.server.Load(); sv != nil {
		if err := sv.Reload(); err != nil {
			fmt.Fprintln(os.Stderr, "postroad: reload:", err)
		}
	}
}
