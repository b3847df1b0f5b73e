package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"postroad/internal/protocol/pop3"
	"postroad/internal/protocol/smtp"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/auth"
	"postroad/internal/service/delivery"
	"postroad/internal/service/queue"
	"postroad/internal/storage/kv/pebble"
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
		certCollector{s},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "postroad_store_writable", Help: "1 while the store can be written to, 0 after an I/O error."},
			func() float64 { return number(s.broken() == nil) }),
	)
	m.engine(s.store.engine.Stats)
	m.trace(s.store.Trace.Stats)
	if s.queue != nil {
		m.queue(s.queue.Stats)
	}
	return m
}

// queue shows how the mail is that is to leave.
func (m *metrics) queue(stats func() queue.Stats) {
	gauge := func(name, help string, value func(queue.Stats) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postroad_queue_" + name, Help: help},
			func() float64 { return value(stats()) }))
	}
	gauge("messages", "Messages in the queue.", func(s queue.Stats) float64 { return float64(s.Messages) })
	gauge("recipients", "Recipients that these messages have left.", func(s queue.Stats) float64 { return float64(s.Items) })
	gauge("active", "Attempts under way.", func(s queue.Stats) float64 { return float64(s.Active) })
	gauge("loaded", "Recipients that wait in memory.", func(s queue.Stats) float64 { return float64(s.Loaded) })
	gauge("destinations", "Destinations with mail.", func(s queue.Stats) float64 { return float64(s.Destinations) })
	gauge("destinations_dead", "Of them, those that don't answer and are left alone for a while.", func(s queue.Stats) float64 { return float64(s.Dead) })
	count := func(name, help string, value func(queue.Stats) uint64) {
		m.counter("postroad_queue_"+name+"_total", help, func() float64 { return float64(value(stats())) })
	}
	count("submitted", "Messages that came into the queue.", func(s queue.Stats) uint64 { return s.Submitted })
	count("attempts", "Attempts, each for one message at one destination.", func(s queue.Stats) uint64 { return s.Attempts })
	count("delivered", "Recipients whose next server took the message and sends reports itself.", func(s queue.Stats) uint64 { return s.Delivered })
	count("relayed", "Recipients whose next server took the message, and sends no reports.", func(s queue.Stats) uint64 { return s.Relayed })
	count("failed", "Recipients that were refused for good.", func(s queue.Stats) uint64 { return s.Failed })
	count("deferred", "Times that a recipient was put off.", func(s queue.Stats) uint64 { return s.Deferred })
	count("expired", "Recipients that were given up after too long.", func(s queue.Stats) uint64 { return s.Expired })
	count("notifications", "Reports sent to senders.", func(s queue.Stats) uint64 { return s.Notified })
}

// engine shows how the store is.
func (m *metrics) engine(stats func() pebble.Stats) {
	gauge := func(name, help string, value func(pebble.Stats) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postroad_store_" + name, Help: help},
			func() float64 { return value(stats()) }))
	}
	gauge("disk_bytes", "What the store's files take.", func(s pebble.Stats) float64 { return float64(s.DiskBytes) })
	gauge("memory_bytes", "Written, and not yet in tables.", func(s pebble.Stats) float64 { return float64(s.MemoryBytes) })
	gauge("cache_bytes", "In the block cache.", func(s pebble.Stats) float64 { return float64(s.CacheBytes) })
	gauge("read_steps", "Tables that a lookup may have to ask.", func(s pebble.Stats) float64 { return float64(s.ReadSteps) })
	count := func(name, help string, value func(pebble.Stats) float64) {
		m.counter("postroad_store_"+name+"_total", help, func() float64 { return value(stats()) })
	}
	count("log_bytes", "Written to the write-ahead log.", func(s pebble.Stats) float64 { return float64(s.LogBytes) })
	count("flushes", "Memtables written to tables.", func(s pebble.Stats) float64 { return float64(s.Flushes) })
	count("compactions", "Merges of tables.", func(s pebble.Stats) float64 { return float64(s.Compactions) })
	count("cache_hits", "Blocks found in the cache.", func(s pebble.Stats) float64 { return float64(s.CacheHits) })
	count("cache_misses", "Blocks read from disk.", func(s pebble.Stats) float64 { return float64(s.CacheMisses) })
}

// services shows what the services count.
func (m *metrics) services(engine *auth.Engine, agent *delivery.Agent) {
	count := m.counter
	count("postroad_deliveries_total", "Messages of which at least one copy was delivered.", func() float64 { return float64(agent.Stats().Messages) })
	count("postroad_delivered_copies_total", "Copies put into mailboxes.", func() float64 { return float64(agent.Stats().Copies) })
	count("postroad_delivered_bytes_total", "Bytes in these copies.", func() float64 { return float64(agent.Stats().Bytes) })
	count("postroad_delivery_failures_total", "Recipients that did not get their message.", func() float64 { return float64(agent.Stats().Refused) })
	count("postroad_sign_ins_total", "Sign-ins that succeeded.", func() float64 { return float64(engine.Stats().SignIns) })
	count("postroad_sign_in_failures_total", "Sign-ins with a wrong name or password.", func() float64 { return float64(engine.Stats().Failures) })
	count("postroad_sign_in_attacks_total", "Times that a name began to be guessed at from many addresses.", func() float64 { return float64(engine.Stats().Attacked) })
	count("postroad_sign_ins_limited_total", "Sign-ins turned away after too many failures.", func() float64 { return float64(engine.Stats().Limited) })
}

// smtp shows what the SMTP server counts.
func (m *metrics) smtp(s *smtp.Server) {
	m.open(config.SMTP, func() float64 { return float64(s.Counts().Open) })
	count := func(name, help string, value func(smtp.Counts) int64) {
		m.counter("postroad_smtp_"+name+"_total", help, func() float64 { return float64(value(s.Counts())) })
	}
	count("connections", "SMTP, submission and LMTP connections.", func(c smtp.Counts) int64 { return c.Connections })
	count("connections_refused", "Connections turned away by limits.", func(c smtp.Counts) int64 { return c.ConnectionsRefused })
	count("handshake_failures", "TLS handshakes that failed.", func(c smtp.Counts) int64 { return c.HandshakesFailed })
	count("recipients_refused", "RCPT commands that were refused.", func(c smtp.Counts) int64 { return c.RecipientsRefused })
	count("messages", "Messages that at least one recipient has got.", func(c smtp.Counts) int64 { return c.Messages })
	count("messages_refused", "Messages refused after their data.", func(c smtp.Counts) int64 { return c.MessagesRefused })
	count("bytes", "Bytes of the messages accepted.", func(c smtp.Counts) int64 { return c.Bytes })
	count("panics", panicsHelp, func(c smtp.Counts) int64 { return c.Panics })
}

// pop3 shows what the POP3 server counts.
func (m *metrics) pop3(s *pop3.Server) {
	m.open(config.POP3, func() float64 { return float64(s.Stats().Open) })
	count := func(name, help string, value func(pop3.Stats) uint64) {
		m.counter("postroad_pop3_"+name+"_total", help, func() float64 { return float64(value(s.Stats())) })
	}
	count("connections", "POP3 connections.", func(c pop3.Stats) uint64 { return c.Connections })
	count("connections_refused", "Connections turned away by limits.", func(c pop3.Stats) uint64 { return c.Refused })
	count("commands", "Commands.", func(c pop3.Stats) uint64 { return c.Commands })
	count("errors", "Wrong commands and failed sign-ins.", func(c pop3.Stats) uint64 { return c.Errors })
	count("messages", "Messages read by RETR.", func(c pop3.Stats) uint64 { return c.Retrieved })
	count("bytes", "Bytes of these messages.", func(c pop3.Stats) uint64 { return c.RetrievedBytes })
	count("deleted", "Messages deleted.", func(c pop3.Stats) uint64 { return c.Deleted })
	count("panics", panicsHelp, func(c pop3.Stats) uint64 { return c.Panics })
}

const panicsHelp = "Sessions that broke down by a fault of the program."

// open shows how many connections of a protocol are open.
func (m *metrics) open(protocol string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postroad_open_connections",
		Help: "Connections now.", ConstLabels: prometheus.Labels{"protocol": protocol}}, value))
}

func (m *metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// protocolMetrics is what IMAP and POP3 report as it happens.
type protocolMetrics struct {
	open                prometheus.Gauge
	connections, panics prometheus.Counter
	commands            *prometheus.CounterVec
	durations           prometheus.Histogram
}

// protocol makes the metrics of one protocol.
func (m *metrics) protocol(name string) protocolMetrics {
	labels := prometheus.Labels{"protocol": name}
	p := protocolMetrics{
		open:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "postroad_open_connections", Help: "Connections now.", ConstLabels: labels}),
		connections: prometheus.NewCounter(prometheus.CounterOpts{Name: "postroad_" + name + "_connections_total", Help: "Connections."}),
		panics:      prometheus.NewCounter(prometheus.CounterOpts{Name: "postroad_" + name + "_panics_total", Help: panicsHelp}),
		commands:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postroad_" + name + "_commands_total", Help: "Commands by name and outcome."}, []string{"command", "outcome"}),
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "postroad_" + name + "_command_seconds", Help: "How long commands took.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 12)}),
	}
	m.registry.MustRegister(p.open, p.connections, p.panics, p.commands, p.durations)
	return p
}

// Connection counts one that opens (+1) or is gone (-1).
func (p protocolMetrics) Connection(delta int) {
	p.open.Add(float64(delta))
	if delta > 0 {
		p.connections.Inc()
	}
}

// Command counts a command. IDLE takes as long as the client likes, so that its time says nothing.
func (p protocolMetrics) Command(name, outcome string, took time.Duration) {
	p.commands.WithLabelValues(name, outcome).Inc()
	if name != "IDLE" {
		p.durations.Observe(took.Seconds())
	}
}

// Panic counts a session that broke down.
func (p protocolMetrics) Panic() { p.panics.Inc() }

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
