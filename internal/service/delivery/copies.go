package delivery

import (
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// place is where a copy goes: to an account, by its own name or as a member of a list.
type place struct {
	account ident.AccountID
	list    *listing
}

// copies are those of one message. The zero value has none.
type copies struct {
	all     []*copied
	room    [1]*copied        // for all
	byPlace map[place]*copied // once they are more than fewCopies
}

// fewCopies is how many are looked for one by one.
const fewCopies = 8

// at is the copy that goes to a place; nil: none does.
func (s *copies) at(p place) *copied {
	if s.byPlace != nil {
		return s.byPlace[p]
	}
	for _, c := range s.all {
		if c.place == p {
			return c
		}
	}
	return nil
}

func (s *copies) add(c *copied) {
	if s.all == nil {
		s.all = s.room[:0]
	}
	s.all = append(s.all, c)
	switch {
	case s.byPlace != nil:
		s.byPlace[c.place] = c
	case len(s.all) > fewCopies:
		s.byPlace = make(map[place]*copied, 2*len(s.all))
		for _, c := range s.all {
			s.byPlace[c.place] = c
		}
	}
}

// copied is one account's copy.
type copied struct {
	place   place
	session *mailbox.Session
	opinion Opinion
	size    int64               // of the message with what is in front of it
	pending []*mailbox.Pending  // one, or what the account's rules want
	one     [1]*mailbox.Pending // room for pending
	legs    []*leg              // where its rules send it
	folder  string
	fate    string // what the rules did, if no folder has it
	err     error
}
