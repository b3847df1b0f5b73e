package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/service/policy"
	"postroad/internal/storage/kv"
)

// openPolicies reads what administrators have decided about mail.
func openPolicies(ctx context.Context, db kv.DB, w World) (*policy.Book, error) {
	return policy.Open(ctx, db, policy.Options{Now: w.Now, Logger: w.Logger.With("part", "policies")})
}

// welcomeSender reports whether an administrator wants mail of a sender for a recipient.
func (s *Server) welcomeSender(from, to string) bool {
	return s.store.Policies.AllowsSender(from, policy.DomainOf(to))
}

// policies shows how many there are.
func (m *metrics) policies(b *policy.Book) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postroad_policies", Help: "Policies that administrators have made."},
		func() float64 { return float64(len(b.All())) }))
}
