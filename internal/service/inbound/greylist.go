package inbound

import (
	"context"
	"strings"

	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/spf"
)

// greylist asks strangers who look bad to come back later, which most senders of junk don't do (RFC 6647). Those
// who have a record here needn't: a network that delivered before, or a sender whose domain did and
// for whom SPF vouches now. Who may show a signature of such a domain is let go on to the message, and Verdict decides.
func (v *Visit) greylist(ctx context.Context, to string) error {
	if v.g.o.Greylist == GreyOff {
		return nil
	}
	v.wait(ctx)
	if v.vouched() || v.past.known() || v.g.o.Greylist == GreyAuto && v.suspicious(ctx) == "" {
		return nil
	}
	if v.welcome(ctx, to) {
		return nil
	}
	signs, place := false, farm(v.client.Addr).String()
	if domain := domainOf(v.from); domain != "" {
		past, err := v.g.memory.recall(ctx, v.g.o.Now(), v.g.subject(bySPF, domain), v.g.subject(byDKIM, domain))
		if err != nil {
			return nil // our own trouble is no reason to keep mail away
		}
		if v.checkSPF(ctx).Status == authres.Pass {
			if past[0].known() {
				return nil
			}
			place = "spf " + domain // wherever in its network it comes back from
		}
		signs = past[1].known()
	}
	pass, err := v.g.memory.mayPass(ctx, v.g.memory.hash("grey", place, v.from, to), v.g.o.Now())
	if err != nil || pass {
		v.back = v.back || pass
		return nil
	}
	if signs {
		v.awaited = true
		return nil
	}
	return v.g.counts.refuse(comeBack())
}

// comeBack is what greylisting says.
func comeBack() Refusal {
	return Refusal{Reason: Greylisted, Code: 451, Status: "4.7.1", Text: "You are new here: please try again in a few minutes"}
}

// checkSPF checks the reverse-path, once.
func (v *Visit) checkSPF(ctx context.Context) *spf.Result {
	if v.spf == nil {
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		r := spf.Check(ctx, v.g.dns, spf.Request{IP: v.client.Addr, Helo: v.helo, MailFrom: v.from, Receiver: v.g.o.Hostname, Now: v.g.o.Now})
		v.spf = &r
	}
	return v.spf
}

func (g *Guard) subject(kind subjectKind, domain string) subject {
	return subject{kind, g.memory.hash("domain", domain)}
}

// domainOf is the domain of an address, in lower case; "" if there is none.
func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}
