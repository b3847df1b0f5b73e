package selfweb

import (
	"net/http"
	"time"

	"postroad/internal/model/mailbox"
)

// overviewBody is what the first page says of the account.
type overviewBody struct {
	TwoStep   bool
	Codes     bool
	Recovery  int
	Passkeys  int
	Keys      bool // passkeys are taken here
	Apps      int
	Sessions  int
	Used, Max int64 // bytes; Max 0: no limit
	Percent   int
	Mail      bool
	HasMail   bool
	Away      awayNow
	Tongues   []tongue
}

// awayNow is what the first page says of being out of office. A time that isn't bounded is zero.
type awayNow struct {
	Now, Planned bool
	Start, End   time.Time
}

// awayOf tells whether senders are answered now, or will be.
func (v *visit) awayOf(s *mailbox.Session) (awayNow, error) {
	a, _, err := s.AwayTexts(v.r.Context())
	n := awayNow{Now: s.IsAway()}
	if a.State == mailbox.AwayScheduled {
		n.Start, n.End = a.Start, a.End
		n.Planned = !n.Now && v.Now().Before(a.Start)
	}
	return n, err
}

func (v *visit) overview() {
	ctx, id := v.r.Context(), v.who.Account.ID
	two, err := v.Directory.TwoStep(ctx, id)
	if err != nil {
		v.broken(err)
		return
	}
	pages, err := v.Engine.AllPages(ctx, id)
	if err != nil {
		v.broken(err)
		return
	}
	b := overviewBody{TwoStep: two.On, Codes: two.Codes, Recovery: two.Recovery, Passkeys: len(v.who.Passkeys), Keys: v.Engine.TakesPasskeys(), Apps: len(v.who.AppPasswords),
		Sessions: len(pages) + len(v.connections()), Mail: len(v.Services) > 0, Tongues: tongues(v.tongue)}
	if err := v.withMailbox(func(s *mailbox.Session) error {
		b.HasMail = true
		b.Used, b.Max = s.State().Used.Bytes, v.who.Account.QuotaBytes
		if b.Max > 0 {
			b.Percent = int(min(100, 100*b.Used/b.Max))
		}
		b.Away, err = v.awayOf(s)
		return err
	}); err != nil {
		v.broken(err)
		return
	}
	v.show(http.StatusOK, "overview", view{Title: "Your account", Body: b})
}

// withMailbox opens the owner's mailbox, if mailboxes are shown at all.
func (v *visit) withMailbox(fn func(*mailbox.Session) error) error {
	if v.Mailboxes == nil {
		return nil
	}
	s, err := v.Mailboxes.Open(v.r.Context(), v.who.Account.ID, v.who.Identity)
	if err != nil {
		return err
	}
	defer s.Close()
	return fn(s)
}
