package server

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/config"
	"postroad/internal/service/delivery"
	"postroad/internal/service/quarantine"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// openQuarantine opens the quarantine.
func openQuarantine(db kv.DB, c config.Config, w World) *quarantine.Store {
	return quarantine.New(db, quarantine.Options{Keep: c.Quarantine.Keep.OrZero(), Bytes: int64(c.Quarantine.Size), Now: w.Now})
}

// isolation is the quarantine as the delivery agent wants it.
type isolation struct{ *quarantine.Store }

// Keep implements delivery.Quarantine.
func (q isolation) Keep(ctx context.Context, e *delivery.Envelope, to []delivery.Recipient, c *mailbox.Content) error {
	sum := c.Summary()
	entry := quarantine.Entry{
		ID: e.ID, MessageID: sum.MessageID(), Reason: e.Verdict.Quarantine, From: e.From, Helo: e.Client.Helo, Subject: sum.Subject(),
		Field: e.Verdict.Field, Proved: e.Verdict.Sender || e.Trusted, EnvelopeID: e.EnvelopeID, Return: e.Return,
		EightBit: e.EightBit, Binary: e.Binary, UTF8: e.UTF8, RequireTLS: e.RequireTLS,
	}
	var authors []string
	for _, a := range sum.From() {
		authors = append(authors, a.String())
	}
	entry.Author = strings.Join(authors, ", ")
	if e.Client.Addr.IsValid() {
		entry.Client = e.Client.Addr.Unmap().String()
	}
	if e.Who != nil {
		entry.Account, entry.Login = e.Who.Account, e.Who.Login
	}
	for i := range to {
		entry.To = append(entry.To, transfer.Recipient{Address: to[i].Address, Notify: to[i].Notify, OriginalType: to[i].OriginalType, Original: to[i].Original})
	}
	_, err := q.Add(ctx, entry, c)
	return err
}

// release lets recipients of an entry have their message. It returns who has it now, and why others haven't.
func (s *Server) release(ctx context.Context, e *quarantine.Entry, to []transfer.Recipient) (released []string, err error) {
	env := delivery.Envelope{
		ID: e.ID, From: e.From, EnvelopeID: e.EnvelopeID, Return: e.Return, EightBit: e.EightBit, Binary: e.Binary, UTF8: e.UTF8, RequireTLS: e.RequireTLS,
		Verdict: &delivery.Verdict{Field: e.Field, Sender: e.Proved},
	}
	if env, err = s.agent.Sent(ctx, env, e.Account); err != nil {
		return nil, err
	}
	part := !e.Whole || len(to) < len(e.To)
	var failed []error
	for i, err := range s.agent.Release(ctx, env, part, to, s.store.Quarantine.Open(e)) {
		if err == nil {
			released = append(released, to[i].Address)
			continue
		}
		failed = append(failed, fault.Wrap(fault.KindOf(err), err, to[i].Address+": "+fault.TextOf(err)))
	}
	if len(released) > 0 {
		failed = slices.Insert(failed, 0, s.store.Quarantine.Settle(ctx, e.Number, released, true))
	}
	return released, errors.Join(failed...)
}

// tidyQuarantineEvery is how often what is too old is looked for.
const tidyQuarantineEvery = time.Hour

// tidyQuarantine removes what has been there for too long.
func (s *Server) tidyQuarantine(ctx context.Context) {
	tidy := func() {
		if err := s.store.Quarantine.Tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot tidy the quarantine", "err", err)
		}
	}
	tidy()
	every(ctx, tidyQuarantineEvery, tidy)
}

// quarantine shows what lies there.
func (m *metrics) quarantine(q *quarantine.Store) {
	stats := func() quarantine.Stats {
		st, _ := q.Stats(context.Background()) // what can't be read shows elsewhere
		return st
	}
	gauge := func(name, help string, value func(quarantine.Stats) uint64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postroad_quarantine_" + name, Help: help}, func() float64 { return float64(value(stats())) }))
	}
	gauge("messages", "Messages in the quarantine.", func(s quarantine.Stats) uint64 { return s.Entries })
	gauge("bytes", "What they take.", func(s quarantine.Stats) uint64 { return s.Bytes })
	count := func(name, help string, value func(quarantine.Stats) uint64) {
		m.counter("postroad_quarantine_"+name+"_total", help, func() float64 { return float64(value(stats())) })
	}
	count("kept", "Messages put into the quarantine.", func(s quarantine.Stats) uint64 { return s.Kept })
	count("released", "Times that an administrator has let one go on.", func(s quarantine.Stats) uint64 { return s.Released })
	count("deleted", "Messages that administrators have deleted.", func(s quarantine.Stats) uint64 { return s.Deleted })
	count("expired", "Messages that nobody looked after in time.", func(s quarantine.Stats) uint64 { return s.Expired })
	count("refused", "Messages that had no room.", func(s quarantine.Stats) uint64 { return s.Full })
}
