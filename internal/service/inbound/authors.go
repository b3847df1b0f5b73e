package inbound

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"postroad/internal/fault"
	"postroad/internal/fault/spoil"
	"postroad/internal/format/message"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/storage/kv"
)

// Authors says whom people who have signed in may name in From and Sender (RFC 5322 §3.6.2). The reverse-path must be theirs anyway.
type Authors uint8

// Rules. The zero one, in an account's own setting, is that of the server.
const (
	// AuthorsDefault is the server's rule; of the server it is AuthorsLocal.
	AuthorsDefault Authors = iota
	// AuthorsAny: nobody looks.
	AuthorsAny
	// AuthorsLocal: at domains of this server only addresses that are the account's own. Others' are left to them: nothing that we
	// sign is aligned with them (DMARC), and lists and programs that pass on what people elsewhere wrote go on to work.
	AuthorsLocal
	// AuthorsDomain: any address at a domain in which the account has one, and nowhere else.
	AuthorsDomain
	// AuthorsOwn: only addresses of the account's own.
	AuthorsOwn

	authorRules
)

var authorNames = [authorRules]string{"default", "any", "local", "domain", "own"}

// String is the rule's word, as settings and commands have it.
func (a Authors) String() string { return authorNames[a] }

// AuthorsNamed finds a rule by its word; "" is AuthorsDefault. fault.Invalid if there is none.
func AuthorsNamed(word string) (Authors, error) {
	for a, name := range authorNames {
		if word == name || word == "" {
			return Authors(a), nil
		}
	}
	return 0, fault.New(fault.Invalid, "there is no rule %q for authors: any, local, domain and own are", word)
}

// Names knows whose addresses are whose. directory.Directory implements it.
type Names interface {
	// IsLocal reports whether a domain is served here.
	IsLocal(ctx context.Context, domain string) (bool, error)
	// MaySend reports whether an address is the account's, or one that leads to it.
	MaySend(ctx context.Context, id ident.AccountID, address string) (bool, error)
	// MaySendIn reports whether the account has an address in a domain.
	MaySendIn(ctx context.Context, id ident.AccountID, domain string) (bool, error)
}

// maxAuthors bounds how many addresses of a message are looked at. Who names more is refused, except where anybody may be named.
const maxAuthors = 50

// Message begins the check of a message's authors; nil: nobody looks at them. from is the reverse-path, which is known to be the account's.
func (s *Sending) Message(from string) *AuthorCheck {
	rule := s.authors
	if rule == AuthorsDefault {
		rule = s.all.authors
	}
	if rule == AuthorsAny || s.all.names == nil {
		return nil
	}
	s.check = AuthorCheck{sending: s, rule: rule, from: from, header: s.check.header[:0]}
	return &s.check
}

// AuthorCheck looks at who is said to have written a message. It is not safe for concurrent use, and good for one message.
type AuthorCheck struct {
	sending *Sending
	rule    Authors
	from    string
	header  []byte
	done    bool // the header is complete
}

// Write takes the next bytes of the message; only its header is kept. It never fails.
func (c *AuthorCheck) Write(p []byte) (int, error) {
	if c.done {
		return len(p), nil
	}
	before := max(0, len(c.header)-3)
	c.header = append(c.header, p...)
	if at := headerEnd(c.header, before); at >= 0 {
		c.header, c.done = c.header[:at], true
	}
	return len(p), nil
}

// headerEnd is where a header ends whose empty line isn't in the first bytes; -1: it goes on.
func headerEnd(b []byte, from int) int {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return 0
	}
	if at := bytes.Index(b[from:], []byte("\n\r\n")); at >= 0 {
		return from + at + 1
	}
	return -1
}

// keptHeader is how large a header's memory may be to be kept for the connection's next message, in bytes.
const keptHeader = 64 << 10

// Drop forgets the message.
func (c *AuthorCheck) Drop() {
	spoil.Bytes(c.header)
	if c.header = c.header[:0]; cap(c.header) > keptHeader {
		c.header = nil
	}
	c.from, c.done = "", true
}

// Verdict refuses a message whose authors aren't the account's to name. It has nothing else to say.
func (c *AuthorCheck) Verdict(ctx context.Context) (*delivery.Verdict, error) {
	defer c.Drop()
	h := message.ParseHeader(string(c.header))
	if !h.Whole() { // an author may stand where nobody has looked
		return nil, c.refuse("The header has too many fields")
	}
	seen := 0
	for _, name := range [...]string{"From", "Sender"} {
		named := false
		for _, value := range h.All(name) {
			n, err := c.field(ctx, name, value, &seen)
			if err != nil {
				return nil, err
			}
			named = named || n > 0
		}
		if !named && name == "From" && c.rule != AuthorsLocal { // nobody is impersonated by nobody
			return nil, c.refuse("A message needs an author (From)")
		}
	}
	return nil, nil
}

// field looks at one field, and tells how many addresses are in it. All are looked at, those of groups too (RFC 6854), and what only
// looks like one: readers differ in what they show.
func (c *AuthorCheck) field(ctx context.Context, name, value string, seen *int) (n int, err error) {
	var known []string
	look := func(local, host string) error {
		n++
		if slices.Contains(known, local+"@"+host) {
			return nil
		}
		known = append(known, local+"@"+host)
		if *seen++; *seen > maxAuthors {
			return c.refuse(fmt.Sprintf("More than %d authors", maxAuthors))
		}
		return c.address(ctx, name, local, host)
	}
	var loose strings.Builder
	loose.WriteString(visible(value))
	all := message.ParseAddresses(value)
	if message.TooManyAddresses(all) {
		return 0, c.refuse(fmt.Sprintf("More than %d authors", maxAuthors))
	}
	for _, a := range all {
		switch {
		case a.Group != message.NoGroup:
		case a.Host != "":
			if err := look(a.Mailbox, a.Host); err != nil {
				return n, err
			}
		default: // readers that decode words first may find an address in them
			for _, text := range [...]string{a.Name, a.Mailbox} {
				loose.WriteByte(' ')
				loose.WriteString(message.DecodeWords(text))
			}
		}
	}
	for word := range strings.FieldsFuncSeq(loose.String(), parts) {
		if at := strings.LastIndexByte(word, '@'); at > 0 && at < len(word)-1 {
			if err := look(word[:at], word[at+1:]); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// parts reports whether addresses end at a character.
func parts(r rune) bool {
	return strings.ContainsRune(",;:<>", r) || unicode.IsSpace(r) || unicode.IsControl(r)
}

// visible is a field without quoted names and comments, which nobody takes for an address. What isn't closed people see to its end.
func visible(value string) string {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"', '(':
			end := skip(value, i)
			if end < 0 {
				b.WriteString(value[i:])
				return b.String()
			}
			i = end
		default:
			b.WriteByte(value[i])
		}
	}
	return b.String()
}

// skip is where a quoted string or a comment ends that begins at i; comments within comments count. -1: it isn't closed.
func skip(s string, i int) int {
	quoted, depth := s[i] == '"', 0
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quoted && c == '"', !quoted && c == ')' && depth == 0:
			return i
		case !quoted && c == '(':
			depth++
		case !quoted && c == ')':
			depth--
		}
	}
	return -1
}

// address looks at one of the addresses.
func (c *AuthorCheck) address(ctx context.Context, field, local, host string) error {
	if len(local)+1+len(host) == len(c.from) && local+"@"+host == c.from {
		return nil
	}
	may, err := c.may(ctx, local, host)
	if err != nil || may {
		return err
	}
	return c.refuse("You may not write as " + local + "@" + host + " (in " + field + "): it isn't an address of yours")
}

// may reports whether the rule allows an address.
func (c *AuthorCheck) may(ctx context.Context, local, host string) (bool, error) {
	names, id := c.sending.all.names, c.sending.who.Account
	domain, err := directory.ParseDomain(strings.TrimRight(host, "."))
	if err != nil {
		domain, err = directory.ParseDomain(strings.TrimRight(asShown(host), "."))
	}
	if err != nil { // of nobody here
		return c.rule == AuthorsLocal, nil
	}
	switch c.rule {
	case AuthorsDomain:
		return names.MaySendIn(ctx, id, domain)
	case AuthorsLocal:
		if ours, err := names.IsLocal(ctx, domain); err != nil || !ours {
			return err == nil, err
		}
	}
	return names.MaySend(ctx, id, directory.Address{Local: local, Domain: domain}.String())
}

// asShown is what a lenient reader may make of a host that is none: it decodes words, and leaves out what can't be in a name.
func asShown(host string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.L, unicode.M, unicode.N) || strings.ContainsRune("-._。．｡", r) {
			return r
		}
		return -1
	}, message.DecodeWords(host))
}

// refuse makes the refusal (RFC 6409 §6.1: 5.7.1 is for what site policy forbids).
func (c *AuthorCheck) refuse(text string) error {
	c.sending.all.refusedAuthor.Add(1)
	return Refuse(Refusal{Reason: Author, Code: 550, Status: "5.7.1", Text: text})
}

func authorsKey(a ident.AccountID) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyAuthors}, uint64(a))
}

// readAuthors is an account's own rule.
func readAuthors(r kv.Reader, id ident.AccountID) (Authors, error) {
	v, ok, err := r.Get(authorsKey(id))
	if err != nil || !ok {
		return AuthorsDefault, err
	}
	if len(v) != 2 || v[0] != 1 || Authors(v[1]) >= authorRules {
		return AuthorsDefault, fault.New(fault.Corrupt, "whom an account may name as author")
	}
	return Authors(v[1]), nil
}

// Authors is an account's own rule, and the one that holds for it.
func (a *Accounts) Authors(ctx context.Context, id ident.AccountID) (own, holds Authors, err error) {
	err = a.db.View(ctx, AccountPartition, func(r kv.Reader) error {
		own, err = readAuthors(r, id)
		return err
	})
	if holds = own; own == AuthorsDefault {
		holds = a.authors
	}
	return own, holds, err
}

// SetAuthors gives an account a rule of its own; AuthorsDefault takes it away. It holds from the account's next message on.
func (a *Accounts) SetAuthors(ctx context.Context, id ident.AccountID, rule Authors) error {
	return a.db.Update(ctx, AccountPartition, func(tx kv.Tx) error {
		if rule == AuthorsDefault {
			return tx.Delete(authorsKey(id))
		}
		return tx.Set(authorsKey(id), []byte{1, byte(rule)})
	})
}
