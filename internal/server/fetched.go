package server

import (
	"context"
	"io"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
	"postroad/internal/service/fetch"
	"postroad/internal/service/move"
	"postroad/internal/service/policy"
	"postroad/internal/service/scan"
	"postroad/internal/service/sender/authres"
)

// Mail that is fetched from other servers is checked like that of strangers, but for what depends on who brings it: the client's address and the envelope
// aren't known. What would be refused can't be: its sender was told long ago that it is delivered. It goes to the quarantine.

// unstarted stands for what checks fetched mail as long as there is no running server.
type unstarted struct{}

func (unstarted) Ready() error {
	return fault.New(fault.Unavailable, "mail is checked when it is fetched: start the server, which fetches it")
}
func (unstarted) Clean(w io.Writer) io.WriteCloser { return authres.NewStripper(w) }
func (u unstarted) Take(_ context.Context, _ *fetch.Source, letters []fetch.Letter) []fetch.Taken {
	out := make([]fetch.Taken, len(letters))
	for i := range out {
		out[i].Err = u.Ready()
	}
	return out
}

// fetched checks what is fetched, and delivers it.
type fetched struct{ s *Server }

// Ready implements fetch.Receiver.
func (f fetched) Ready() error { return nil }

// Clean implements fetch.Receiver: what others wrote in our name is left out (RFC 8601 §5).
func (f fetched) Clean(w io.Writer) io.WriteCloser {
	strip := authres.NewStripper(w, f.s.config.Hostname)
	strip.Remove(delivery.JunkField)
	return strip
}

// checksAtOnce is how many messages of one account are shown to scanners at a time.
const checksAtOnce = 4

// Take implements fetch.Receiver.
func (f fetched) Take(ctx context.Context, src *fetch.Source, letters []fetch.Letter) []fetch.Taken {
	out := make([]fetch.Taken, len(letters))
	a, err := f.s.store.Directory.Account(ctx, src.Account)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	list := make([]delivery.Collected, len(letters))
	var checks sync.WaitGroup
	slots := make(chan struct{}, checksAtOnce)
	for i := range letters {
		slots <- struct{}{}
		checks.Go(func() {
			defer func() { <-slots }()
			list[i], out[i].Later = f.checked(ctx, src, &a, &letters[i])
		})
	}
	checks.Wait()
	f.deliver(context.WithoutCancel(ctx), list, out)
	for i := range list {
		if list[i].Item.Content != letters[i].Item.Content { // a program has changed it
			list[i].Item.Content.Close()
		}
	}
	return out
}

// deliver puts those where they belong that could be checked.
func (f fetched) deliver(ctx context.Context, list []delivery.Collected, out []fetch.Taken) {
	var ready []delivery.Collected
	var which []int
	for i := range list {
		if !out[i].Later {
			ready, which = append(ready, list[i]), append(which, i)
		}
	}
	for k, t := range f.s.agent.Collect(ctx, ready) {
		out[which[k]] = fetch.Taken{Items: t.Items, Aside: t.Aside, Err: t.Err}
		if fault.Is(t.Err, fault.OverQuota) && ready[k].Verdict.Quarantine != "" { // there is no room in the quarantine: later, perhaps
			out[which[k]] = fetch.Taken{Later: true}
		}
	}
}

// checked is check; what breaks at a message is that it can't be checked now, and not the end of the server.
func (f fetched) checked(ctx context.Context, src *fetch.Source, a *directory.Account, l *fetch.Letter) (c delivery.Collected, later bool) {
	defer func() {
		if p := recover(); p != nil {
			f.s.log.Error("checking a fetched message panicked", "part", "fetch", "source", src.ID, "id", l.ID, "panic", p, "stack", string(debug.Stack()))
			c, later = delivery.Collected{Item: l.Item}, true
		}
	}()
	return f.check(ctx, src, a, l)
}

// check finds out what is to be thought of a message; later: it can't be now.
func (f fetched) check(ctx context.Context, src *fetch.Source, a *directory.Account, l *fetch.Letter) (c delivery.Collected, later bool) {
	head := message.ParseHeader(string(l.Item.Content.Summary().Header()))
	c = delivery.Collected{ID: l.ID, Account: a.ID, Address: a.Address, From: returnPath(head.Get("Return-Path")), Source: src.Protocol + " " + src.Address,
		Folder: l.Folder, Item: l.Item, Judge: src.Judged(), Kept: l.Kept, Fresh: f.s.world.Now().Sub(l.Came) < delivery.FreshFor}
	v := f.results(src, head, authorDomain(l))
	c.Verdict = v
	if later := f.scan(ctx, &c, v); later {
		return c, true
	}
	f.policy(&c, v)
	return c, false
}

// returnPath reads the field; "" if it is none, or isn't an address.
func returnPath(value string) string {
	s := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(value), "<"), ">")
	a, err := directory.Parse(s)
	if err != nil {
		return ""
	}
	return a.String()
}

// authorDomain is the domain in From, if there is one author alone.
func authorDomain(l *fetch.Letter) string {
	from := l.Item.Content.Summary().From()
	if len(from) != 1 || from[0].Group != message.NoGroup {
		return ""
	}
	return strings.ToLower(from[0].Host)
}

// results is what is known of the sender: what the server there has found out, if it is believed; else nothing, in our name, so that
// nobody takes what somebody else has written there for ours.
func (f fetched) results(src *fetch.Source, head message.Header, author string) *delivery.Verdict {
	h := authres.Header{ID: f.s.config.Hostname}
	v := &delivery.Verdict{Summary: "fetched"}
	if told, ok := resultsOf(head, src.Results); ok {
		for _, m := range told.Methods {
			m.Comment = "as " + src.Results + " tells"
			h.Methods = append(h.Methods, m)
			if m.Name == "dmarc" && m.Result == authres.Pass && author != "" && domainIn(&m) == author {
				v.Proved = author
			}
		}
		v.Summary = "fetched believing=" + src.Results
	}
	if v.Proved == "" {
		v.Unproved = author
	}
	v.Results = h.Value()
	v.Field = authres.FieldOf(v.Results)
	return v
}

// resultsOf is the topmost field of a server that calls itself so. Whoever it is takes out those that others wrote in its name (RFC 8601 §5): to believe it
// means to believe that.
func resultsOf(head message.Header, id string) (authres.Header, bool) {
	if id == "" {
		return authres.Header{}, false
	}
	for _, value := range head.All("Authentication-Results") {
		if h, err := authres.Parse(value); err == nil && strings.EqualFold(h.ID, id) {
			return h, true
		}
	}
	return authres.Header{}, false
}

// domainIn is whom a result of DMARC is about.
func domainIn(m *authres.Method) string {
	for _, p := range m.Props {
		if p.Type == "header" && p.Name == "from" {
			return strings.ToLower(strings.TrimSuffix(p.Value, "."))
		}
	}
	return ""
}

// scan shows it to other programs, and takes what they have made of it. What they want changed in an envelope isn't: there was none. later: one of them
// wants it to come again, or nobody waits for what they say.
func (f fetched) scan(ctx context.Context, c *delivery.Collected, v *delivery.Verdict) (later bool) {
	if !f.s.scanners.Wants(scan.Incoming) {
		return false
	}
	var drafts []*mailbox.ContentWriter
	r := f.s.scanners.Scan(ctx, &scan.Message{ID: c.ID, Direction: scan.Incoming, From: c.From, To: []string{c.Address}, Protocol: "fetch", Hostname: f.s.config.Hostname,
		Content: c.Item.Content, Size: c.Item.Content.Size(), Limit: move.MaxMessage, Draft: func() scan.Draft {
			drafts = append(drafts, f.s.store.Mailboxes.NewContent())
			return drafts[len(drafts)-1]
		}}, nil)
	later = ctx.Err() != nil
	for _, w := range drafts {
		if later || r.Edited != scan.Draft(w) {
			w.Discard()
			continue
		}
		edited, err := w.Finish()
		if err != nil {
			later = true
			continue
		}
		c.Item.Content = edited
	}
	if later {
		return true
	}
	d := r.Decision()
	v.Scan, v.ScanJunk = r, r.Junk()
	v.ScanScore, v.Scanned = r.Score()
	v.Field += r.Fields()
	v.Summary += " " + r.Summary()
	switch d.Action {
	case scan.TempFail:
		return true
	case scan.Reject, scan.Quarantine:
		v.Quarantine = d.Why()
	case scan.Discard:
		v.Discard = d.Why()
	}
	return false
}

// policy asks what the administrators' policies say.
func (f fetched) policy(c *delivery.Collected, v *delivery.Verdict) {
	domain := policy.DomainOf(c.Address)
	book := f.s.store.Policies
	if !book.Looks(policy.In) {
		return
	}
	ruling, err := book.Judge(&policy.Message{Direction: policy.In, From: c.From, Domain: domain, Proved: v.Proved, Content: c.Item.Content, Size: c.Item.Content.Size()})
	no := policy.RefusalOf(err)
	switch {
	case no != nil:
		v.Quarantine = "policy " + strconv.FormatUint(no.Policy, 10) + ": " + no.Text
		v.Summary += " policy=reject:" + strconv.FormatUint(no.Policy, 10)
	case ruling.Policy != 0:
		v.Decided, v.Junk = true, ruling.Action == policy.Junk
		if ruling.Action == policy.Quarantine {
			v.Quarantine = ruling.Why
		}
		v.Summary += " policy=" + ruling.Action.String() + ":" + strconv.FormatUint(ruling.Policy, 10)
	}
}
