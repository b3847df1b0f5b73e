package server

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/protocol/smtp"
	"postroad/internal/server/config"
	"postroad/internal/service/dns"
	"postroad/internal/service/inbound"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// gate is who decides who may hand in mail: strangers are checked where the DNS can be asked, and what
// people here send is counted in any case.
func (s *Server) gate() (smtp.Gate, error) {
	if err := s.openGuard(); err != nil {
		return nil, err
	}
	s.metrics.inbound(s.guard, s.store.Accounts)
	s.metrics.policies(s.store.Policies)
	return smtp.NewGate(s.guard, s.store.Accounts), nil
}

func (s *Server) openGuard() error {
	c := &s.config.Checks
	trusted, err := c.Networks()
	if err != nil {
		return err
	}
	block, allow, err := c.Lists()
	if err != nil {
		return err
	}
	policies := map[string]inbound.Policy{config.Mark: inbound.MarkOnly, config.SwitchOff: inbound.Off}
	grey := map[string]inbound.Greylisting{config.Always: inbound.GreyAlways, config.SwitchOff: inbound.GreyOff}
	s.guard = inbound.New(inbound.Options{
		Resolver: s.resolver(), DB: s.store.DB, Hostname: s.config.Hostname, Secret: s.store.Directory.Secret("inbound"), Trusted: trusted,
		Local: s.agent.Local,
		DMARC: policies[c.DMARC], SPFRefuse: c.SPFFail == config.Refuse, NullMXRefuse: c.NullMX == config.Refuse, Greylist: grey[c.Greylist],
		Helo:  inbound.HeloRules{Refuse: c.Helo == config.Refuse, Resolve: c.HeloResolve},
		Block: block, Allow: allow, Sealers: c.TrustedSealers,
		Welcome: s.store.Policies.AllowsNetwork, WelcomeSender: s.welcomeSender,
		Rates:  inbound.Rates{Connections: c.Connections, Messages: c.Messages, Domain: c.DomainMessages},
		Report: s.countEvaluated, Failed: s.onFailure(),
		Now: s.world.Now, Logger: s.log.With("part", "inbound"),
	})
	return nil
}

// openAccounts reads what people here have sent.
func openAccounts(db kv.DB, names inbound.Names, c config.Config, w World) *inbound.Accounts {
	authors, _ := inbound.AuthorsNamed(c.Sending.From) // the settings were checked
	l := c.Limits.Account
	return inbound.NewAccounts(inbound.AccountOptions{
		DB: db, Now: w.Now, Logger: w.Logger.With("part", "limits"), Authors: authors, Names: names,
		Limits: inbound.AccountLimits{MessagesPerHour: l.MessagesPerHour, MessagesPerDay: l.MessagesPerDay, RecipientsPerHour: l.RecipientsPerHour,
			RecipientsPerDay: l.RecipientsPerDay, NewRecipientsPerDay: l.NewRecipientsPerDay, Refused: l.RefusedPerDay, RefusedPercent: l.RefusedPercent},
	})
}

// countBounces counts the recipients that other servers refuse, for the account that wrote to them.
func (s *Server) countBounces(send sender) sender {
	return func(ctx context.Context, job transfer.Job) []transfer.Outcome {
		outs := send(ctx, job)
		failed := 0
		for i := range outs {
			if outs[i].Result == transfer.Failed {
				failed++
			}
		}
		if failed == 0 || job.From == "" {
			return outs
		}
		t, err := s.store.Directory.Resolve(ctx, job.From)
		if err != nil || len(t.Accounts) != 1 || len(t.Remote) > 0 {
			return outs // forwarded mail, or a list's: nobody's own
		}
		if err := s.store.Accounts.Bounced(ctx, t.Accounts[0], failed); err != nil {
			s.log.ErrorContext(ctx, "cannot count what others refuse", "id", job.ID, "err", err)
		}
		return outs
	}
}

// resolver is whom to ask about strangers; nil: nobody.
func (s *Server) resolver() dns.Resolver {
	if s.internet != nil {
		return s.internet.dns
	}
	return s.world.Resolver
}

// tidyGuardEvery: what is remembered of strangers has a bound, which is kept between these times by remembering nobody new.
const tidyGuardEvery = time.Hour

// tidyGuard forgets strangers and correspondents that haven't been seen for long.
func (s *Server) tidyGuard(ctx context.Context) {
	tidy := func() {
		err := errors.Join(s.guard.Tidy(ctx), s.store.Accounts.Tidy(ctx))
		if err != nil && ctx.Err() == nil {
			s.log.Error("cannot tidy what is known of senders", "err", err)
		}
	}
	tidy()
	every(ctx, tidyGuardEvery, tidy)
}

// inbound shows what the checks have come to.
func (m *metrics) inbound(g *inbound.Guard, a *inbound.Accounts) {
	for _, r := range inbound.Reasons() {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "postroad_refusals_total",
			Help: "What strangers and accounts were refused, by reason.", ConstLabels: prometheus.Labels{"reason": string(r)}},
			func() float64 { return float64(g.Stats().Refused[r] + a.Stats().Refused[r]) }))
	}
	for result, value := range map[string]func(inbound.Stats) uint64{
		"pass": func(s inbound.Stats) uint64 { return s.Pass }, "fail": func(s inbound.Stats) uint64 { return s.Fail },
		"none": func(s inbound.Stats) uint64 { return s.NoPolicy }, "temperror": func(s inbound.Stats) uint64 { return s.TempError },
		"permerror": func(s inbound.Stats) uint64 { return s.PermError },
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "postroad_dmarc_total",
			Help: "Messages of strangers by the result of DMARC.", ConstLabels: prometheus.Labels{"result": result}},
			func() float64 { return float64(value(g.Stats())) }))
	}
	m.counter("postroad_junked_total", "Messages of strangers that went to the junk.", func() float64 { return float64(g.Stats().Junk) })
	m.counter("postroad_trusted_seals_total", "Messages let in against a DMARC policy because of an ARC seal.", func() float64 { return float64(g.Stats().Sealed) })
	m.counter("postroad_dns_list_failures_total", "Questions to DNS lists that got no answer.", func() float64 { return float64(g.Stats().ListTrouble) })
	m.counter("postroad_checks_panics_total", "Checks of strangers that broke down by a fault of the program.", func() float64 { return float64(g.Stats().Panics) })
	m.counter("postroad_accounts_limited_total", "Accounts that came to a limit of what they may send.", func() float64 { return float64(a.Stats().Limited) })
	m.counter("postroad_accounts_held_total", "Accounts that were held because much of what they sent was refused.", func() float64 { return float64(a.Stats().Held) })
}
