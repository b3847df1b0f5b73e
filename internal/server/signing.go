package server

import (
	"postroad/internal/service/delivery"
	"postroad/internal/service/signing"
)

// newSealer makes what signs mail that leaves.
func (s *Server) newSealer() delivery.Sealer {
	service := signing.New(signing.Options{
		Directory: s.store.Directory, Hostname: s.config.Hostname, Now: s.world.Now, Logger: s.log.With("part", "signing"),
	})
	s.metrics.signing(service.Stats)
	return service
}

// signing shows how many messages were signed.
func (m *metrics) signing(stats func() signing.Stats) {
	m.counter("postroad_signed_total", "Messages that left with our DKIM signatures.", func() float64 { return float64(stats().Signed) })
	m.counter("postroad_sealed_total", "Messages that were forwarded with our ARC seal.", func() float64 { return float64(stats().Sealed) })
	m.counter("postroad_unsigned_total", "Messages that should have got a signature or a seal, but left without.", func() float64 { return float64(stats().Unsigned) })
}
