package imap

import (
	"context"
	"slices"
	"strconv"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// selected is the folder that a session has selected, as its client knows it.
type selected struct {
	mail     *mailbox.Session // on the account that the folder is in
	id       mailbox.FolderID
	path     string
	readOnly bool
	// shown is what the client has been told: message n is its row n-1.
	shown *mailbox.View
	use   mailbox.Shown // keeps it in memory
	// recent are the UIDs that are \Recent in this session (RFC 3501 §2.3.2); always none with IMAP4rev2.
	recent numSet
	// claimed is up to where messages have been looked at for being recent.
	claimed mailbox.UID
	// keywords is how many keywords the client has been told of in FLAGS.
	keywords int
	// told are these keywords in a folder of somebody else, of whose keywords the client learns only those in the folder.
	told []string
	// contexts are searches whose results the client is kept informed about (RFC 5267 §4.3).
	contexts []*searchContext
	// resets is up to where keys for URLs that were made anew have been told.
	resets uint64
}

// isRecent reports whether a message is shown as \Recent.
func (sel *selected) isRecent(r *mailbox.Row) bool {
	return len(sel.recent) > 0 && sel.recent.contains(uint32(r.UID))
}

// anyRecent reports whether one of the rows at these places was shown as \Recent.
func (sel *selected) anyRecent(v *mailbox.View, places []int) bool {
	return len(sel.recent) > 0 && slices.ContainsFunc(places, func(i int) bool { return sel.isRecent(v.At(i)) })
}

// selected reports whether a folder is the selected one.
func (s *session) selected(b *box) bool { return s.sel != nil && b.is(s.sel.mail, s.sel.id) }

// deselect leaves the selected folder.
func (s *session) deselect() {
	if s.sel != nil {
		s.sel.use.End()
	}
	s.sel, s.saved = nil, nil
}

// sync tells the client what is new in the selected folder, up to the newest view. If removals may not be
// told now and there are any, nothing is told: numbers must stay what they are.
func (s *session) sync(ctx context.Context, mayExpunge bool) error {
	newest, err := s.sel.mail.View(ctx, s.sel.id)
	if err != nil {
		return s.lostFolder(err)
	}
	if s.quiet() && !s.removed {
		return nil
	}
	before := s.sel.recent.max()
	if newest, err = s.claimRecent(ctx, newest); err != nil {
		return s.lostFolder(err)
	}
	if newest == s.sel.shown && before != s.sel.recent.max() {
		s.tellRecent() // EXISTS was told in another way
	}
	s.held = !s.tell(ctx, newest, mayExpunge, nil)
	return nil
}

// lostFolder ends the session if the selected folder is there no more, or not for this client:
// there is no other way to tell it (RFC 2180 §3.3).
func (s *session) lostFolder(err error) error {
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Denied) {
		s.deselect()
		s.remark("BYE", "", "the selected mailbox is gone")
		s.ended = true
		return nil
	}
	return err
}

// tell makes newest the view that the client knows, but for changed messages that told says it knows
// already (i is a message's place in the view known so far). It reports false, and does nothing, if that would need an EXPUNGE that may not be sent.
func (s *session) tell(ctx context.Context, newest *mailbox.View, mayExpunge bool, told func(i int, old, new *mailbox.Row) bool) bool {
	old := s.sel.shown
	if old == newest || s.quiet() && !s.removed {
		return true
	}
	d := mailbox.Compare(old, newest)
	if len(d.Removed) > 0 && !mayExpunge {
		return false
	}
	s.forget(old, d.Removed)
	s.tellRemoved(old, d.Removed)
	s.sel.shown = newest
	if d.Added < newest.Len() {
		s.out.number(newest.Len(), "EXISTS")
	}
	if d.Added < newest.Len() || s.sel.anyRecent(old, d.Removed) { // RFC 3501 §7.3.2: whenever the mailbox's size changes
		s.tellRecent()
	}
	if len(d.Changed) > 0 || d.Added < newest.Len() {
		s.tellKeywords(newest)
	}
	before, now := mailbox.Finder{View: old}, mailbox.Finder{View: newest}
	for _, i := range d.Changed {
		s.tellChanged(&before, i, now.At(i), told)
	}
	if err := s.tellNewMessages(ctx, d.Added); err != nil {
		s.log.Error("imap: news of new messages", "login", s.who.Login, "error", err)
	}
	s.updateContexts(ctx, d)
	return true
}

// tellRemoved tells which messages of the view known so far are gone.
func (s *session) tellRemoved(old *mailbox.View, places []int) {
	if len(places) == 0 {
		return
	}
	s.removed = true
	if s.qresync || s.uidOnly { // RFC 7162 §3.2.10, RFC 9586 §3.6
		var gone numSet
		for _, i := range places {
			gone = gone.add(uint32(old.At(i).UID))
		}
		s.out.set(append(gone.appendTo(append(s.out.buf(), "* VANISHED "...)), crlf...))
		return
	}
	for _, i := range slices.Backward(places) { // from the end, so that the numbers of the others stay
		s.out.number(i+1, "EXPUNGE")
		s.out.sized()
	}
}

// appendFetch begins a FETCH response for message n, or what takes its place with UIDONLY.
func (s *session) appendFetch(dst []byte, n int, r *mailbox.Row) []byte {
	dst = append(dst, "* "...)
	if s.uidOnly { // RFC 9586 §3.3
		return append(appendUint(dst, r.UID), " UIDFETCH ("...)
	}
	return append(strconv.AppendInt(dst, int64(n), 10), " FETCH ("...)
}

// tellChanged sends message i's new flags, unless the client knows them.
func (s *session) tellChanged(before *mailbox.Finder, i int, row *mailbox.Row, told func(i int, old, new *mailbox.Row) bool) {
	if s.flagsQuiet() {
		return
	}
	if told != nil {
		if j, old := before.Find(row.UID); old != nil && told(j, old, row) {
			return
		}
	}
	s.out.set(s.appendNews(s.out.buf(), i+1, row))
	s.out.sized()
}

// appendNews writes an unsolicited FETCH with a message's flags.
func (s *session) appendNews(dst []byte, n int, r *mailbox.Row) []byte {
	dst = s.appendFetch(dst, n, r)
	if (s.byUID || s.rev2 || s.condstore || s.notify != nil) && !s.uidOnly { // RFC 5465 §5.1, and others
		dst = append(appendUint(append(dst, "UID "...), r.UID), ' ')
	}
	dst = appendFlags(append(dst, "FLAGS "...), r, s.sel.isRecent(r))
	if s.condstore { // RFC 7162 §3.1.4: in every FETCH from now on
		dst = append(appendUint(append(dst, " MODSEQ ("...), r.ModSeq()), ')')
	}
	return append(dst, ")\r\n"...)
}

// claimRecent makes messages that nobody has been shown yet \Recent for this session. It returns a view
// that has all that was claimed.
func (s *session) claimRecent(ctx context.Context, v *mailbox.View) (*mailbox.View, error) {
	if s.rev2 || s.sel.claimed >= v.Folder().UIDNext {
		return v, nil
	}
	first, next, err := s.claim(ctx, v)
	if err != nil {
		return nil, err
	}
	return s.showRecent(ctx, first, next)
}

// claim claims the messages from first up to, but without, next. A mailbox that is open for looking has them, and claims nothing.
func (s *session) claim(ctx context.Context, v *mailbox.View) (first, next mailbox.UID, err error) {
	if s.sel.readOnly {
		return unclaimed(ctx, s.sel.mail, v.Folder())
	}
	return s.sel.mail.ClaimRecent(ctx, s.sel.id)
}

// showRecent takes the newest view, in which what was claimed is \Recent. What has come since the claim may be in the view as
// well, and be claimed by another session.
func (s *session) showRecent(ctx context.Context, first, next mailbox.UID) (*mailbox.View, error) {
	v, err := s.sel.mail.View(ctx, s.sel.id)
	if err != nil {
		return nil, err
	}
	s.sel.claimed = next // what has come since is claimed when the client is told next
	if first < next {
		s.sel.recent = append(s.sel.recent, numRange{uint32(first), uint32(next - 1)}).join()
	}
	return v, nil
}

// unclaimed are the UIDs that no session has claimed as recent yet, from first up to, but without, next.
func unclaimed(ctx context.Context, mail *mailbox.Session, f *mailbox.Folder) (first, next mailbox.UID, err error) {
	if f.FirstRecent() >= f.UIDNext {
		return f.FirstRecent(), f.UIDNext, nil
	}
	// A claim shows in the published folder only once a later change is durable. A change of nothing
	// tells how the folder is now.
	now, err := mail.UpdateFolder(ctx, f.ID, mailbox.FolderPatch{})
	return now.FirstRecent(), now.UIDNext, err
}

// enableCondstore: RFC 7162 §3.1. A client that enables CONDSTORE with a mailbox selected is told where it stands.
func (s *session) enableCondstore() {
	if s.condstore {
		return
	}
	s.condstore = true
	if s.sel != nil {
		s.remarkNumber("HIGHESTMODSEQ", uint64(s.sel.shown.HighestModSeq()), "last change")
	}
}

// tellRecent sends RECENT, which IMAP4rev2 hasn't.
func (s *session) tellRecent() {
	if s.rev2 {
		return
	}
	n := 0
	for _, r := range s.sel.recent {
		lo, _ := s.sel.shown.Find(mailbox.UID(r.lo))
		hi, ok := s.sel.shown.Find(mailbox.UID(r.hi))
		if ok {
			hi++
		}
		n += hi - lo
	}
	s.out.number(n, "RECENT")
}

// tellKeywords sends FLAGS and PERMANENTFLAGS if there are new keywords on the messages of a view, which is about to be shown.
func (s *session) tellKeywords(v *mailbox.View) {
	var names []string
	if s.foreign(s.sel.mail) {
		if names = s.sel.learn(s.sel.mail.KeywordsOf(v)); names == nil {
			return
		}
	} else if names = s.sel.mail.FolderKeywords(s.sel.id); len(names) == s.sel.keywords { // one's own are never forgotten
		return
	}
	s.sel.keywords = len(names)
	const system = `\Answered \Flagged \Deleted \Seen \Draft`
	b := append(s.out.buf(), "* FLAGS ("+system...)
	for _, k := range names {
		b = append(append(b, ' '), k...)
	}
	b = append(b, ")\r\n"...)
	if s.sel.readOnly {
		s.out.set(b)
		s.remark("OK", "PERMANENTFLAGS ()", "no flag can be changed")
		return
	}
	b = s.appendPermanent(append(b, "* OK [PERMANENTFLAGS ("...), names)
	s.out.set(append(append(append(b, ")] "...), s.say("these flags are kept")...), crlf...))
}

// learn adds to the keywords that the client has been told of. nil: it knows them all.
func (sel *selected) learn(names []string) []string {
	fresh := sel.keywords < 0
	for _, n := range names {
		if !slices.Contains(sel.told, n) {
			sel.told, fresh = append(sel.told, n), true
		}
	}
	if !fresh {
		return nil
	}
	return append([]string{}, sel.told...)
}

// appendPermanent lists the flags that the client may change (RFC 4314 §5.1.1).
func (s *session) appendPermanent(b []byte, keywords []string) []byte {
	may := s.sel.mail.Rights(s.sel.id)
	start := len(b)
	for _, f := range flagNames {
		need := mailbox.RightWrite
		switch f.flag {
		case mailbox.Deleted:
			need = mailbox.RightTrash
		case mailbox.Seen:
			need = mailbox.RightSeen
		}
		if may&need != 0 {
			b = append(append(b, f.name...), ' ')
		}
	}
	if may&mailbox.RightWrite != 0 {
		for _, k := range keywords {
			b = append(append(b, k...), ' ')
		}
		b = append(b, `\* `...)
	}
	if len(b) > start {
		b = b[:len(b)-1]
	}
	return b
}

// fresh returns the newest view, for the content of rows whose numbers come from shown. It fails if the client may not read
// the folder any more: nothing that shown has may be told then.
func (s *session) fresh(ctx context.Context) (*mailbox.View, error) {
	v, err := s.sel.mail.View(ctx, s.sel.id)
	if fault.Is(err, fault.NotFound) && !s.foreign(s.sel.mail) {
		return s.sel.shown, nil // sync will tell
	}
	return v, err
}
