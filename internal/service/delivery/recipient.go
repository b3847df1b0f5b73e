package delivery

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/forward"
	"postroad/internal/service/transfer"
)

// Sender is who writes, as far as it is known when recipients are asked for.
type Sender struct {
	// Who has signed in, or is us; nil: a stranger.
	Who *ident.Identity
	// From is the reverse-path without brackets; "": the null path.
	From string
}

// Recipient is an address that mail may be delivered to, as Agent.Recipient found it.
type Recipient struct {
	// Address is what the client said.
	Address string
	// Notify, OriginalType and Original are what the client asked for by DSN parameters.
	Notify                 transfer.Notify
	OriginalType, Original string

	accounts []ident.AccountID      // here
	remote   []string               // elsewhere
	lists    []directory.ListTarget // whose members get it
	at       directory.Address      // the address as it is known here; zero: it isn't ours
	via      string                 // the domain of ours by which it is forwarded to remote
	back     bool                   // remote is who a rewritten reverse-path of ours leads back to
	handled  bool                   // the handler gets it
	mute     bool                   // a rewritten reverse-path that leads nowhere
}

// Accounts are those that it leads to here. They must not be changed.
func (r *Recipient) Accounts() []ident.AccountID { return r.accounts }

// fullChecks bounds the mailboxes that are looked at for room when somebody
// writes to a group.
const fullChecks = 10

// Recipient finds out whether mail for an address can be delivered. "postmaster" needs no domain.
//
// Errors: fault.NotFound: no such address; fault.Unsupported: the domain
// isn't ours and the client hasn't signed in, or mail can't leave; fault.Denied: a list that doesn't take the sender's mail;
// fault.OverQuota: there is no room in the mailbox (of a group: in none of them), which may change;
// fault.Invalid: not an address.
func (a *Agent) Recipient(ctx context.Context, s Sender, address string) (Recipient, error) {
	if forward.Is(address) {
		if r, ours, err := a.returning(ctx, s, address); ours {
			return r, err
		}
	}
	t, err := a.dir.Resolve(ctx, address)
	if r, ok := a.handled(t, err, address); ok {
		return r, nil
	}
	if fault.Is(err, fault.Unsupported) && s.Who != nil && a.queue != nil {
		return Recipient{Address: address, remote: []string{address}}, nil
	}
	if err != nil {
		return Recipient{}, refusal(s.Who, err)
	}
	r := Recipient{Address: address, accounts: t.Accounts, remote: t.Remote, lists: t.Lists, at: t.Address, via: t.Via}
	if err := a.admit(ctx, s, &r); err != nil {
		return Recipient{}, err
	}
	return r, nil
}

// Onward finds how mail for by, whom Recipient found, goes on to an address elsewhere too, because a program of the administrator's wants it: as an
// alias would take it there. Errors: fault.Unsupported: mail can't leave, or by isn't an address of ours.
func (a *Agent) Onward(by Recipient, address string) (Recipient, error) {
	if a.queue == nil || by.at == (directory.Address{}) {
		return Recipient{}, errNoWayOut
	}
	at := by.at.String()
	return Recipient{Address: address, remote: []string{address}, at: by.at, via: strings.ToLower(at[strings.LastIndexByte(at, '@')+1:])}, nil
}

// returning finds who gets the notifications for a rewritten reverse-path. Only notifications go back this way: whoever else
// would use it has it from a message, and writes to somebody they don't know. ours is false if the domain isn't.
func (a *Agent) returning(ctx context.Context, s Sender, address string) (r Recipient, ours bool, err error) {
	ours, err = a.Local(ctx, address)
	if err != nil || !ours {
		return Recipient{}, err != nil, err
	}
	to, voice, err := a.paths.Back(address)
	switch {
	case err != nil || s.From != "":
		return Recipient{}, true, fault.New(fault.NotFound, "there is no such mailbox here")
	case voice == forward.Mute:
		return Recipient{Address: address, mute: true}, true, nil
	case a.queue == nil:
		return Recipient{}, true, errNoWayOut
	}
	return Recipient{Address: address, remote: []string{to}, back: true, via: strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])}, true, nil
}

var errNoWayOut = fault.New(fault.Unsupported, "this address leads to another server, and mail does not leave here")

// admit finds what is against delivering to an address of ours.
func (a *Agent) admit(ctx context.Context, s Sender, r *Recipient) error {
	var denied error
	remote := len(r.remote) > 0
	for i := range r.lists {
		remote = remote || len(r.lists[i].Remote) > 0
		if err := a.mayPost(ctx, s, &r.lists[i]); err != nil {
			denied = err
		}
	}
	switch {
	case remote && a.queue == nil:
		return errNoWayOut
	case denied != nil && len(r.accounts)+len(r.remote) == 0 && len(r.lists) == 1:
		return denied // else Deliver finds those that take it
	}
	return a.room(ctx, r)
}

// refusal says why an address can't be resolved, in words for the client.
func refusal(who *ident.Identity, err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return fault.Wrap(fault.NotFound, err, "there is no such mailbox here")
	case fault.Unsupported:
		if who != nil {
			return fault.Wrap(fault.Unsupported, err, "sending to other domains isn't available yet")
		}
		return fault.Wrap(fault.Unsupported, err, "mail for this domain is not handled here")
	}
	return err
}

// room fails with fault.OverQuota if no mailbox of the recipient has room for a byte.
func (a *Agent) room(ctx context.Context, r *Recipient) error {
	if len(r.accounts) > fullChecks || len(r.accounts) == 0 || len(r.remote) > 0 || len(r.lists) > 0 {
		return nil
	}
	for _, id := range r.accounts {
		s, err := a.open(ctx, id)
		if err != nil {
			return err
		}
		st := s.State()
		s.Close()
		if !full(st) {
			return nil
		}
	}
	return fault.New(fault.OverQuota, "the mailbox is full")
}

func full(st mailbox.State) bool {
	return st.Limit.Bytes > 0 && st.Used.Bytes >= st.Limit.Bytes ||
		st.Limit.Items > 0 && st.Used.Items >= st.Limit.Items
}

// to is the recipient as the queue wants it, under its own address.
func (r *Recipient) to(address string) transfer.Recipient {
	return transfer.Recipient{Address: address, Notify: r.Notify, OriginalType: r.OriginalType, Original: r.Original}
}

// onward is the same at one of the addresses that it leads to. If there are several, they don't tell of success: we say
// that the message went on to them (RFC 3461 §5.2.7.3 (c)).
func (r *Recipient) onward(address string) transfer.Recipient {
	t := r.to(address)
	if r.several() && t.Notify&transfer.NotifySuccess != 0 {
		if t.Notify &^= transfer.NotifySuccess; t.Notify == 0 {
			t.Notify = transfer.NotifyNever // nothing but success was asked for
		}
	}
	return t
}

// several reports whether it stands for more than one address.
func (r *Recipient) several() bool { return len(r.accounts)+len(r.remote)+len(r.lists) > 1 }
