package selfweb

import (
	"context"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
	"postroad/internal/service/fetch"
)

// elsewhere are accounts whose mail is fetched.
type elsewhere struct{ all []fetch.Listed }

func (e *elsewhere) List(_ context.Context, account ident.AccountID) (own []fetch.Listed, err error) {
	for _, l := range e.all {
		if l.Account == account {
			own = append(own, l)
		}
	}
	return own, nil
}

func (e *elsewhere) Remove(_ context.Context, id uint32) error {
	for i, l := range e.all {
		if l.ID == id {
			e.all = append(e.all[:i], e.all[i+1:]...)
			return nil
		}
	}
	return fault.New(fault.NotFound, "it is gone")
}

// People see where their mail is fetched, and end that; nobody else's.
func TestFetched(t *testing.T) {
	e := &elsewhere{}
	w := newWorld(t, func(c *Config, _ *auth.Options) { c.Fetched = e })
	e.all = []fetch.Listed{
		{Source: fetch.Source{ID: 7, Account: w.ann, Address: "old.example:993", User: "ann <b>"}, Status: fetch.Status{LastOK: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}},
		{Source: fetch.Source{ID: 8, Account: w.ann, Address: "other.example:995", User: "ann2"}, Status: fetch.Status{Failures: 3, Error: "it <i>is</i> closed"}},
	}
	b, bob := w.signIn("ann"), w.signIn("bob")
	b.get(fetchedPath)
	b.shows("ann &lt;b&gt;", "old.example:993", "last fetched", "nothing has come yet", "it &lt;i&gt;is&lt;/i&gt; closed")
	bob.get(fetchedPath)
	bob.shows("There are none")
	for _, id := range []string{"7", "0", "", "x", "99999999999"} {
		bob.post(fetchedPath+"/end", "id", id)
		bob.shows("It is gone already")
	}
	if len(e.all) != 2 {
		t.Fatal("bob has ended what is ann's")
	}
	b.get(fetchedPath)
	b.post(fetchedPath+"/end", "id", "7")
	b.shows("fetched no more", "other.example:995")
	if len(e.all) != 1 || e.all[0].ID != 8 {
		t.Errorf("%+v", e.all)
	}
	b.get(activityPath)
	b.shows("you stopped fetching mail from another account")
}
