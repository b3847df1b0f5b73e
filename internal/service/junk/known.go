package junk

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"postroad/internal/format/summary"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Contacts are people whom an account has in its address book.
type Contacts interface {
	// Has reports whether an address is among an account's contacts. It is asked for each message, and must not read the disk.
	Has(account ident.AccountID, mailbox, host []byte) bool
}

const (
	// mostKnown is how many addresses an account remembers to have written to.
	mostKnown = 5000
	// mostLabels is how many messages' labels it remembers.
	mostLabels = 20_000
)

var addressed = []summary.List{summary.To, summary.Cc, summary.Bcc}

// forgetOldest leaves three quarters of most records of a kind, if there are more than most.
func forgetOldest(tx mailbox.SideTx, kind byte, most int, day func([]byte) int64) error {
	type aged struct {
		key []byte
		day int64
	}
	var all []aged
	err := tx.Scan([]byte{kind}, func(key, value []byte) error {
		all = append(all, aged{bytes.Clone(key), day(value)})
		return nil
	})
	if err != nil || len(all) <= most {
		return err
	}
	slices.SortStableFunc(all, func(a, b aged) int { return cmp.Compare(a.day, b.day) })
	for _, a := range all[:len(all)-most/4*3] {
		if err := tx.Delete(a.key); err != nil {
			return err
		}
	}
	return nil
}

// written are the addresses that people have sent to lately, until their accounts are looked at. A crash may take them back.
type written struct {
	mu sync.Mutex
	to map[ident.AccountID][]string // guarded by mu
}

// mostWritten bounds those of one account that wait.
const mostWritten = 2000

func (w *written) add(id ident.AccountID, addresses []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to == nil {
		w.to = map[ident.AccountID][]string{}
	}
	if have := w.to[id]; len(have) < mostWritten {
		w.to[id] = append(have, addresses...)
	}
}

func (w *written) take(id ident.AccountID) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.to[id]
	delete(w.to, id)
	return got
}

// Wrote implements delivery.Judge. Whom the account knows already costs nothing more.
func (s *Service) Wrote(who ident.AccountID, to []string) {
	m := s.minds.get(who)
	var fresh []string
	for _, a := range to {
		at := strings.LastIndexByte(a, '@')
		if at > 0 && (m == nil || !m.knows([]byte(a[:at]), []byte(a[at+1:]))) {
			fresh = append(fresh, string(appendAddress(nil, []byte(a[:at]), []byte(a[at+1:]))))
		}
	}
	if len(fresh) > 0 {
		s.written.add(who, fresh[:min(len(fresh), mostWritten)])
		s.Acted(who)
	}
}

// Knows reports whether an account has written to an address, or has it among its contacts.
func (s *Service) Knows(ctx context.Context, box *mailbox.Session, mailboxPart, host string) (bool, error) {
	m, err := s.mind(ctx, box)
	if err != nil {
		return false, err
	}
	return s.knows(m, box.Account(), []byte(mailboxPart), []byte(host)), nil
}

func (s *Service) knows(m *mind, id ident.AccountID, mailboxPart, host []byte) bool {
	return m.knows(mailboxPart, host) || s.o.Contacts != nil && s.o.Contacts.Has(id, mailboxPart, host)
}
