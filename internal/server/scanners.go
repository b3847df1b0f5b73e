package server

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/server/doctor"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/clamd"
	"postroad/internal/service/scan/hook"
	"postroad/internal/service/scan/milter"
	"postroad/internal/service/scan/rspamd"
)

// openScanners makes what shows messages to other programs. Nothing is connected to yet.
func (s *Server) openScanners() error {
	var all []scan.Program
	for i := range s.config.Scanner {
		c := &s.config.Scanner[i]
		p, err := s.scanner(c)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "scanner "+c.Title())
		}
		all = append(all, p)
	}
	s.scanners = scan.New(all, scan.Options{Now: s.world.Now, Logger: s.log.With("part", "scanners")})
	s.metrics.scanners(s.scanners)
	return nil
}

// Actions by the words of the settings.
var (
	virusActions  = map[string]scan.Action{"": scan.Reject, config.Reject: scan.Reject, config.Quarantine: scan.Quarantine, config.ToJunk: scan.Junk, config.NoteOnly: scan.Accept}
	followActions = map[string]scan.Action{"": scan.Reject, config.FollowAll: scan.Reject, config.ToJunk: scan.Junk, config.NoteOnly: scan.Accept}
	extents       = map[string]scan.Extent{"": scan.ChangeAll, config.ChangeAll: scan.ChangeAll, config.ChangeHeaders: scan.ChangeHeaders, config.ChangeNone: scan.ChangeNone}
	failActions   = map[string]scan.Action{config.AcceptMail: scan.Accept, config.TempFail: scan.TempFail}
)

// milterLines is how many connections a milter has for each question that it may be asked at once: most clients take their time between steps, and who
// loses theirs has all told again.
const milterLines = 4

// scanner is a program as the settings want it.
func (s *Server) scanner(c *config.Scanner) (p scan.Program, err error) {
	p = scan.Program{
		Name: c.Title(), Timeout: time.Duration(c.Timeout), OnFailure: failActions[c.Fails()], Outgoing: c.SeesOutgoing(), Relayed: c.SeesRelayed(),
		MaxSize: c.Largest(), AtOnce: c.Connections, Virus: virusActions[c.Virus], Most: followActions[c.Follow], Changes: extents[c.Changes],
	}
	switch c.Kind {
	case config.Clamd:
		network, address := c.Endpoint()
		p.Scanner = clamd.New(clamd.Options{Network: network, Address: address, Dial: s.world.Dial})
	case config.Milter:
		network, address := c.Endpoint()
		p.Scanner = milter.New(milter.Options{Network: network, Address: address, Dial: s.world.Dial, Connections: milterLines * cmp.Or(c.Connections, scan.DefaultAtOnce), Now: s.world.Now})
	default:
		p.Scanner, err = s.webScanner(c)
	}
	return p, err
}

// webScanner is a scanner that speaks HTTP.
func (s *Server) webScanner(c *config.Scanner) (scan.Scanner, error) {
	trust, err := trusting(c.CAFile, s.world.Roots)
	if err != nil {
		return nil, err
	}
	secret := ""
	if c.PasswordFile != "" {
		if secret, err = firstLine(c.PasswordFile); err != nil {
			return nil, err
		}
	}
	if c.Kind == config.Hook {
		return hook.New(hook.Options{URL: c.Address, Secret: secret, Dial: s.world.Dial, Roots: trust.RootCAs, Connections: c.Connections, Now: s.world.Now})
	}
	return rspamd.New(rspamd.Options{URL: c.Address, Password: secret, Dial: s.world.Dial, Roots: trust.RootCAs, Connections: c.Connections})
}

// pingScanners asks them whether they are there.
func (s *Server) pingScanners(ctx context.Context) (all []doctor.Program) {
	for i, p := range s.scanners.Ping(ctx) {
		all = append(all, doctor.Program{Name: p.Name, Version: p.Version, Err: p.Err, Refuses: s.config.Scanner[i].Fails() == config.TempFail})
	}
	return all
}

// scanners shows what other programs say of messages.
func (m *metrics) scanners(s *scan.Set) {
	for i, first := range s.Stats() {
		count := func(name, help string, labels prometheus.Labels, value func(scan.Stats) float64) {
			labels["scanner"] = first.Name
			m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "postroad_scanner_" + name + "_total", Help: help, ConstLabels: labels},
				func() float64 { return value(s.Stats()[i]) }))
		}
		for a := range first.Actions {
			count("messages", "Messages shown to other programs, by what they had become of them.", prometheus.Labels{"action": a.String()},
				func(t scan.Stats) float64 { return float64(t.Actions[a]) })
		}
		count("viruses", "Messages in which a program found a virus.", prometheus.Labels{}, func(t scan.Stats) float64 { return float64(t.Viruses) })
		count("failures", "Messages for which a program gave no answer.", prometheus.Labels{}, func(t scan.Stats) float64 { return float64(t.Failed) })
		count("skipped", "Messages that were too large to be shown to a program.", prometheus.Labels{}, func(t scan.Stats) float64 { return float64(t.Skipped) })
		count("seconds", "Time that messages waited for a program.", prometheus.Labels{}, func(t scan.Stats) float64 { return t.Took.Seconds() })
	}
}
