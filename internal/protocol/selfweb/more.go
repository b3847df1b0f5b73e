package selfweb

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/audit"
	"postroad/internal/service/oauth"
)

// grantsPage lists what the visitor has allowed programs.
func (v *visit) grantsPage() { v.showGrants(http.StatusOK, "") }

func (v *visit) showGrants(status int, problem string) {
	all, err := v.Grants.Grants(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.broken(err)
		return
	}
	type row struct {
		oauth.Grant
		Mail bool
	}
	rows := []row{}
	for _, g := range all {
		rows = append(rows, row{g, slices.Contains(g.Scope, oauth.ScopeMail)})
	}
	v.show(status, "programs", view{Title: "Connected programs", Problem: problem, Body: rows})
}

func (v *visit) endGrant() {
	id := v.r.PostFormValue("id")
	if id == "" { // which would mean all
		v.showGrants(http.StatusBadRequest, "It is gone already.")
		return
	}
	if _, err := v.Grants.EndGrant(v.r.Context(), v.who.Account.ID, id); err != nil {
		v.refuse(http.StatusBadRequest, reasons{}.problem(err), err, v.showGrants)
		return
	}
	v.act("grant.end", "id="+id)
	v.done(grantsPath, "grant-off")
}

const (
	// activityKept is how far back the page looks, and activityShown how much it shows of each kind.
	activityKept  = 30 * 24 * time.Hour
	activityShown = 100
)

// activityPage shows who has signed in, who has failed to by the account's address, and what was done to the account.
func (v *visit) activityPage() {
	select { // the log may be long, and is read from its end: not by all at once
	case v.reading <- struct{}{}:
		defer func() { <-v.reading }()
	case <-v.r.Context().Done():
		return
	}
	own := []audit.Entry{}
	for _, kind := range audit.Kinds() { // each by itself: many failures, which anybody can make, are not to hide the rest
		some, err := v.Audit.Find(v.r.Context(), audit.Query{Kinds: []audit.Kind{kind}, Who: v.who.Account.Address, Only: v.concerns,
			Since: v.Now().Add(-activityKept), Limit: activityShown})
		if err != nil {
			v.broken(err)
			return
		}
		own = append(own, some...)
	}
	slices.SortStableFunc(own, func(a, b audit.Entry) int { return a.Last.Compare(b.Last) })
	slices.Reverse(own)
	v.show(http.StatusOK, "activity", view{Title: "Recent activity", Wide: true, Body: own})
}

// concerns reports whether an entry is the visitor's: the log also finds those in whose words the address only stands, and acts that were refused.
func (v *visit) concerns(e *audit.Entry) bool {
	address := v.who.Account.Address
	if strings.EqualFold(e.Who, address) {
		return true
	}
	// Not of what others do to themselves: they may name things as they like.
	if e.Kind != audit.Act || e.Error != "" || strings.HasPrefix(e.What, ownActs) {
		return false
	}
	for f := range strings.FieldsSeq(e.Detail) {
		switch of, ok := strings.CutPrefix(f, "address="); {
		case !ok:
			return false // whom an act is about comes first: what follows may be a name that somebody has made up
		case strings.EqualFold(of, address):
			return true
		}
	}
	return false
}

// setupPage says how to set up a mail program.
func (v *visit) setupPage() {
	type body struct {
		Services       []Service
		Login          string
		Page, Profile  string
		Apps, Passkeys bool
	}
	login := v.who.Account.Address
	b := body{Services: v.Services, Login: login, Page: withAddress(v.SetupURL, login), Profile: withAddress(v.ProfileURL, login), Apps: v.who.TwoStep || v.RequireTwoStep}
	v.show(http.StatusOK, "set-up", view{Title: "Set up a mail program", Body: b})
}

func withAddress(at, address string) string {
	if at == "" {
		return ""
	}
	return at + "?" + url.Values{"email": {address}}.Encode()
}

// Kind says what a service is for, to people.
func (s Service) Kind() string {
	return map[string]string{"imap": "read mail (IMAP)", "pop3": "fetch mail (POP3)", "smtp": "send mail (SMTP)"}[s.What]
}

// Security says how TLS begins, in the words of mail programs.
func (s Service) Security() string {
	if s.Implicit {
		return "SSL/TLS"
	}
	return "STARTTLS"
}

// erased is a message that can be brought back.
type erased struct {
	ID            uint64
	At, Received  time.Time
	Folder        string
	From, Subject string
	Size          int64
}

// deletedPage lists what was expunged and is kept still, newest first.
func (v *visit) deletedPage() { v.showDeleted(http.StatusOK, "") }

func (v *visit) showDeleted(status int, problem string) {
	var list []erased
	more := false
	err := v.withMailbox(func(s *mailbox.Session) error {
		all, err := expunged(v, s, nil)
		if err != nil {
			return err
		}
		more = len(all) > maxShown
		all = all[max(0, len(all)-maxShown):]
		slices.Reverse(all)
		return s.Read(v.r.Context(), func(b *mailbox.Batch) error {
			for i := range all {
				list = append(list, describe(b, &all[i]))
			}
			return nil
		})
	})
	if err != nil {
		v.broken(err)
		return
	}
	v.show(status, "deleted", view{Title: "Deleted messages", Problem: problem, Wide: true, Body: struct {
		List []erased
		More bool
	}{list, more}})
}

// expunged collects what can be brought back: some, or with nil the newest, at least one more than are shown if there are so many.
func expunged(v *visit, s *mailbox.Session, some []uint64) (all []mailbox.Erased, err error) {
	err = s.Erased(v.r.Context(), func(e *mailbox.Erased) error {
		if some == nil || slices.Contains(some, uint64(e.ID)) {
			all = append(all, *e)
		}
		if some == nil && len(all) > 2*maxShown { // there may be very many
			all = append(all[:0], all[len(all)-maxShown-1:]...)
		}
		return nil
	})
	return all, err
}

func describe(b *mailbox.Batch, e *mailbox.Erased) erased {
	m := erased{ID: uint64(e.ID), At: e.At, Folder: strings.Join(e.Path, "/"), Received: e.Row.Received(), Size: e.Row.Size}
	if sum, err := b.Brief(&e.Row); err == nil { // else it has just been brought back, or forgotten
		m.Subject = sum.Subject()
		if from := sum.From(); len(from) > 0 {
			m.From = from[0].Mailbox + "@" + from[0].Host
		}
	}
	return m
}

// undelete brings some messages back.
func (v *visit) undelete() {
	if err := v.r.ParseForm(); err != nil {
		v.showDeleted(http.StatusBadRequest, "Choose the messages that you want back.")
		return
	}
	some := []uint64{}
	for _, text := range v.r.PostForm["id"] {
		some = append(some, numberOf(text))
	}
	n := 0
	err := v.withMailbox(func(s *mailbox.Session) error {
		all, err := expunged(v, s, some)
		if err == nil {
			n, err = s.Unerase(v.r.Context(), all...)
		}
		return err
	})
	switch {
	case fault.Is(err, fault.OverQuota):
		v.showDeleted(http.StatusForbidden, "Your mailbox is full. What had room is back.")
	case err != nil:
		v.broken(err)
	case n == 0:
		v.showDeleted(http.StatusBadRequest, "Choose the messages that you want back.")
	default:
		v.act("undelete", "messages="+strconv.Itoa(n))
		v.done(deletedPath, "restored")
	}
}
