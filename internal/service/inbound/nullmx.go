package inbound

import (
	"context"

	"postroad/internal/service/dns"
)

// unanswerable reports whether the domain of the reverse-path takes no mail by its own word (null MX, RFC 7505): nobody there could be told
// of trouble. The DNS is asked once for each reverse-path, when somebody wants to know; if it doesn't answer, nothing is held against the sender.
func (v *Visit) unanswerable(ctx context.Context) bool {
	domain := domainOf(v.from)
	if domain == "" || v.asked {
		return v.mute
	}
	all, err := v.g.mx(ctx, domain)
	v.mute, v.asked = err == nil && nullMX(all), true
	return v.mute
}

// mx asks for a domain's mail hosts: where the answer is at hand, without getting ready to wait for it.
func (g *Guard) mx(ctx context.Context, domain string) ([]dns.MX, error) {
	if r, ok := g.o.Resolver.(interface {
		Remembered(context.Context) (context.Context, func() bool)
	}); ok {
		memory, complete := r.Remembered(ctx)
		if a, err := g.o.Resolver.LookupMX(memory, domain); complete() {
			return a.Records, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	a, err := g.o.Resolver.LookupMX(ctx, domain)
	return a.Records, err
}

func nullMX(all []dns.MX) bool { return len(all) == 1 && all[0].Host == "." } // RFC 7505 §3

// refuseNullMX refuses such senders, if that is wanted.
func (v *Visit) refuseNullMX(ctx context.Context, to string) error {
	if !v.g.o.NullMXRefuse || isRole(to) || !v.unanswerable(ctx) {
		return nil
	}
	v.wait(ctx)
	if v.vouched() || v.welcome(ctx, to) {
		return nil
	}
	text := "The domain of your sender, " + domainOf(v.from) + ", says that it accepts no mail"
	return v.g.counts.refuse(Refusal{Reason: NullMX, Code: 550, Status: "5.7.27", Text: printable(text)}) // RFC 7505 §4.2
}
