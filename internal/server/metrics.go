package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"postroad/internal/server/admin"
)

// metrics is what /metrics shows. It has a registry of its own, so that several
// servers in one process (in tests) don't meet.
type metrics struct {
	registry *prometheus.Registry
}

func newMetrics(s *Server) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "postroad_info", Help: "Always 1; the label tells the version.",
			ConstLabels: prometheus.Labels{"version": s.world.Version}}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "postroad_certificate_expires_seconds", Help: "When the TLS certificate ends, in Unix seconds."},
			func() float64 { return float64(s.certs.Leaf().NotAfter.Unix()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "postroad_store_writable", Help: "1 while the store can be written to, 0 after an I/O error."},
			func() float64 { return number(s.broken() == nil) }),
	)
	return m
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// status answers the admin API.
func (s *Server) status() admin.Status {
	st := admin.Status{Version: s.world.Version, Hostname: s.config.Hostname}
	select {
	case <-s.ready:
	default:
		return st
	}
	st.Started = s.started.UTC().Truncate(time.Second)
	for _, l := range s.Addresses() {
		st.Listen = append(st.Listen, l.Protocol+" "+l.Address)
	}
	return st
}
