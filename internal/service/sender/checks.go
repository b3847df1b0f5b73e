package sender

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/sender/arc"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/sender/dmarc"
	"postroad/internal/service/sender/spf"
)

// broken is the reason of a result that there isn't because of a mistake of ours.
const broken = "internal error"

// survives runs a check, and reports whether it came to an end. One that panics costs the message its own result and no more: strangers write what it reads.
func (k *Check) survives(check string, run func()) bool {
	p := fault.Caught(run)
	if p != nil && k.by.opts.Broken != nil {
		k.by.opts.Broken(check, p)
	}
	return p == nil
}

func (k *Check) checkSPF(ctx context.Context, q spf.Request) (r spf.Result) {
	if !k.survives("spf", func() { r = spf.Check(ctx, k.by.opts.Resolver, q) }) {
		identity := q.MailFrom
		if identity == "" {
			identity = q.Helo
		}
		domain := strings.ToLower(strings.TrimSuffix(identity[strings.LastIndexByte(identity, '@')+1:], "."))
		return spf.Result{Status: authres.TempError, Domain: domain, Reason: broken}
	}
	return r
}

func (k *Check) checkHelo(ctx context.Context, q spf.Request) spf.Result {
	q.MailFrom = "" // RFC 7208 §2.3
	return k.checkSPF(ctx, q)
}

func (k *Check) checkIPRev(ctx context.Context) (r IPRev) {
	if !k.survives("iprev", func() { r = CheckIPRev(ctx, k.by.opts.Resolver, k.session.IP) }) {
		return IPRev{Status: authres.TempError}
	}
	return r
}

func (k *Check) checkARC(ctx context.Context) (r arc.Result) {
	if k.unread || !k.survives("arc", func() { r = k.arc.Result(ctx) }) {
		return arc.Result{Status: authres.Fail, Reason: broken} // RFC 8617 knows no other
	}
	return r
}

// checkDKIM leaves it at what the signatures say of themselves if they can't be checked: DMARC has to know whose result is missing. lookup: keys
// are to be looked up, whatever was found before.
func (k *Check) checkDKIM(ctx context.Context, lookup bool) (r []dkim.Result) {
	survived := !k.unread && k.survives("dkim", func() {
		if lookup {
			k.dkim.Lookup(ctx)
		}
		r = k.dkim.Results(ctx)
	})
	if !survived {
		return k.dkim.Unchecked(broken)
	}
	return r
}

// checkDMARC looks at what is at hand first, too. If that isn't all, it waits no longer than Options.Timeout.
func (k *Check) checkDMARC(ctx, memory context.Context, complete func() bool, m dmarc.Message) (r dmarc.Result) {
	survived := !k.unread && k.survives("dmarc", func() {
		if complete != nil {
			if r = dmarc.Evaluate(memory, k.by.opts.Resolver, m); complete() {
				return
			}
		}
		ctx, cancel := context.WithTimeout(ctx, k.by.opts.Timeout)
		defer cancel()
		r = dmarc.Evaluate(ctx, k.by.opts.Resolver, m)
	})
	if !survived {
		return dmarc.Result{Status: authres.TempError, Reason: broken, Disposition: dmarc.None}
	}
	return r
}
