package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/server/config"
	"postroad/internal/service/trace"
	"postroad/internal/storage/kv"
)

// openTrace opens the trace of what happens to messages.
func openTrace(ctx context.Context, db kv.DB, c config.Trace, w World) (*trace.Log, error) {
	return trace.Open(ctx, db, trace.Options{
		Now: w.Now, Logger: w.Logger.With("part", "trace"), Horizon: c.Keep.OrZero(), Bytes: int64(c.Size),
	})
}

// runTrace writes down what is noted, until ctx ends.
func (s *Server) runTrace(ctx context.Context) { s.store.Trace.Run(ctx) }

// trace shows how the trace is.
func (m *metrics) trace(stats func() trace.Stats) {
	m.counter("postroad_trace_events_total", "Things noted that happened to messages.", func() float64 { return float64(stats().Events) })
	m.counter("postroad_trace_events_lost_total", "Of them, those that could not be written down in time.", func() float64 { return float64(stats().Lost) })
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postroad_trace_bytes", Help: "What the trace takes in the store."},
		func() float64 { return float64(stats().Bytes) }))
}
