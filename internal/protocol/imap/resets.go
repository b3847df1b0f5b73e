package imap

import (
	"sync"
	"sync/atomic"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Sessions of a user who have a mailbox selected hear when its key for URLs is another: RFC 4467 §7.

// urlReset is a RESETKEY: of one mailbox, or, without a folder, of all.
type urlReset struct {
	user, owner ident.AccountID
	folder      mailbox.FolderID
}

// keptResets is how many of the last ones are known by name. Who hasn't looked for longer is told in any case: it does no harm.
const keptResets = 64

// urlResets are those of a server. The zero value has none.
type urlResets struct {
	n    atomic.Uint64 // how many there were
	mu   sync.Mutex    // guards last
	last [keptResets]urlReset
}

// add notes a reset and returns its number, from 1.
func (r *urlResets) add(x urlReset) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.n.Load()
	r.last[n%keptResets] = x
	r.n.Store(n + 1)
	return n + 1
}

// touched reports whether a reset after the first seen ones was about a user's key for a mailbox, and how many there are now.
func (r *urlResets) touched(seen uint64, x urlReset) (yes bool, now uint64) {
	if now = r.n.Load(); now == seen {
		return false, now
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.n.Load()
	if now-seen > keptResets {
		return true, now
	}
	for i := seen; i < now; i++ {
		if l := r.last[i%keptResets]; l == x || l == (urlReset{user: x.user}) {
			return true, now
		}
	}
	return false, now
}

// resetsKeys notes that the session's user makes a new key for a mailbox, or has none any more. It is called before that is written, since
// the bell of the account that rings then has the others look. The session's own client learns of the first in another way.
func (s *session) resetsKeys(f *box) {
	x := urlReset{user: s.who.Account}
	if f != nil {
		x.owner, x.folder = f.mail.Account(), f.ID
	}
	if n := s.srv.resets.add(x); f != nil && s.sel != nil && s.sel.resets == n-1 {
		s.sel.resets = n
	}
}

// tellResets says that URLs of the selected mailbox want to be authorised anew.
func (s *session) tellResets() {
	yes, now := s.srv.resets.touched(s.sel.resets, urlReset{s.who.Account, s.sel.mail.Account(), s.sel.id})
	if s.sel.resets = now; yes {
		s.remark("OK", "URLMECH "+urlMechanism, "URLs want to be authorised anew") // RFC 4467 §8
	}
}
