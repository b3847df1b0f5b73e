package delivery

import (
	"context"
	"strings"

	"postroad/internal/format/message"
	"postroad/internal/model/directory"
)

// mayForward says why a recipient's mail can't go on to other servers.
func (r *run) mayForward(ctx context.Context, to *Recipient, at string) error {
	if to.back {
		return nil
	}
	if r.header().passed(at) {
		return errLoop()
	}
	forged, err := r.forged(ctx, to.via)
	if err == nil && forged {
		err = errForged()
	}
	return err
}

// forged reports whether a stranger writes in the name of a domain of ours, or of one that via lies in, whose policy (DMARC) isn't
// met. What goes on from here does so under a reverse-path at via: whoever gets it would find by SPF that the author
// is real (RFC 9989 §4.4), because of us. Lists take no such mail at all.
func (r *run) forged(ctx context.Context, via string) (bool, error) {
	v := r.e.Verdict
	if r.e.Who != nil || v == nil || !v.Doubted || v.Unproved == "" {
		return false, nil
	}
	if strings.HasSuffix("."+strings.ToLower(via), "."+v.Unproved) {
		return true, nil
	}
	for name := v.Unproved; name != ""; _, name, _ = strings.Cut(name, ".") {
		if ours, err := r.a.isOurs(ctx, name); err != nil || ours {
			return ours, err
		}
	}
	return false, nil
}

// borrowed says no to somebody who has signed in and writes to a list in the name of the list's domain, though they belong to
// another of our domains and may not: the list's reverse-path and signature would make it look real.
func (r *run) borrowed(ctx context.Context, l *directory.ListTarget) error {
	if r.e.Who.System {
		return nil
	}
	for _, field := range r.header().from {
		all := message.ParseAddresses(field)
		if message.TooManyAddresses(all) { // who knows who is named behind them
			return errForged()
		}
		for _, a := range all {
			if a.Group != message.NoGroup || !strings.HasSuffix(strings.ToLower("."+a.Host), "."+strings.ToLower(l.Address.Domain)) || r.belongs(a.Host) {
				continue
			}
			may, err := r.a.dir.MaySend(ctx, r.e.Who.Account, directory.Address{Local: a.Mailbox, Domain: a.Host}.String())
			if err != nil {
				return err
			}
			if !may {
				return errForged()
			}
		}
	}
	return nil
}

// belongs reports whether a domain is that of the sender's login or reverse-path: colleagues may write in each other's names.
func (r *run) belongs(domain string) bool {
	for _, a := range []string{r.e.Who.Login, r.e.From} {
		if strings.EqualFold(a[strings.LastIndexByte(a, '@')+1:], domain) {
			return true
		}
	}
	return false
}
