package policy

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// set is all policies, arranged for looking them up. It is immutable.
type set struct {
	all      []Policy
	senders  map[string][]*Policy // by address or domain
	networks map[netip.Prefix][]*Policy
	lengths  []int // of the prefixes in networks, the longest first
	files    map[string][]*Policy
	types    map[string][]*Policy

	sizes       []*Policy
	disclaimers map[string]*Policy // by domain
	journals    []*Policy
	own         map[string]bool // domains with policies of their own about mail that comes in
	contentIn   bool            // there are policies about files or types of mail that comes in
	contentOut  bool
}

func newSet(all []Policy) *set {
	s := &set{all: all, senders: map[string][]*Policy{}, networks: map[netip.Prefix][]*Policy{}, files: map[string][]*Policy{}, types: map[string][]*Policy{},
		disclaimers: map[string]*Policy{}, own: map[string]bool{}}
	for i := range all {
		s.add(&all[i])
	}
	slices.SortFunc(s.lengths, func(a, b int) int { return b - a })
	s.lengths = slices.Compact(s.lengths)
	return s
}

func (s *set) add(p *Policy) {
	switch p.Kind {
	case Sender:
		s.senders[p.Pattern] = append(s.senders[p.Pattern], p)
	case Network:
		if n, err := netip.ParsePrefix(p.Pattern); err == nil {
			s.networks[n] = append(s.networks[n], p)
			s.lengths = append(s.lengths, n.Bits())
		}
	case File:
		s.files[p.Pattern] = append(s.files[p.Pattern], p)
	case Type:
		s.types[p.Pattern] = append(s.types[p.Pattern], p)
	case Size:
		s.sizes = append(s.sizes, p)
	case Disclaimer:
		s.disclaimers[p.Domain] = p
	case Journal:
		s.journals = append(s.journals, p)
	}
	acts := p.Kind == Sender || p.Kind == Network || p.Kind == File || p.Kind == Type
	if acts && p.Domain != "" && p.Direction&In != 0 {
		s.own[p.Domain] = true
	}
	if p.Kind == File || p.Kind == Type {
		s.contentIn = s.contentIn || p.Direction&In != 0
		s.contentOut = s.contentOut || p.Direction&Out != 0
	}
}

// admits says whether a policy may be added.
func (s *set) admits(p *Policy) error {
	if len(s.all) >= Most {
		return fault.New(fault.TooLarge, "there are %d policies already", len(s.all))
	}
	of, journals := 0, 0
	for i := range s.all {
		q := &s.all[i]
		if q.Kind == p.Kind && q.Domain == p.Domain && q.Account == p.Account && q.Pattern == p.Pattern && q.Direction&p.Direction != 0 {
			return fault.New(fault.Exists, "policy %d is about the same: remove that first", q.ID)
		}
		if q.Domain == p.Domain {
			of++
		}
		if p.Kind == Journal && q.Kind == Journal && q.Domain == p.Domain && q.Account == p.Account {
			journals++
		}
	}
	if journals >= MostJournals {
		return fault.New(fault.TooLarge, "there are %d journals already for the same mail", journals)
	}
	if p.Domain != "" && of >= MostOf {
		return fault.New(fault.TooLarge, "%s has %d policies already", p.Domain, of)
	}
	return nil
}

// ruling is what the policies of the server and those of one domain say of one thing: each of them the most exact of its policies.
type ruling struct{ server, domain *Policy }

// take lets policies with one pattern decide for whom nothing more exact has decided yet. Of two with one pattern that differ in nothing
// else there is never more than one.
func (r *ruling) take(list []*Policy, domain string, d Direction) {
	for _, p := range list {
		switch {
		case p.Direction&d == 0:
		case p.Domain == "" && r.server == nil:
			r.server = p
		case p.Domain != "" && p.Domain == domain && r.domain == nil:
			r.domain = p
		}
	}
}

// decides is the policy whose word counts: what is against the mail comes before what is for it, and the more severe before the milder. So
// a domain can refuse what the server lets in, and can't let in what the server refuses.
func (r *ruling) decides() *Policy {
	switch {
	case r.server == nil:
		return r.domain
	case r.domain == nil || r.server.Action >= r.domain.Action:
		return r.server
	}
	return r.domain
}

// network is what is said of a client.
func (s *set) network(a netip.Addr, domain string) *Policy {
	if len(s.networks) == 0 || !a.IsValid() {
		return nil
	}
	a = a.Unmap().WithZone("")
	var r ruling
	for _, bits := range s.lengths {
		if n, err := a.Prefix(bits); err == nil {
			r.take(s.networks[n], domain, In)
		}
	}
	return r.decides()
}

// spelled is the one spelling of an address that can be written in several; what is none has its domain in one. The dot of the root behind a domain, which
// many programs take, is left out.
func spelled(address string) string {
	for strings.HasSuffix(address, ".") {
		address = address[:len(address)-1]
	}
	if spelledOnce(address) {
		return address
	}
	if a, err := directory.Parse(strings.TrimRight(address, ".\u3002\uff0e\uff61")); err == nil { // UTS 46 has more dots
		return strings.ToLower(a.Fold().String())
	}
	at := strings.LastIndexByte(address, '@') + 1
	if d, err := directory.ParseDomain(strings.TrimRight(address[at:], ".\u3002\uff0e\uff61")); err == nil {
		address = address[:at] + d
	}
	return strings.ToLower(address)
}

// spelledOnce reports whether an address is surely in its one spelling, as most are: in lower case, nothing quoted, no literal, no A-labels that
// may have to be written in another way.
func spelledOnce(address string) bool {
	for i := range len(address) {
		if c := address[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' || c == '"' || c == '[' || c == '-' && strings.HasSuffix(address[:i], "xn-") {
			return false
		}
	}
	return true
}

// sender is what is said of an address.
func (s *set) sender(address, domain string) *Policy {
	if len(s.senders) == 0 || address == "" {
		return nil
	}
	address = spelled(address)
	var r ruling
	r.take(s.senders[address], domain, In)
	for host := address[strings.LastIndexByte(address, '@')+1:]; host != ""; {
		r.take(s.senders[host], domain, In)
		_, host, _ = strings.Cut(host, ".")
	}
	return r.decides()
}

// file is what is said of a file by its name.
func (s *set) file(name, domain string, d Direction) *Policy {
	var r ruling
	r.take(s.files[ending(name)], domain, d)
	return r.decides()
}

// ending is a file name's last extension in lower case, "" if there is none: without what nobody sees, and what Windows leaves out at the end.
func ending(name string) string {
	name = strings.ToLower(strings.TrimRightFunc(strings.Map(visible, name), func(r rune) bool { return r == '.' || unicode.IsSpace(r) }))
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(name[i+1:])
}

// visible drops control characters and those that only say how others are written.
func visible(r rune) rune {
	if unicode.Is(unicode.Cc, r) && !unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// strictest is the most severe that is said of any file or type.
func (s *set) strictest(domain string, d Direction) (worst *Policy) {
	for _, lists := range [...]map[string][]*Policy{s.files, s.types} {
		for _, list := range lists {
			var r ruling
			r.take(list, domain, d)
			if p := r.decides(); p != nil && (worst == nil || p.Action > worst.Action || p.Action == worst.Action && p.ID < worst.ID) {
				worst = p
			}
		}
	}
	return worst
}

// mediaType is what is said of a part by its type.
func (s *set) mediaType(main, sub, domain string, d Direction) *Policy {
	if len(s.types) == 0 {
		return nil
	}
	var r ruling
	r.take(s.types[main+"/"+sub], domain, d)
	r.take(s.types[main+"/*"], domain, d)
	return r.decides()
}

// size is the limit for an account's or a domain's mail: the narrowest one counts. Nil: there is none.
func (s *set) size(d Direction, domain string, accounts ...ident.AccountID) *Policy {
	var found [3]*Policy
	for _, p := range s.sizes {
		if p.Direction&d == 0 {
			continue
		}
		switch {
		case p.Account != 0 && slices.Contains(accounts, p.Account):
			if found[0] == nil || p.MaxBytes < found[0].MaxBytes {
				found[0] = p
			}
		case p.Account == 0 && p.Domain != "" && p.Domain == domain:
			found[1] = p
		case p.Account == 0 && p.Domain == "":
			found[2] = p
		}
	}
	for _, p := range found {
		if p != nil {
			return p
		}
	}
	return nil
}
