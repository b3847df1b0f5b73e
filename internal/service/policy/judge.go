package policy

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/format/archive"
	"postroad/internal/format/message"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// DomainOf is the domain of an address, in the spelling that policies have it in; "" if there is none.
func DomainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	domain := address[at+1:]
	for i := range len(domain) {
		if domain[i] >= 0x80 {
			if d, err := directory.ParseDomain(domain); err == nil {
				return d
			}
			break
		}
	}
	return strings.ToLower(domain)
}

// SenderDomain is the domain under whose policies somebody sends who has signed in as login: that of the reverse-path, or of their own
// address if that is null.
func SenderDomain(from, login string) string {
	if from == "" {
		from = login
	}
	return DomainOf(from)
}

// Connected refuses clients of networks whose mail nobody on this server is to get. Errors: a Refusal.
func (b *Book) Connected(client netip.Addr) error {
	if p := b.current().network(client, ""); p != nil && p.Action == Reject {
		return refuse(p, 554, "5.7.1", "Your network may not send mail here")
	}
	return nil
}

// Sent refuses strangers whose mail nobody on this server is to get, by the reverse-path. Errors: a Refusal.
func (b *Book) Sent(from string) error {
	if p := b.current().sender(from, ""); p != nil && p.Action == Reject {
		return refuseSender(p)
	}
	return nil
}

func refuseSender(p *Policy) error {
	return refuse(p, 550, "5.7.1", "Mail of this sender is not wanted here") // RFC 5321 §3.3, RFC 3463 §3.8
}

// Received refuses strangers whose mail a domain doesn't want. Errors: a Refusal.
func (b *Book) Received(client netip.Addr, from, domain string) error {
	s := b.current()
	if p := s.network(client, domain); p != nil && p.Action == Reject {
		return refuse(p, 550, "5.7.1", "Mail of your network is not wanted here")
	}
	if p := s.sender(from, domain); p != nil && p.Action == Reject {
		return refuseSender(p)
	}
	return nil
}

// Apart is under whose policies a domain's mail comes in: its own name if it has policies, "" otherwise. A message can be accepted or
// refused only as a whole, so recipients for whom it is not the same don't share one.
func (b *Book) Apart(domain string) string {
	if s := b.current(); len(s.own) > 0 && s.own[domain] {
		return domain
	}
	return ""
}

// Limit is how large mail may be that an account or a domain sends (Out) or gets (In); 0: there is no limit. The account's comes before the
// domain's, and that before the server's. id is the policy's.
func (b *Book) Limit(d Direction, domain string, accounts ...ident.AccountID) (bytes int64, id uint64) {
	s := b.current()
	if len(s.sizes) == 0 {
		return 0, 0
	}
	if p := s.size(d, domain, accounts...); p != nil {
		return p.MaxBytes, p.ID
	}
	return 0, 0
}

// TooLarge is the refusal of a message that is larger than a policy allows.
func TooLarge(id uint64) error { // RFC 1870 §6.1, RFC 3463 §3.4
	return fault.Wrap(fault.TooLarge, &Refusal{id, 552, "5.3.4", "The message is larger than is allowed here"}, "message too large")
}

// AllowsNetwork reports whether mail of a client is welcome on the whole server.
func (b *Book) AllowsNetwork(client netip.Addr) bool {
	p := b.current().network(client, "")
	return p != nil && p.Action == Allow
}

// AllowsSender reports whether mail of a sender is welcome in a domain, if it is proved that it is theirs.
func (b *Book) AllowsSender(from, domain string) bool {
	p := b.current().sender(from, domain)
	return p != nil && p.Action == Allow
}

// Message is a message that is complete.
type Message struct {
	// Direction is In or Out.
	Direction Direction
	// Client is where a stranger is.
	Client netip.Addr
	// From is the reverse-path.
	From string
	// Domain is whose policies count besides the server's: of the recipients, or of who sends.
	Domain string
	// PathProved: the reverse-path's domain is authenticated. Proved is the domain in From if it is, by SPF or DKIM in line with it; "".
	PathProved bool
	Proved     string
	// Content has the message's bytes, Size of them.
	Content io.ReaderAt
	Size    int64
	// Parsed tells what Content is parsed into, with message.Limits{}; it is asked once at most. Nil: it is parsed anew.
	Parsed func() *message.Structure
}

// Ruling is what becomes of a message that isn't refused.
type Ruling struct {
	// Policy is the ID of the one that decides; 0: none does.
	Policy uint64
	Action Action
	// Why says in a few words which policy it is.
	Why string
}

// Looks reports whether messages in a direction have to be looked at once they are complete: if not, Judge has nothing to say.
func (b *Book) Looks(d Direction) bool {
	s := b.current()
	if d == Out {
		return s.contentOut
	}
	return s.contentIn || len(s.senders) > 0 || len(s.networks) > 0
}

// Judge decides on a message. Errors: a Refusal.
func (b *Book) Judge(m *Message) (Ruling, error) {
	s := b.current()
	j := judge{s: s, m: m}
	if m.Direction == In {
		j.consider(s.network(m.Client, m.Domain), "your network", true)
		j.consider(s.sender(m.From, m.Domain), "this sender", m.PathProved)
	}
	if m.Direction == In && len(s.senders) > 0 || len(s.files) > 0 || len(s.types) > 0 {
		j.look()
	}
	switch p := j.worst; {
	case p != nil && p.Action == Reject && (p.Kind == File || p.Kind == Type):
		return Ruling{}, refuse(p, 550, "5.7.1", "Messages with "+j.what+" are not taken here")
	case p != nil && p.Action == Reject:
		return Ruling{}, refuse(p, 550, "5.7.1", "Mail of "+j.what+" is not wanted here")
	case p != nil:
		return Ruling{p.ID, p.Action, "policy " + decimal(p.ID) + " (" + p.Kind.String() + " " + p.Pattern + ")"}, nil
	}
	return Ruling{}, nil
}

// judge gathers what policies say of one message.
type judge struct {
	s     *set
	m     *Message
	worst *Policy
	what  string // it is about

	entries int    // of archives
	room    []byte // for a part's header
}

// consider takes a policy's word into account: that against the mail, or the more severe one, counts. One that lets in counts only if it is
// proved that the mail is from whom it says.
func (j *judge) consider(p *Policy, what string, proved bool) {
	if p == nil || p.Action == Allow && !proved {
		return
	}
	if j.worst == nil || p.Action > j.worst.Action {
		j.worst, j.what = p, what
	}
}

// lookers parse messages; what they found stays valid.
var lookers = sync.Pool{New: func() any { return &looker{parser: message.NewParser(message.Limits{})} }}

type looker struct {
	parser *message.Parser
	buf    [16 << 10]byte
}

// parse reads a message.
func parse(m *Message) *message.Structure {
	if m.Parsed != nil {
		return m.Parsed()
	}
	l := lookers.Get().(*looker)
	defer lookers.Put(l)
	l.parser.Reset()
	io.CopyBuffer(l.parser, io.NewSectionReader(m.Content, 0, m.Size), l.buf[:]) //nolint:errcheck // what can't be read fails when it is stored
	return l.parser.Finish()
}

// look parses the message.
func (j *judge) look() {
	structure := parse(j.m)
	if j.m.Direction == In {
		j.authors(structure.Envelope)
	}
	if len(j.s.files) == 0 && len(j.s.types) == 0 {
		return
	}
	told := !structure.Limited
	structure.Root.Walk(func(p *message.Part) bool {
		h := structure.Header
		if p != structure.Root {
			h = j.header(p)
		}
		named, all := j.says(p, &h)
		told = told && all
		if len(j.s.files) > 0 && len(p.Children) == 0 && p.Message == nil && (named || p.Type != "text") {
			told = j.archives(p) && told
		}
		return true
	})
	if !told { // it has more parts or files than anybody needs, to hide one
		j.consider(j.s.strictest(j.m.Domain, j.m.Direction), "more parts or files than can be looked at", true)
	}
}

// says looks at all types and names that a part may be taken to have: programs don't agree on which ones count. Named: it has a name;
// told: that was all.
func (j *judge) says(p *message.Part, header *message.Header) (named, told bool) {
	take := func(name string) {
		if name != "" {
			named = true
			j.file(message.DecodeWords(name))
		}
	}
	j.mediaType(p.Type, p.Subtype)
	for _, list := range [...][]message.Param{p.DispositionParams, p.Params} {
		for i := range list {
			if x := &list[i]; x.Name == "filename" || x.Name == "name" {
				take(x.Value)
			}
		}
	}
	told = header.Readings(j.mediaType, take)
	return named, told
}

// header reads a part's header.
func (j *judge) header(p *message.Part) message.Header {
	j.room = slices.Grow(j.room[:0], int(min(p.HeaderSize, maxHeader)))
	n, _ := j.m.Content.ReadAt(j.room[:min(p.HeaderSize, maxHeader)], p.HeaderOffset) // what can't be read fails when it is stored
	return message.ParseHeader(string(j.room[:n]))
}

// maxHeader is as much of a header as a message.Parser reads: beyond it, a Structure is Limited.
const maxHeader = 256 << 10

func (j *judge) mediaType(main, sub string) {
	if found := j.s.mediaType(main, sub, j.m.Domain, j.m.Direction); found != nil {
		j.consider(found, "parts of type "+fault.Printable(main+"/"+sub, maxShown), true)
	}
}

// authors looks at all whom the message says it is from: the last of many is an author too. message.MaxAddresses bounds them.
func (j *judge) authors(e *message.Envelope) {
	for i := range e.From {
		a := &e.From[i]
		if a.Group != message.NoGroup || a.Host == "" {
			continue
		}
		proved := j.m.Proved != "" && strings.EqualFold(strings.TrimSuffix(a.Host, "."), j.m.Proved)
		j.consider(j.s.sender(a.Addr(), j.m.Domain), "this author", proved)
	}
}

func (j *judge) file(name string) {
	j.ending(name, name)
	if end := strings.IndexByte(name, 0); end >= 0 { // where names end for many programs
		j.ending(name[:end], name)
	}
}

func (j *judge) ending(of, name string) {
	if found := j.s.file(of, j.m.Domain, j.m.Direction); found != nil {
		j.consider(found, "files such as "+fault.Printable(name, maxShown), true)
	}
}

// archives looks at the names in the archives that a part has in it. It reports whether these are all.
func (j *judge) archives(p *message.Part) bool {
	return archive.Scan(p.Body(j.m.Content), func(e archive.Entry) bool {
		j.entries++
		j.file(e.Name)
		return j.entries <= archive.MaxScanned
	})
}

// maxShown is how much of a stranger's text a reply repeats, in bytes.
const maxShown = 100

// Journals are the policies by which mail is journaled that goes from one account or domain to others: from is "" and 0 for strangers' mail.
// Each is told once.
func (b *Book) Journals(sender Party, recipients []Party) []Policy {
	s := b.current()
	var all []Policy
	for _, p := range s.journals {
		if p.Direction&Out != 0 && p.Covers(&sender) || p.Direction&In != 0 && slices.ContainsFunc(recipients, func(r Party) bool { return p.Covers(&r) }) {
			all = append(all, *p)
		}
	}
	return all
}

// Journaling reports whether anybody's mail is journaled.
func (b *Book) Journaling() bool { return len(b.current().journals) > 0 }

// Party is who sends or gets a message here: a domain of ours and the accounts behind an address. The zero value is somebody elsewhere.
type Party struct {
	Domain   string
	Accounts []ident.AccountID
}

// Covers reports whether a policy is for somebody. One for the whole server is for all who are here.
func (p *Policy) Covers(x *Party) bool {
	switch {
	case p.Account != 0:
		return slices.Contains(x.Accounts, p.Account)
	case p.Domain != "":
		return p.Domain == x.Domain
	}
	return x.Domain != ""
}

// DisclaimerFor is what is written below mail that a domain's people send elsewhere; ok is false if there is nothing.
func (b *Book) DisclaimerFor(domain string) (Policy, bool) {
	if s := b.current(); len(s.disclaimers) > 0 {
		if p := s.disclaimers[domain]; p != nil {
			return *p, true
		}
	}
	return Policy{}, false
}
