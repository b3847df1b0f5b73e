// Package policy keeps what administrators have decided about mail, whoever sends or gets it: whom to refuse and whom to let in, which files
// nobody may send, how large messages may be, what is written below those that leave, and of which somebody keeps a copy.
//
//	book, err := policy.Open(ctx, db, policy.Options{})
//	p, err := book.Add(ctx, policy.Policy{Kind: policy.Sender, Pattern: "spam.example", Action: policy.Reject})
//	err = book.Connected(addr)                      // asked as mail comes in: a Refusal, or nil
//	ruling, err := book.Judge(policy.Message{...})  // once it is complete
//
// A policy is for the whole server, for a domain, or for an account. It takes effect at once, without a restart. All of them are in memory:
// looking one up reads nothing, and where there are none costs nothing. What is stored: store.go.
//
// Package message's parser finds the files in a message, package archive those in archives. Who refuses and delivers, and what mail with
// a disclaimer or a journal report looks like, is told in the files of those names.
package policy

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// Kind is what a policy is about.
type Kind uint8

// Kinds.
const (
	// Sender is about an address, or a domain with those below it: of the reverse-path, and in From.
	Sender Kind = 1 + iota
	// Network is about the clients of a network.
	Network
	// File is about attached files by the ending of their names, also in ZIP archives.
	File
	// Type is about parts of a media type: "application/x-msdownload", "video/*".
	Type
	// Size bounds messages.
	Size
	// Disclaimer is text below what leaves.
	Disclaimer
	// Journal is a copy of all mail, with its envelope, for somebody who keeps it.
	Journal
	kinds
)

var kindNames = [kinds]string{Sender: "sender", Network: "network", File: "file", Type: "type", Size: "size", Disclaimer: "disclaimer", Journal: "journal"}

// String names the kind in a word.
func (k Kind) String() string { return nameOf(kindNames[:], int(k)) }

// KindOf is the kind with a name; ok is false if there is none.
func KindOf(name string) (k Kind, ok bool) {
	i, ok := indexOf(kindNames[:], name)
	return Kind(i), ok
}

// Action is what becomes of mail that a Sender, Network, File or Type policy is about.
type Action uint8

// Actions.
const (
	// Allow: it isn't held for junk, nor asked to come back. A sender has to be proved by SPF or DKIM: else whoever forges the name of a
	// sender who is let in would be let in as well.
	Allow Action = 1 + iota
	// Junk: it goes to the folders for junk.
	Junk
	// Quarantine: it is kept for an administrator.
	Quarantine
	// Reject: it is refused.
	Reject
	actions
)

var actionNames = [actions]string{Allow: "allow", Junk: "junk", Quarantine: "quarantine", Reject: "reject"}

// String names the action in a word.
func (a Action) String() string { return nameOf(actionNames[:], int(a)) }

// ActionOf is the action with a name; ok is false if there is none.
func ActionOf(name string) (a Action, ok bool) {
	i, ok := indexOf(actionNames[:], name)
	return Action(i), ok
}

// Direction says whose mail a policy is about.
type Direction uint8

// Directions.
const (
	// In is mail for people here.
	In Direction = 1 << iota
	// Out is mail of people who have signed in, wherever it goes.
	Out
	// Both is In and Out.
	Both = In | Out
)

var directionNames = [...]string{In: "in", Out: "out", Both: "both"}

// String names the direction in a word.
func (d Direction) String() string { return nameOf(directionNames[:], int(d)) }

// DirectionOf is the direction with a name; ok is false if there is none.
func DirectionOf(name string) (d Direction, ok bool) {
	i, ok := indexOf(directionNames[:], name)
	return Direction(i), ok
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return ""
}

func indexOf(names []string, name string) (int, bool) {
	for i, n := range names {
		if n == name && n != "" {
			return i, true
		}
	}
	return 0, false
}

// Limits of a policy.
const (
	MaxPattern = 320
	MaxReason  = 200      // of a refusal's text, in bytes
	MaxText    = 16 << 10 // of a disclaimer's text, and of its HTML
	Most       = 100_000  // policies
	MostOf     = 10_000   // of one domain, besides those of the whole server
	// MostJournals is how many of one domain, of one account, and of the whole server there are: each message is written once more for each.
	MostJournals = 10
	maxSize      = 1 << 50 // bytes
)

// Policy is one decision of an administrator.
type Policy struct {
	// ID names it; 0: it isn't kept yet.
	ID   uint64
	Kind Kind
	// Domain is the one that it is for, Account the account. Both zero: the whole server. Account is for Size and Journal.
	Domain  string
	Account ident.AccountID
	// Direction is In or Out or Both; 0 stands for In, of a Journal and a Size for Both, of a Disclaimer for Out, which are all that it can be
	// for a Sender, a Network and a Disclaimer.
	Direction Direction
	// Pattern is the address or domain, the network, the ending without its dot, the media type; of a Journal where its reports go.
	Pattern string
	Action  Action
	// MaxBytes is the largest message, of a Size.
	MaxBytes int64
	// Strict, of a Journal: mail isn't taken while the report of it can't be put into the mailbox that it is for. Else the report waits in
	// the queue.
	Strict bool
	// Text is what a refusal says (ASCII; "": something general), or a disclaimer's plain text, and HTML its text for HTML mail ("": made
	// of Text).
	Text, HTML string
	// Created is when it was added; By who did.
	Created time.Time
	By      string
}

// normalised is the policy as it is kept. Errors are of kind fault.Invalid.
func (p Policy) normalised() (Policy, error) {
	p.Pattern = strings.TrimSpace(p.Pattern)
	if err := p.scope(); err != nil {
		return p, err
	}
	if p.Direction == 0 {
		p.Direction = map[Kind]Direction{Size: Both, Journal: Both, Disclaimer: Out}[p.Kind]
	}
	if p.Direction == 0 {
		p.Direction = In
	}
	if p.Direction > Both {
		return p, fault.New(fault.Invalid, "a policy is for mail in, out, or both")
	}
	if len(p.Pattern) > MaxPattern {
		return p, fault.New(fault.Invalid, "the pattern is too long")
	}
	check := map[Kind]func(*Policy) error{Sender: (*Policy).sender, Network: (*Policy).network, File: (*Policy).file, Type: (*Policy).mediaType,
		Size: (*Policy).size, Disclaimer: (*Policy).disclaimer, Journal: (*Policy).journal}[p.Kind]
	if check == nil {
		return p, fault.New(fault.Invalid, "there is no such kind of policy")
	}
	return p, check(&p)
}

func (p *Policy) scope() (err error) {
	if p.Domain != "" {
		if p.Domain, err = directory.ParseDomain(p.Domain); err != nil {
			return err
		}
	}
	if p.Account != 0 && p.Kind != Size && p.Kind != Journal {
		return fault.New(fault.Invalid, "a %s policy is for the server or a domain, not for one account", p.Kind)
	}
	if p.Account != 0 && p.Domain != "" {
		return fault.New(fault.Invalid, "a policy is for a domain or for an account, not both")
	}
	return nil
}

// acts checks what the four kinds have in common that say what becomes of mail.
func (p *Policy) acts() error {
	switch {
	case p.Action == 0 || p.Action >= actions:
		return fault.New(fault.Invalid, "say what becomes of the mail: allow, junk, quarantine or reject")
	case p.Action != Reject && p.Text != "":
		return fault.New(fault.Invalid, "only a refusal says something")
	case len(p.Text) > MaxReason || strings.ContainsFunc(p.Text, func(r rune) bool { return r < ' ' || r > '~' }):
		return fault.New(fault.Invalid, "the text of a refusal is one line of ASCII of at most %d characters", MaxReason)
	case p.MaxBytes != 0 || p.HTML != "" || p.Strict:
		return fault.New(fault.Invalid, "a %s policy has no size, HTML or strictness", p.Kind)
	}
	return nil
}

// senders checks what Sender and Network have in common.
func (p *Policy) strangers() error {
	if p.Direction != In {
		return fault.New(fault.Invalid, "a %s policy is for mail that comes in", p.Kind)
	}
	return p.acts()
}

func (p *Policy) sender() error {
	pattern := strings.TrimPrefix(strings.TrimPrefix(p.Pattern, "*."), "@")
	if strings.Contains(pattern, "@") {
		a, err := directory.Parse(pattern)
		if err != nil {
			return err
		}
		p.Pattern = strings.ToLower(a.Fold().String())
		return p.strangers()
	}
	d, err := directory.ParseDomain(pattern)
	if err != nil {
		return fault.New(fault.Invalid, "%q is neither an address nor a domain", p.Pattern)
	}
	p.Pattern = d
	return p.strangers()
}

func (p *Policy) network() error {
	n, err := netip.ParsePrefix(p.Pattern)
	if a, err2 := netip.ParseAddr(p.Pattern); err != nil && err2 == nil && a.Zone() == "" {
		a = a.Unmap()
		n, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || n.Addr().Zone() != "" || n.Addr().Is4In6() {
		return fault.New(fault.Invalid, "%q is no network such as 192.0.2.0/24 or 2001:db8::/32", p.Pattern)
	}
	p.Pattern = n.Masked().String()
	return p.strangers()
}

func (p *Policy) file() error {
	p.Pattern = strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(p.Pattern, "*"), "."))
	if p.Pattern == "" || strings.ContainsAny(p.Pattern, "*./\\ ") {
		return fault.New(fault.Invalid, "a file policy is about one ending, such as exe")
	}
	return p.content()
}

func (p *Policy) mediaType() error {
	p.Pattern = strings.ToLower(p.Pattern)
	main, sub, ok := strings.Cut(p.Pattern, "/")
	if !ok || main == "" || sub == "" || strings.ContainsAny(main, "* /;") || sub != "*" && strings.ContainsAny(sub, "* /;") {
		return fault.New(fault.Invalid, "a type policy is about a media type such as application/x-msdownload or video/*")
	}
	return p.content()
}

// content checks what File and Type have in common.
func (p *Policy) content() error {
	if p.Action == Allow || p.Action == Junk && p.Direction != In {
		return fault.New(fault.Invalid, "files are refused, put into quarantine or, when they come in, into the junk")
	}
	return p.acts()
}

func (p *Policy) size() error {
	if p.MaxBytes <= 0 || p.MaxBytes > maxSize {
		return fault.New(fault.Invalid, "say how large a message may be")
	}
	return p.without(p.Pattern != "" || p.Action != 0 || p.Text != "" || p.HTML != "" || p.Strict)
}

func (p *Policy) disclaimer() error {
	switch {
	case p.Domain == "":
		return fault.New(fault.Invalid, "a disclaimer is for a domain")
	case p.Direction != Out:
		return fault.New(fault.Invalid, "a disclaimer is for mail that leaves")
	case strings.TrimSpace(p.Text) == "":
		return fault.New(fault.Invalid, "a disclaimer needs a text")
	case len(p.Text) > MaxText || len(p.HTML) > MaxText:
		return fault.New(fault.Invalid, "a disclaimer has at most %d bytes", MaxText)
	case strings.ContainsRune(p.Text+p.HTML, 0) || !validUTF8(p.Text, p.HTML):
		return fault.New(fault.Invalid, "a disclaimer is text in UTF-8")
	}
	p.Text = strings.ReplaceAll(p.Text, "\r\n", "\n")
	p.HTML = strings.ReplaceAll(p.HTML, "\r\n", "\n")
	return p.without(p.Pattern != "" || p.Action != 0 || p.MaxBytes != 0 || p.Strict)
}

func (p *Policy) journal() error {
	a, err := directory.Parse(p.Pattern)
	if err != nil {
		return err
	}
	p.Pattern = a.String()
	return p.without(p.Action != 0 || p.MaxBytes != 0 || p.Text != "" || p.HTML != "")
}

func (p *Policy) without(extra bool) error {
	if extra {
		return fault.New(fault.Invalid, "a %s policy doesn't have that", p.Kind)
	}
	return nil
}

// Refusal is what the client is told, and what is written down about it.
type Refusal struct {
	// Policy is the ID of the one that decided.
	Policy uint64
	// Code and Status are those of the reply: 550, "5.7.1".
	Code         int
	Status, Text string
}

// Error says which policy it was, for logs.
func (r *Refusal) Error() string { return "policy " + decimal(r.Policy) }

func refuse(p *Policy, code int, status, text string) error {
	if p.Text != "" && p.Kind != Disclaimer {
		text = p.Text
	}
	return fault.Wrap(fault.Denied, &Refusal{p.ID, code, status, text}, text)
}

// RefusalOf is the Refusal in an error's chain; nil if there is none.
func RefusalOf(err error) *Refusal {
	r, _ := errors.AsType[*Refusal](err)
	return r
}
