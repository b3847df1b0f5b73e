package delivery

import (
	"context"
	"strings"
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
	if r.e.Who != nil || v == nil || !v.Junk || v.Unproved == "" {
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
