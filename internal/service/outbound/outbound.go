// Package outbound passes mail on: it asks route where to, and has relay speak to the hosts there.
//
//	s := outbound.New(outbound.Options{Routes: router, Relay: relay.New(...)})
//	q, err := queue.Open(ctx, db, queue.Options{Send: s.Send})
//
// It decides nothing by itself: route knows the way and the protection, relay the conversation, the queue the time.
package outbound

import (
	"context"
	"crypto/x509"
	"strings"
	"time"

	"postroad/internal/service/relay"
	"postroad/internal/service/route"
	"postroad/internal/service/transfer"
)

// Router plans where mail goes: route.Router.
type Router interface {
	Route(ctx context.Context, domain, sender string) (route.Plan, error)
}

// Relay speaks to hosts: relay.Relay.
type Relay interface {
	Send(ctx context.Context, hops []relay.Hop, job transfer.Job) []transfer.Outcome
}

// Options are what a Sender is made of. Routes and Relay must be set.
type Options struct {
	Routes Router
	Relay  Relay
	// Lax plans for messages with "TLS-Required: No" (RFC 8689 §4.2.2). Nil: Routes does.
	Lax Router
	// Credentials gives what a route's reference stands for; nil if it stands for nothing.
	Credentials func(reference string) *relay.Credentials
	// Roots are the authorities that vouch for hosts. Nil: the system's.
	Roots *x509.CertPool
	// Observe hears how each new connection was protected, for reports on TLS (RFC 8460); nil: nobody does. It must not wait.
	Observe func(Observation)
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Sender passes mail on. It is safe for concurrent use.
type Sender struct{ o Options }

// New makes a Sender.
func New(o Options) *Sender {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sender{o}
}

// Send makes one attempt for a job, whose recipients must be of one domain, as the queue makes them.
// It returns an outcome for each recipient, in their order.
func (s *Sender) Send(ctx context.Context, job transfer.Job) []transfer.Outcome {
	if len(job.Recipients) == 0 {
		return nil
	}
	began := s.o.Now()
	hops, err := s.plan(ctx, &job)
	if err != nil {
		return s.nowhere(err, began, len(job.Recipients))
	}
	return s.o.Relay.Send(ctx, hops, job)
}

// plan finds the hops for a job.
func (s *Sender) plan(ctx context.Context, job *transfer.Job) ([]relay.Hop, error) {
	address := job.Recipients[0].Address
	routes := s.o.Routes
	if job.TLSOptional && !job.RequireTLS && s.o.Lax != nil { // RFC 8689 §4.1: REQUIRETLS goes before the field
		routes = s.o.Lax
	}
	plan, err := routes.Route(ctx, address[strings.LastIndexByte(address, '@')+1:], job.From)
	full := plan
	if err == nil && job.RequireTLS {
		plan, err = plan.RequireTLS()
	}
	if err != nil {
		s.watch(job, &full, nil)
		return nil, err
	}
	hops := make([]relay.Hop, len(plan.Hops))
	for i := range plan.Hops {
		hops[i] = s.hop(&plan.Hops[i])
	}
	s.watch(job, &plan, hops)
	return hops, nil
}

// nowhere is what it comes to for everybody if there is no way.
func (s *Sender) nowhere(err error, began time.Time, recipients int) []transfer.Outcome {
	o := route.OutcomeOf(err)
	o.At = s.o.Now()
	o.Took = o.At.Sub(began)
	out := make([]transfer.Outcome, recipients)
	for i := range out {
		out[i] = o
	}
	return out
}

// hop says a route's hop in relay's words.
func (s *Sender) hop(h *route.Hop) relay.Hop {
	out := relay.Hop{Host: h.Host, Addr: h.Addr, Socket: h.Socket, Source: h.Source, TLS: s.policy(&h.TLS)}
	if h.Protocol == route.LMTP {
		out.Protocol = relay.LMTP
	}
	if h.Credentials != "" && s.o.Credentials != nil {
		out.Auth = s.o.Credentials(h.Credentials)
	}
	return out
}

// policy likewise. Where nothing is demanded of the certificate, relay's own configuration does.
func (s *Sender) policy(p *route.Policy) relay.Policy {
	out := relay.Policy{Label: p.Label, Implicit: p.Implicit}
	switch p.Mode {
	case route.None:
		out.Mode = relay.None
	case route.Opportunistic:
		out.Mode = relay.Opportunistic
	case route.Required:
		out.Mode = relay.Required
	default: // Verified, DANE, and whatever may come: never less than asked for
		out.Mode = relay.Verified
		out.Config, out.Pins = p.Config(s.o.Roots, s.o.Now), pins(p)
	}
	return out
}

// pins are the records and names that a certificate is checked against: a connection from before they changed is
// not one that they vouch for.
func pins(p *route.Policy) string {
	var b []byte
	for _, r := range p.TLSA {
		b = append(append(b, r.Usage, r.Selector, r.Matching, byte(len(r.Data)>>8), byte(len(r.Data))), r.Data...)
	}
	for _, n := range p.Names {
		b = append(append(b, n...), 0)
	}
	return string(b)
}
