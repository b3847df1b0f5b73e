package admin

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/queue"
)

// Check implements Admin. It reads everything, one mailbox after the other;
// mail may come and go meanwhile.
func (d *Direct) Check(ctx context.Context) ([]Problem, error) {
	problems := []Problem{}
	texts, err := d.dir.Check(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range texts {
		problems = append(problems, Problem{Text: t})
	}
	pairs, err := d.checkPairs(ctx)
	if err != nil {
		return nil, err
	}
	problems = append(problems, pairs...)
	for a, err := range d.dir.Accounts(ctx) {
		if err != nil {
			return nil, err
		}
		found, err := d.checkMailbox(ctx, a)
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	shares, err := d.store.CheckShares(ctx)
	if err != nil {
		return nil, err
	}
	for id, text := range shares {
		problems = append(problems, Problem{d.addressOf(ctx, id), text})
	}
	for r, err := range d.dir.RemovedAccounts(ctx) {
		if err != nil {
			return nil, err
		}
		if r.Condemned() {
			continue // its mailbox is being removed
		}
		found, err := d.checkMailbox(ctx, r.Account)
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	err = queue.Check(ctx, d.db, func(text string) {
		problems = append(problems, Problem{"queue", strings.TrimPrefix(text, "queue ")})
	})
	return problems, err
}

func (d *Direct) addressOf(ctx context.Context, id ident.AccountID) string {
	if a, err := d.dir.Account(ctx, id); err == nil {
		return a.Address
	}
	return accountName(id)
}

func (d *Direct) checkMailbox(ctx context.Context, a directory.Account) ([]Problem, error) {
	texts, err := d.store.Check(ctx, a.ID)
	if fault.Is(err, fault.NotFound) {
		return nil, nil // checkPairs has told, or it was removed just now
	}
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", a.Address, err)
	}
	var problems []Problem
	for _, t := range texts {
		problems = append(problems, Problem{a.Address, t})
	}
	return problems, nil
}

// checkPairs finds accounts and mailboxes that lack the other. It keeps AddAccount
// and RemoveAccount out, between whose steps that is no contradiction.
func (d *Direct) checkPairs(ctx context.Context) ([]Problem, error) {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	missing, orphans, err := d.unpaired(ctx)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, a := range missing {
		problems = append(problems, Problem{a.Address, "has no mailbox; it is made at the server's next start"})
	}
	for _, id := range orphans {
		problems = append(problems, Problem{accountName(id), "is a mailbox without an account"})
	}
	return problems, nil
}

func accountName(id ident.AccountID) string { return "#" + strconv.FormatUint(uint64(id), 10) }
