package junk

import (
	"cmp"
	"container/list"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/junk/model"
	"postroad/internal/service/junk/signs"
)

// mind is what an account knows. It is immutable.
type mind struct {
	head    head
	delta   *model.Delta // nil: it has learned nothing
	known   []string     // addresses that it has written to, ascending
	names   []person     // of them, ascending
	domains []string     // that they are of, as signs.Registered has them
	senders []opinion    // ascending
	text    int          // bytes of known and names
}

// person is a name, as signs.NameKey has it, and an address that goes with it.
type person struct{ name, address string }

func (p person) compare(q person) int {
	return cmp.Or(cmp.Compare(p.name, q.name), cmp.Compare(p.address, q.address))
}

// knows reports whether the account has written to an address, whatever its case.
func (m *mind) knows(mailboxPart, host []byte) bool {
	if len(m.known) == 0 || len(mailboxPart)+len(host) > mostAddress {
		return false
	}
	var room [96]byte
	a := appendAddress(room[:0], mailboxPart, host)
	_, ok := slices.BinarySearchFunc(m.known, a, func(k string, a []byte) int { return cmp.Compare(k, string(a)) })
	return ok
}

// called returns the addresses of those who have a name.
func (m *mind) called(name string) (addresses []string) {
	i, _ := slices.BinarySearchFunc(m.names, person{name: name}, person.compare)
	for ; i < len(m.names) && m.names[i].name == name; i++ {
		addresses = append(addresses, m.names[i].address)
	}
	return addresses
}

// mostAddress is the longest address that is remembered, in bytes.
const mostAddress = 320

// appendAddress appends an address in lower case.
func appendAddress(b, mailboxPart, host []byte) []byte {
	return appendLower(append(appendLower(b, mailboxPart), '@'), host)
}

func appendLower(b, s []byte) []byte {
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// weight is about how many bytes of memory it takes.
func (m *mind) weight() int {
	w := 256 + m.text + 16*cap(m.known) + 32*cap(m.names) + 32*len(m.domains) + 16*cap(m.senders)
	if m.delta != nil {
		w += deltaWeight
	}
	return w
}

// deltaWeight is what a delta takes at most, in memory.
const deltaWeight = model.MaxEncoded

// readMind reads what an account knows.
func readMind(r mailbox.SideReader) (*mind, error) {
	m := &mind{}
	value, ok, err := r.Get([]byte{keyHead})
	if err != nil || !ok {
		return m, err
	}
	if m.head, err = decodeHead(value); err != nil {
		return m, err
	}
	if value, ok, err = r.Get([]byte{keyDelta}); err != nil {
		return m, err
	}
	if ok {
		// What the version before has learned is of use, and is learned again, as is what nobody can read: see renew.go.
		if m.delta, err = model.Decode(value); err != nil {
			m.delta = model.Lost()
		}
	}
	if err := m.readSenders(r); err != nil {
		return m, err
	}
	return m, m.readKnown(r)
}

// mostDomains is how many domains names are compared with.
const mostDomains = 500

func (m *mind) readKnown(r mailbox.SideReader) error {
	domains := map[string]bool{}
	err := r.Scan([]byte{keyKnown}, func(key, value []byte) error {
		address := string(key[1:])
		m.known = append(m.known, address)
		m.text += len(address)
		if a := decodeAcquaintance(value); a.name != "" {
			m.names = append(m.names, person{a.name, address})
			m.text += len(a.name)
		}
		if d := signs.Registered(address[strings.LastIndexByte(address, '@')+1:]); len(domains) < mostDomains {
			domains[d] = true
		}
		return nil
	})
	m.known, m.domains = slices.Clip(m.known), slices.Sorted(maps.Keys(domains))
	slices.SortFunc(m.names, person.compare)
	m.names = slices.Clip(m.names)
	return err
}

// minds are those of accounts that had to do with mail lately, within a bound: a delivery to one of them reads nothing.
type minds struct {
	most int // bytes

	mu     sync.Mutex
	of     map[ident.AccountID]*list.Element // guarded by mu
	lately *list.List                        // guarded by mu; of *remembered, the latest in front
	bytes  int                               // guarded by mu
}

type remembered struct {
	id     ident.AccountID
	mind   *mind
	weight int
}

func newMinds(most int) *minds {
	return &minds{most: most, of: map[ident.AccountID]*list.Element{}, lately: list.New()}
}

func (c *minds) get(id ident.AccountID) *mind {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.of[id]
	if e == nil {
		return nil
	}
	c.lately.MoveToFront(e)
	return e.Value.(*remembered).mind
}

// put remembers a mind, unless a newer one is there.
func (c *minds) put(id ident.AccountID, m *mind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.of[id]; e != nil {
		old := e.Value.(*remembered)
		if old.mind.head.revision > m.head.revision {
			return
		}
		c.drop(e)
	}
	r := &remembered{id, m, m.weight()}
	c.of[id] = c.lately.PushFront(r)
	c.bytes += r.weight
	for c.bytes > c.most && c.lately.Len() > 1 {
		c.drop(c.lately.Back())
	}
}

// drop removes an element. c.mu is held.
func (c *minds) drop(e *list.Element) {
	r := c.lately.Remove(e).(*remembered)
	delete(c.of, r.id)
	c.bytes -= r.weight
}

// mind returns what an account knows.
func (s *Service) mind(ctx context.Context, box *mailbox.Session) (*mind, error) {
	if m := s.minds.get(box.Account()); m != nil {
		return m, nil
	}
	m, err := s.read(ctx, box)
	if err == nil {
		s.minds.put(box.Account(), m)
	}
	return m, err
}

// read reads it from the store.
func (s *Service) read(ctx context.Context, box *mailbox.Session) (m *mind, err error) {
	err = box.ReadSide(ctx, mailbox.JunkSide, func(r mailbox.SideReader) error {
		m, err = readMind(r)
		return err
	})
	return m, err
}
