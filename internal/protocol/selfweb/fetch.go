package selfweb

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"postroad/internal/model/ident"
	"postroad/internal/service/fetch"
)

// Fetched are accounts elsewhere whose mail is fetched; see fetch.Service.
type Fetched interface {
	List(ctx context.Context, account ident.AccountID) ([]fetch.Listed, error)
	Remove(ctx context.Context, id uint32) error
}

// fetchedPage shows from which accounts elsewhere the visitor's mail comes, and how that goes. They are set up by administrators: a server that
// connects to wherever anybody wants can be used to look into the network that it is in.
func (v *visit) fetchedPage() { v.showFetched(http.StatusOK, "") }

func (v *visit) showFetched(status int, problem string) {
	all, err := v.Fetched.List(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.broken(err)
		return
	}
	v.show(status, "fetched", view{Title: "Mail from elsewhere", Problem: problem, Body: all})
}

// endFetched has mail of an account elsewhere fetched no more, if it comes to the visitor.
func (v *visit) endFetched() {
	id, err := strconv.ParseUint(v.r.PostFormValue("id"), 10, 32)
	var all []fetch.Listed
	if err == nil {
		if all, err = v.Fetched.List(v.r.Context(), v.who.Account.ID); err != nil {
			v.broken(err)
			return
		}
	}
	at := slices.IndexFunc(all, func(l fetch.Listed) bool { return uint64(l.ID) == id })
	if at < 0 {
		v.showFetched(http.StatusBadRequest, "It is gone already.")
		return
	}
	if err := v.Fetched.Remove(v.r.Context(), uint32(id)); err != nil {
		v.refuse(http.StatusBadRequest, reasons{}.problem(err), err, v.showFetched)
		return
	}
	v.act("fetch.end", "from="+all[at].User+" server="+all[at].Address)
	v.done(fetchedPath, "fetch-off")
}
