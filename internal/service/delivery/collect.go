package delivery

import (
	"context"
	"slices"
	"time"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Collected is a message that was fetched from an account elsewhere for one here. Whoever wrote it has had their 250 long ago: it can't be refused, and
// nobody is told anything about it.
type Collected struct {
	// ID names it in the log and the trace, the same each time that it is fetched, so that rules send it on once.
	ID string
	// Account is whose it is, Address their address here.
	Account ident.AccountID
	Address string
	// From is the reverse-path that it says it came with; nothing proves it. Source is where it was fetched.
	From, Source string
	// Verdict is what the checks found; nil: nothing was checked.
	Verdict *Verdict
	// Folder is where it goes if neither rules nor the judge put it elsewhere.
	Folder mailbox.FolderID
	// Item has its content, and the flags, date and properties that its copies get.
	Item mailbox.Append
	// Judge: the junk filter and the account's rules see it.
	Judge bool
	// Kept: the owner has seen it there and kept it. The junk filter doesn't judge it.
	Kept bool
	// Fresh: it came lately. Rules send on no other, and tell of no other: on the first day all mail of years may come.
	Fresh bool
}

// Taken is what became of a Collected.
type Taken struct {
	// Items are its copies. None without an error: nobody wants it, or it is in the quarantine (Aside).
	Items []mailbox.ItemID
	Aside bool
	Err   error
}

// Collect puts fetched messages where they belong, in order, and returns when all that succeeded is durable. The contents stay the caller's.
// What a rule refuses is kept instead; answers while the owner is away aren't sent. Errors as Deliver's.
func (a *Agent) Collect(ctx context.Context, list []Collected) []Taken {
	out, runs := make([]Taken, len(list)), make([]*run, len(list))
	for i := range list {
		runs[i] = a.collect(ctx, &list[i], &out[i])
	}
	for i, r := range runs {
		if r != nil {
			r.collected.conclude(ctx, r, &out[i])
		}
	}
	return out
}

// collect begins one; nil: it is done.
func (a *Agent) collect(ctx context.Context, c *Collected, out *Taken) *run {
	to := []Recipient{{Address: c.Address, accounts: []ident.AccountID{c.Account}}}
	e := &Envelope{ID: c.ID, From: c.From, Source: c.Source, Verdict: c.Verdict}
	e.Client.Protocol = "fetch"
	r := &run{a: a, e: e, to: to, content: c.Item.Content, collected: c}
	if results, yes := r.aside(ctx); yes {
		if out.Err = results[0]; out.Err == nil {
			out.Aside = c.Verdict.Quarantine != ""
		}
		return nil
	}
	r.submit(ctx, place{account: c.Account})
	return r
}

// conclude waits for the copies.
func (c *Collected) conclude(ctx context.Context, r *run, out *Taken) {
	defer r.discardMade()
	copied := r.copies.at(place{account: c.Account})
	pending := slices.Clone(copied.pending)
	r.wait()
	results := []error{r.outcome(0)}
	r.a.count(r, results)
	r.noteDelivered(ctx)
	r.a.note(ctx, r.e, r.to, r.content.Size(), results)
	if out.Err = copied.err; out.Err != nil {
		return
	}
	for _, p := range pending {
		done, err := p.Wait()
		if err != nil {
			continue // told above, unless another copy is there
		}
		for _, x := range done {
			out.Items = append(out.Items, x.ID)
		}
	}
	for _, l := range copied.legs {
		if out.Err == nil && len(out.Items) == 0 {
			out.Err = l.err
		}
	}
}

// item is a copy of the message for a folder.
func (r *run) item(content *mailbox.Content, flags mailbox.Flags, words []string) mailbox.Append {
	item := mailbox.Append{Content: content, Flags: flags, Keywords: words, Arrived: true}
	if c := r.collected; c != nil {
		item.Flags |= c.Item.Flags
		for _, w := range c.Item.Keywords {
			if !slices.Contains(item.Keywords, w) {
				item.Keywords = append(slices.Clip(item.Keywords), w)
			}
		}
		item.Received, item.Bag = c.Item.Received, c.Item.Bag
	}
	return item
}

// collectedFolder is where a fetched message goes by itself.
func (r *run) collectedFolder(c *copied) (f mailbox.Folder, ok bool) {
	if r.collected == nil {
		return f, false
	}
	for _, f := range c.session.Folders() {
		if f.ID == r.collected.Folder {
			return f, true
		}
	}
	return f, false
}

// ruled reports whether accounts' rules see the message.
func (r *run) ruled() bool { return r.collected == nil || r.collected.Judge }

// silent reports whether rules may not write to anybody about the message, or send it on.
func (r *run) silent() bool { return r.collected != nil && !r.collected.Fresh }

// FreshFor is how long after it came a message is fresh.
const FreshFor = 24 * time.Hour
