package server

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/server/config"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk"
	"postroad/internal/service/junk/model"
)

// listener tells somebody who comes later of what happens in accounts.
type listener struct {
	to atomic.Pointer[func(ident.AccountID)]
}

func (l *listener) acted(id ident.AccountID) {
	if to := l.to.Load(); to != nil {
		(*to)(id)
	}
}

// openJunk makes what tells junk from good mail.
func (s *Store) openJunk(ctx context.Context, c config.Config, w World) error {
	thresholds := map[string]float64{config.Careful: model.Careful, config.Strict: model.Strict}
	s.Junk = junk.New(junk.Options{
		Store: s.Mailboxes, DB: s.DB, Secret: s.Directory.Secret("junk"), Local: localDomains(s.Directory),
		Threshold: thresholds[c.Junk.Filter], Off: c.Junk.Filter == config.SwitchOff, Trusted: c.Junk.Trusted,
		Keep: c.Junk.Keep.OrZero(), CacheBytes: int(c.Junk.Cache), Now: w.Now, Logger: w.Logger.With("part", "junk"),
	})
	s.Admin.SetJunkFilter(s.Junk)
	tell := s.Junk.Acted
	s.acts.to.Store(&tell)
	return s.Junk.Load(ctx)
}

// localDomains tells which domains are ours; none, if nobody can say now.
func localDomains(dir *directory.Directory) func(string) bool {
	return func(domain string) bool {
		name, err := directory.ParseDomain(domain)
		if err != nil {
			return false
		}
		ours, err := dir.IsLocal(context.Background(), name)
		return ours && err == nil
	}
}

// judge is who judges mail: nobody, if nothing is to be known of it.
func (s *Server) judge() delivery.Judge { return s.store.Junk }

// tidyJunkEvery: what people have kept is looked at daily, and at first so long after the start that nobody who comes back then waits for it: also
// where the server is started anew each day.
const (
	tidyJunkFirst = time.Hour
	tidyJunkEvery = 24 * time.Hour
)

// tidyJunk learns from what people keep, and removes what is old.
func (s *Server) tidyJunk(ctx context.Context) {
	firstThenEvery(ctx, tidyJunkFirst, tidyJunkEvery, func() {
		if err := s.store.Junk.Tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot tidy what is known of junk", "err", err)
		}
	})
}

// junk shows what the filter has done.
func (m *metrics) junk(j *junk.Service) {
	for verdict, value := range map[string]func(junk.Stats) uint64{
		"junk": func(s junk.Stats) uint64 { return s.Junk }, "good": func(s junk.Stats) uint64 { return s.Good },
	} {
		m.labelled("postroad_junk_judged_total", "Copies that were judged, by what came of it.", "verdict", verdict, func() float64 { return float64(value(j.Stats())) })
	}
	for reason, value := range map[string]func(junk.Stats) uint64{
		"known": func(s junk.Stats) uint64 { return s.Known }, "report": func(s junk.Stats) uint64 { return s.Reports },
	} {
		m.labelled("postroad_junk_spared_total", "Copies that the score would have sent to the junk, by why they weren't.", "reason", reason, func() float64 { return float64(value(j.Stats())) })
	}
	for label, value := range map[string]func(junk.Stats) uint64{
		"junk": func(s junk.Stats) uint64 { return s.LearnedJunk }, "good": func(s junk.Stats) uint64 { return s.LearnedGood },
	} {
		m.labelled("postroad_junk_learned_total", "Messages that accounts have learned from, by what they are.", "label", label, func() float64 { return float64(value(j.Stats())) })
	}
}

func (m *metrics) labelled(name, help, label, value string, count func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{label: value}}, count))
}
