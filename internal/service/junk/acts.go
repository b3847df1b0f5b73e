package junk

import (
	"context"
	"errors"
	"time"

	"postroad/internal/model/mailbox"
)

// What marks junk and good mail in the mail programs that there are, and in ours first (RFC 9051 §2.3.2 registers $Junk and $NotJunk).
var (
	junkWords = []string{"$Junk", "Junk"}
	goodWords = []string{"$NotJunk", "NonJunk", "NotJunk"}
)

func hasAny(k *mailbox.Keywords, words []string) bool {
	for _, w := range words {
		if k.Has(w) {
			return true
		}
	}
	return false
}

// happened is what the log says of an item since it was read last.
type happened struct {
	movedIn, added, flagged bool
	fromJunk                bool // it was in the folder for junk
	at                      time.Time
}

// state is what there is to know of an item when its label is decided.
type state struct {
	happened
	role               mailbox.Role // of the folder that it is in
	answered, seen     bool
	junkWord, goodWord bool
	had                label // given before
	copied             bool  // it is a copy of another item, not one that came
	cleared            bool  // something has left the folder for junk, or is about to
}

// decide says which label a person has given an item, and how; unlabelled: none that is new.
//
// Who put a message where counts only if it moved: deliveries are ours, and marked with $Junk where they go to the junk. Of the words,
// the newer decides, which is the one that says something else than what was believed before.
func decide(s state) (label, act) {
	believed := s.had
	if believed == unlabelled && s.role == mailbox.Junk && s.junkWord && !s.movedIn {
		believed = labelJunk // we put it there
	}
	l, how := s.wanted(believed)
	if l == s.had || l == believed && l == labelJunk {
		return unlabelled, 0
	}
	return l, how
}

// arrived reports whether we have put an item into the junk, and nobody has done anything with it since. There are many such, and they teach
// nothing.
func (s *state) arrived() bool {
	return s.role == mailbox.Junk && s.junkWord && !s.movedIn && !s.flagged
}

// unmarked reports whether an item whose label is known already lacks its keyword where it is now, or has the other's: it was moved on before
// they could be set, and has come back.
func (s *state) unmarked() bool {
	if !s.movedIn {
		return false
	}
	if s.role == mailbox.Junk {
		return s.had == labelJunk && (!s.junkWord || s.goodWord)
	}
	return s.had == labelGood && s.fromJunk && (!s.goodWord || s.junkWord)
}

func (s *state) wanted(believed label) (label, act) {
	aside := s.role == mailbox.Trash || s.role == mailbox.Drafts || s.role == mailbox.Sent
	switch {
	case aside:
		return unlabelled, 0
	case s.movedIn && s.role == mailbox.Junk:
		return labelJunk, moved
	case s.movedIn && s.fromJunk:
		return labelGood, moved
	case s.added && s.role == mailbox.Junk && !s.junkWord:
		return labelJunk, moved
	case s.added && s.role != mailbox.Junk && s.copied && s.junkWord && s.cleared:
		return labelGood, moved // COPY and EXPUNGE, as programs do that don't know MOVE
	}
	if s.flagged || s.movedIn && s.had == unlabelled {
		if l := s.words(believed); l != unlabelled && l != believed {
			return l, marked
		}
	}
	switch {
	case s.role == mailbox.Junk || believed != unlabelled:
	case s.flagged && s.answered:
		return labelGood, replied
	case s.movedIn && s.seen && s.role != mailbox.Inbox:
		return labelGood, filed
	}
	return unlabelled, 0
}

// words is what the keywords say.
func (s *state) words(believed label) label {
	switch {
	case s.junkWord && s.goodWord && believed == labelJunk, s.goodWord && !s.junkWord:
		return labelGood
	case s.junkWord && s.goodWord && believed == labelGood, s.junkWord && !s.goodWord:
		return labelJunk
	}
	return unlabelled
}

// Limits of one look into the log.
const (
	mostItems  = 2000 // whose changes are looked at
	mostCopies = 500  // of what was put where copies of junk may be
	mostSent   = 500  // sent messages whose recipients are looked at
)

// news is what the log has.
type news struct {
	upTo    mailbox.ModSeq
	more    bool // the log goes on
	items   map[mailbox.ItemID]*happened
	order   []mailbox.ItemID // of items
	copies  []mailbox.ItemID // added elsewhere; they count if cleared
	sent    []mailbox.ItemID
	cleared bool
	old     bool // nobody marked what came into the junk
	shown   map[mailbox.FolderID]*glance
	passed  int // changes of flags that teach nothing
}

var errEnough = errors.New("enough")

// readNews reads the log from behind a number; old: as in learn.
func readNews(ctx context.Context, box *mailbox.Session, after mailbox.ModSeq, old bool) (*news, error) {
	n := &news{upTo: after, old: old, items: map[mailbox.ItemID]*happened{}}
	roles := map[mailbox.FolderID]mailbox.Role{}
	folders := box.Folders()
	for _, f := range folders {
		roles[f.ID] = f.Role
	}
	n.shown = glances(box, folders, after)
	err := box.Log(ctx, after, func(c mailbox.Change) error {
		moves := c.Op == mailbox.ItemMovedOut || c.Op == mailbox.ItemMovedIn
		if (len(n.items) >= mostItems || n.passed >= mostPassed) && !moves { // what moves is told in two entries, which belong together
			n.more = true
			return errEnough
		}
		n.upTo = c.Seq
		n.add(&c, roles[c.Folder])
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return n, err
}

func (n *news) add(c *mailbox.Change, role mailbox.Role) {
	switch c.Op {
	case mailbox.ItemMovedIn:
		n.item(c).movedIn = true
	case mailbox.ItemMovedOut:
		if role == mailbox.Junk {
			n.item(c).fromJunk = true
			n.cleared = true
		}
	case mailbox.ItemRemoved:
		n.cleared = n.cleared || role == mailbox.Junk
	case mailbox.ItemFlagged:
		n.cleared = n.cleared || role == mailbox.Junk
		if n.items[c.Item] == nil && n.shown[c.Folder].teachesNothing(c) {
			n.passed++
			return
		}
		n.item(c).flagged = true
	case mailbox.ItemAdded:
		switch role {
		case mailbox.Junk:
			if !n.old { // else it may be a delivery
				n.item(c).added = true
			}
		case mailbox.Sent:
			if n.sent = append(n.sent, c.Item); len(n.sent) > mostSent {
				n.sent = n.sent[1:]
			}
		case mailbox.Trash, mailbox.Drafts:
		default:
			if n.copies = append(n.copies, c.Item); len(n.copies) > mostCopies {
				n.copies = n.copies[1:]
			}
		}
	}
}

func (n *news) item(c *mailbox.Change) *happened {
	h := n.items[c.Item]
	if h == nil {
		h = &happened{}
		n.items[c.Item] = h
		n.order = append(n.order, c.Item)
	}
	h.at = c.At
	return h
}

// looked are the items that have to be looked at.
func (n *news) looked() []mailbox.ItemID {
	if n.cleared {
		for _, id := range n.copies {
			if n.items[id] == nil {
				n.items[id] = &happened{}
				n.order = append(n.order, id)
			}
			n.items[id].added = true
		}
	}
	return n.order
}
