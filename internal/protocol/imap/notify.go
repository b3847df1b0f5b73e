package imap

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// notifying is what a client wants to hear of, at any time (RFC 5465), and what it knows already.
type notifying struct {
	selected *eventGroup // of the selected mailbox; nil: nothing
	delayed  bool        // removals wait for a command that allows them
	groups   []eventGroup

	marks  []mark // up to where accounts have been looked at: the client's own, then those of others
	known  map[folderKey]watched
	order  []folderKey // of known, parents first
	lost   []string    // subscriptions without a folder
	server annotations // of the server

	groupsThen []ident.GroupID // the client's, when it was looked
}

// mark is up to where an account has been looked at.
type mark struct {
	account ident.AccountID
	change  mailbox.ModSeq
}

// folderKey names a folder among those of all accounts.
type folderKey struct {
	account ident.AccountID
	id      mailbox.FolderID
}

func (b *box) key() folderKey { return folderKey{b.mail.Account(), b.ID} }

// watched is a folder as the client knows it.
type watched struct {
	placed
	place    int         // in order
	metadata annotations // nil unless it is looked at
}

// on is what is to be told of a folder that isn't selected.
func (n *notifying) on(f *placed) (e events) {
	for i := range n.groups {
		if g := &n.groups[i]; g.covers(f) {
			e.messages = e.messages || g.messages
			e.flags = e.flags || g.flags
			e.names = e.names || g.names
			e.subs = e.subs || g.subs
			e.metadata = e.metadata || g.metadata
		}
	}
	return e
}

// position is how far the accounts are now that something is to be told of. An account that isn't there is nowhere.
func (n *notifying) position(ctx context.Context, s *session) ([]mark, error) {
	marks := []mark{{s.who.Account, s.mail.State().Change}}
	ids, err := n.accounts(ctx, s)
	for _, id := range ids {
		m := mark{account: id}
		mail, err := s.guest(ctx, id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		if err == nil {
			m.change = mail.State().Change
		}
		marks = append(marks, m)
	}
	return marks, err
}

// accounts are those of others that something is to be told of. The client acts with the groups that it is in now.
func (n *notifying) accounts(ctx context.Context, s *session) ([]ident.AccountID, error) {
	if !n.reaches() || s.srv.principals == nil {
		return nil, nil
	}
	if err := s.renewGroups(ctx); err != nil {
		return nil, err
	}
	return s.srv.store.Sharers(ctx, s.who)
}

// look notes how everything is now.
func (n *notifying) look(ctx context.Context, s *session) (err error) {
	if n.marks, err = n.position(ctx, s); err != nil {
		return err
	}
	before := n.known
	n.known, n.groupsThen = map[folderKey]watched{}, s.who.Groups
	boxes, err := s.boxesOf(ctx, n.filters())
	if err != nil {
		return err
	}
	for i := range boxes {
		w := watched{placed: boxes[i], place: i}
		if was := before[boxes[i].key()]; was.metadata != nil && was.Changed == w.Changed {
			w.metadata = was.metadata
		} else if n.on(&boxes[i]).metadata {
			if w.metadata, err = s.annotationsIfAny(ctx, &boxes[i].box); err != nil {
				return err
			}
		}
		n.known[boxes[i].key()] = w
		n.order = append(n.order, boxes[i].key())
	}
	if n.any(wantsSubs) {
		if n.lost, err = lostSubscriptions(ctx, s.mail); err != nil {
			return err
		}
	}
	if n.any(wantsServer) {
		n.server, err = s.annotations(ctx, nil)
	}
	return err
}

// annotationsIfAny is annotations, where those that may not be read aren't there.
func (s *session) annotationsIfAny(ctx context.Context, f *box) (annotations, error) {
	all, err := s.annotations(ctx, f)
	if fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) {
		return annotations{}, nil
	}
	return all, err
}

// introduce tells where the mailboxes stand, if that is asked for, and which may not be watched (RFC 5465 §3.1).
func (n *notifying) introduce(ctx context.Context, s *session, status bool) error {
	for _, key := range n.order {
		known := n.known[key]
		f := &known.placed
		e := n.on(f)
		switch {
		case !e.messages:
		case f.rights()&mailbox.RightRead == 0:
			b := s.appendName(append(s.out.buf(), `* LIST (\NoAccess) "/" `...), f.path)
			s.out.set(append(b, crlf...))
		case status && !s.selected(&f.box):
			items := []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY"}
			if e.flags {
				items = append(items, "HIGHESTMODSEQ")
			}
			if err := s.tellStatus(ctx, f, items...); err != nil {
				return err
			}
		}
		s.out.sized()
	}
	return nil
}

// tellStatus sends a STATUS response with some items. Telling HIGHESTMODSEQ here doesn't enable CONDSTORE.
func (s *session) tellStatus(ctx context.Context, f *placed, names ...string) error {
	was := s.condstore
	s.condstore = true
	defer func() { s.condstore = was }()
	var items []statusItem
	for _, name := range names {
		i := slices.IndexFunc(statusTable, func(it statusItem) bool { return it.name == name })
		items = append(items, statusTable[i])
	}
	return s.sendStatus(ctx, f.path, &f.box, items)
}

// notifyOthers tells what has happened to what isn't the selected mailbox's messages.
func (s *session) notifyOthers(ctx context.Context) error {
	n := s.watching()
	if n == nil || len(n.groups) == 0 {
		return nil
	}
	if done, err := n.glance(ctx, s); done || err != nil {
		return err
	}
	return n.lookAgain(ctx, s)
}

// watching is what the client wants to hear of, by NOTIFY or else by ENABLE METADATA; nil: nothing.
func (s *session) watching() *notifying {
	if s.notify != nil {
		return s.notify
	}
	return s.metadata
}

// lookAgain looks at everything, and tells what is new.
func (n *notifying) lookAgain(ctx context.Context, s *session) error {
	old := *n
	n.order = nil
	if err := n.look(ctx, s); err != nil {
		*n = old
		return err
	}
	for id, was := range old.known {
		if _, there := n.known[id]; !there {
			n.tellGone(s, &was)
		}
	}
	for _, key := range n.order {
		now := n.known[key]
		if err := n.tellFolder(ctx, s, &old, &now); err != nil {
			return err
		}
		s.out.sized()
	}
	n.tellLost(s, old.lost)
	if n.any(wantsServer) {
		s.tellAnnotations("", old.server, n.server)
	}
	return nil
}

// byItself reports whether a change of a mailbox's name or subscription is the doing of the command at hand, which needs no telling (RFC 5465 §5).
// What stands above has got or lost what is below it.
func (s *session) byItself(path string) bool {
	return s.side != nil && slices.ContainsFunc(s.side.doing, func(p string) bool { return p == path || strings.HasPrefix(p, path+string(separator)) })
}

// annotates reports whether the command at hand has set an annotation of a mailbox, or with "" of the server.
func (s *session) annotates(path, name string) bool {
	if s.side == nil || s.side.entries == nil || s.side.annotated != path {
		return false
	}
	_, set := s.side.entries[name]
	return set
}

// tellFolder tells what has happened to a folder.
func (n *notifying) tellFolder(ctx context.Context, s *session, old *notifying, now *watched) error {
	e := n.on(&now.placed)
	was, known := old.known[now.key()]
	switch {
	case s.byItself(now.path):
	case !known && e.names:
		s.tellMailbox(&now.placed, "")
		n.tellParent(s, now.path)
	case !known:
	case e.names && (was.Name != now.Name || was.Parent != now.Parent):
		s.tellMailbox(&now.placed, was.path) // RFC 5465 §5.4; those below it are not told of
	case e.subs && was.Subscribed != now.Subscribed:
		s.tellMailbox(&now.placed, "")
	}
	if e.metadata && known {
		s.tellAnnotations(now.path, was.metadata, now.metadata)
	}
	if !known {
		return nil
	}
	return n.tellMessages(ctx, s, &was.Folder, &now.placed)
}

// status lists what STATUS is to tell of a folder's messages (RFC 5465 §5.1 to §5.3).
func (e *events) status(was, now *mailbox.Folder, condstore bool) (items []string) {
	switch {
	case was.HighestModSeq == now.HighestModSeq:
		return nil
	case e.messages && (was.UIDNext != now.UIDNext || was.Items != now.Items):
		items = []string{"MESSAGES", "UIDNEXT"}
	case e.flags && (condstore || was.Unseen != now.Unseen):
		items = []string{"UIDVALIDITY"}
	default:
		return nil
	}
	if e.flags && was.Unseen != now.Unseen {
		items = append(items, "UNSEEN")
	}
	if condstore {
		items = append(items, "HIGHESTMODSEQ")
	}
	return items
}

// tellGone tells that a folder is there no more.
func (n *notifying) tellGone(s *session, was *watched) {
	if !n.on(&was.placed).names || s.byItself(was.path) {
		return
	}
	e := entry{path: was.path}
	b := e.appendAttributes(append(s.out.buf(), "* LIST ("...), false)
	b = s.appendName(append(b, `) "/" `...), was.path)
	s.out.set(append(b, crlf...))
	n.tellParent(s, was.path)
}

// tellParent tells of the mailbox above one that came or went (RFC 5465 §5.4).
func (n *notifying) tellParent(s *session, path string) {
	for _, w := range n.known {
		if w.path == parentPath(path) && n.on(&w.placed).names {
			s.tellMailbox(&w.placed, "")
		}
	}
}

// tellMailbox sends a LIST response with all attributes, and what the mailbox was called before.
func (s *session) tellMailbox(f *placed, was string) {
	e := entry{path: f.path, folder: &f.box, subscribed: f.Subscribed, foreign: f.foreign, children: s.hasChildren(&f.box)}
	b := e.appendAttributes(append(s.out.buf(), "* LIST ("...), true)
	b = s.appendName(append(b, `) "/" `...), f.path)
	if was != "" {
		b = append(s.appendName(append(b, ` ("OLDNAME" (`...), was), "))"...)
	}
	s.out.set(append(b, crlf...))
}

// knows reports whether there is a folder at a path.
func (n *notifying) knows(path string) bool {
	for _, w := range n.known {
		if w.path == path {
			return true
		}
	}
	return false
}

// tellLost tells of subscriptions to names without a folder.
func (n *notifying) tellLost(s *session, old []string) {
	tell := func(path string, subscribed bool) {
		f := placed{box: box{Folder: mailbox.Folder{Subscribed: true}}, path: path, foreign: inNamespace(path)}
		if n.knows(path) || !n.on(&f).subs || s.byItself(path) {
			return
		}
		e := entry{path: path, subscribed: subscribed}
		b := e.appendAttributes(append(s.out.buf(), "* LIST ("...), true)
		b = s.appendName(append(b, `) "/" `...), path)
		s.out.set(append(b, crlf...))
	}
	for _, path := range n.lost {
		if !slices.Contains(old, path) {
			tell(path, true)
		}
	}
	for _, path := range old {
		if !slices.Contains(n.lost, path) {
			tell(path, false)
		}
	}
}

// tellAnnotations names the annotations that are others now (RFC 5464 §4.4.2).
func (s *session) tellAnnotations(path string, was, now annotations) {
	var names []string
	for name, v := range now {
		if old, ok := was[name]; (!ok || !bytes.Equal(old, v)) && !s.annotates(path, name) {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, ok := now[name]; !ok && !s.annotates(path, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	b := append(s.appendName(append(s.out.buf(), "* METADATA "...), path), ' ')
	s.out.set(append(append(b, strings.Join(names, " ")...), crlf...))
}

// quiet reports whether the client doesn't want to hear of messages in the selected mailbox.
func (s *session) quiet() bool {
	return s.notify != nil && (s.notify.selected == nil || !s.notify.selected.messages)
}

// flagsQuiet reports whether it doesn't want to hear of flags.
func (s *session) flagsQuiet() bool {
	return s.notify != nil && (s.notify.selected == nil || !s.notify.selected.flags)
}

// tellNewMessages sends what the client wants to know of each message that is new in the selected mailbox, but for those
// that it has put there itself (RFC 5465 §5.2).
func (s *session) tellNewMessages(ctx context.Context, added int) error {
	if s.notify == nil || s.notify.selected == nil || len(s.notify.selected.news) == 0 {
		return nil
	}
	g := s.notify.selected
	f := &fetching{s: s, atts: g.news, records: g.newsRead, fresh: s.sel.shown}
	for i, r := range s.sel.shown.All(added, s.sel.shown.Len()) {
		if !s.own.contains(uint32(r.UID)) {
			f.msgs = append(f.msgs, span{i, i + 1})
		}
	}
	return f.run(ctx)
}
