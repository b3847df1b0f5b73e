package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"postroad/internal/server"
)

// untilSignal runs a server. SIGINT or SIGTERM stops it gracefully, a second one at
// once. SIGHUP makes it read its certificate again.
func untilSignal(ctx context.Context, s *server.Server) error {
	ctx, stop := context.WithCancel(ctx)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	done := make(chan struct{})
	var listener sync.WaitGroup
	listener.Go(func() { obey(signals, done, stop, s) })
	err := s.Run(ctx)
	signal.Stop(signals)
	close(done)
	listener.Wait()
	stop()
	return err
}

func obey(signals <-chan os.Signal, done <-chan struct{}, stop func(), s *server.Server) {
	stopping := false
	for {
		select {
		case <-done:
			return
		case sig := <-signals:
			switch {
			case sig == unix.SIGHUP:
				if err := s.Reload(); err != nil {
					fmt.Fprintln(os.Stderr, "postroad: reload:", err)
				}
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
