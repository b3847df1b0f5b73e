package move

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/imapclient"
	"postroad/internal/service/maildrop"
)

// IMAP says which mail of another server is brought. Connect and Account are needed.
type IMAP struct {
	// Connect gives a connection that is signed in. It is asked again when one breaks, but not if it fails the first time.
	Connect func(ctx context.Context) (*imapclient.Client, error)
	// Account names the account there, in the same words each time: it goes into SourceIDs.
	Account string
	// Have are messages that have been brought before, and are not asked for.
	Have Brought
	// UpdateFlags has the flags told that those have now.
	UpdateFlags bool
	// Only and Exclude name folders, as they are called there, with "/" between levels; those below them
	// are meant, too. No Only means all.
	Only, Exclude []string
	// UniqueIDs says how the server makes unique IDs of POP3; "": they don't come along.
	UniqueIDs maildrop.IDFormat
	// Pause waits before a connection is tried again; nil: for so long. An error ends it all.
	Pause func(ctx context.Context, d time.Duration) error
	// Progress hears of each message: the folder, how many of its messages are dealt with, and how many it has; nil: nobody.
	Progress func(folder string, n, of int)
	// Warn is told what was left out; nil: nobody is.
	Warn func(text string)
	// LeftOut hears of each message that is there and didn't come; nil: nobody.
	LeftOut func()
	// Skipped hears, folder by folder, how many messages were not asked for, as they are in Have; nil: nobody. With UpdateFlags
	// there are none.
	Skipped func(n int)
}

const (
	// imapBatch is how many messages are asked for at once.
	imapBatch = 200
	// imapTries is how often a connection is tried in a row, without a message having come.
	imapTries = 6
	// signInTries is how often a server may refuse the password that it took before: some do so when there is too much to do.
	signInTries = 3
	// doubtAfter is after how many of these messages are asked for one by one; and where the connection breaks doubtTries times at one
	// of them, that is left out.
	doubtAfter, doubtTries = 2, 2
	// longestPause bounds what a server may want us to wait.
	longestPause = 10 * time.Minute
)

// FromIMAP gives the messages of an account on another server, folder by folder. Folders with a role (RFC 6154) get the name by
// which Import knows it. Folders of other people are left out, and so are those that show messages of others again (\All, \Flagged,
// \Important); but of Gmail's "All mail" those come that are in no other folder. A broken connection is made
// again. Messages that the server can't give are told to Warn.
func FromIMAP(o IMAP) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		f := &imapSource{IMAP: o, yield: yield, gmail: map[uint64]bool{}}
		defer f.drop()
		return f.all(ctx)
	}
}

// imapSource brings one account.
type imapSource struct {
	IMAP
	yield  func(*Message) error
	c      *imapclient.Client // nil: not connected
	met    bool               // a connection held once: its address and password are right
	tries  int                // that failed in a row
	gmail  map[uint64]bool    // messages that had been in a folder before
	folder *imapFolder        // that is being brought

	uids    []uint32 // of the folder
	there   []uint32 // of it, brought before, of which the flags are asked for
	skipped int      // of it, brought before, of which nothing is asked
	done    map[uint32]bool
	broke   map[uint32]int // how often the connection broke where a message alone was asked for
	mailbox MailboxID
	known   bool // mailbox is for ever

	validity uint32 // the folder's UIDVALIDITY
}

// imapFolder is a mailbox there and its folder here.
type imapFolder struct {
	name string
	path []string
	all  bool // Gmail's "All mail"
	none bool // it holds no messages
	of   int  // how many messages it has
}

// fatal is an error that no new connection mends.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

func (s *imapSource) drop() {
	if s.c != nil {
		s.c.Close()
		s.c = nil
	}
}

// persist runs step, on new connections until one holds.
func (s *imapSource) persist(ctx context.Context, step func(ctx context.Context) error) error {
	for {
		err := s.connect(ctx)
		if err == nil {
			err = step(ctx)
		}
		if f := (fatal{}); errors.As(err, &f) {
			return f.error
		}
		if err == nil || !s.mayMend(err) {
			return err
		}
		s.drop()
		if s.tries++; s.tries >= imapTries {
			return err
		}
		pause := s.pauseAfter(err)
		s.warn("%v; trying again in %v", err, pause)
		if err := s.pause(ctx, pause); err != nil {
			return err
		}
	}
}

// mayMend reports whether an error may be gone with another connection, some time later.
func (s *imapSource) mayMend(err error) bool {
	_, busy := imapclient.IsBusy(err)
	switch {
	case !s.met:
		return false
	case busy:
		return true
	case fault.Is(err, fault.Unauthenticated):
		return s.tries < signInTries
	case fault.Is(err, fault.Denied): // too many connections, for instance: the one that broke may be there still
		return !imapclient.IsRefusal(err)
	}
	return isBreak(err)
}

// isBreak reports whether an error is that of a connection.
func isBreak(err error) bool {
	return fault.Is(err, fault.Unavailable) && !imapclient.IsRefusal(err) && !errors.As(err, &fatal{})
}

// pauseAfter is how long to wait after an error: longer each time, and as long as the server wants.
func (s *imapSource) pauseAfter(err error) time.Duration {
	wait, _ := imapclient.IsBusy(err)
	return min(max(wait, time.Second<<s.tries), longestPause).Round(time.Second)
}

func (s *imapSource) connect(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
	}
	if s.c == nil {
		s.c, err = s.Connect(ctx)
	}
	s.met = s.met || err == nil
	return err
}

func (s *imapSource) pause(ctx context.Context, d time.Duration) error {
	if s.Pause != nil {
		return s.Pause(ctx, d)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
	}
}

func (s *imapSource) warn(format string, args ...any) {
	if s.Warn != nil {
		s.Warn(fmt.Sprintf(format, args...))
	}
}

func (s *imapSource) all(ctx context.Context) error {
	var folders []imapFolder
	err := s.persist(ctx, func(context.Context) (err error) {
		folders, err = s.plan()
		return err
	})
	if err != nil {
		return err
	}
	for i := range folders {
		f := &folders[i]
		if err := s.yield(&Message{Folder: f.path}); err != nil {
			return err
		}
		if f.none {
			continue
		}
		s.folder, s.done, s.broke = f, map[uint32]bool{}, map[uint32]int{}
		if err := s.persist(ctx, s.bringFolder); err != nil {
			if !isFinal(err) {
				return err
			}
			s.warn("%s can't be read: %v", strings.Join(f.path, "/"), err)
		}
	}
	if s.c != nil {
		s.c.Logout()
		s.c = nil
	}
	return nil
}

// plan lists what is to be brought: the inbox first, Gmail's "All mail" last.
func (s *imapSource) plan() ([]imapFolder, error) {
	boxes, err := s.c.List()
	if err != nil {
		return nil, err
	}
	spaces, err := s.c.Namespaces()
	if err != nil {
		return nil, err
	}
	if err := s.named(boxes); err != nil {
		return nil, err
	}
	slices.SortStableFunc(boxes, func(a, b imapclient.Mailbox) int { return strings.Compare(a.Name, b.Name) })
	roles := rolePaths(boxes)
	var first, folders, last []imapFolder
	for _, b := range boxes {
		path := pathThere(b, spaces, roles)
		gmailAll := b.Has(`\ALL`) && s.c.Has("X-GM-EXT-1")
		switch {
		case path == nil || !s.wanted(b) || b.Has(`\NONEXISTENT`):
		case gmailAll:
			last = append(last, imapFolder{name: b.Name, path: []string{"Archive"}, all: true})
		case b.Has(`\ALL`), b.Has(`\FLAGGED`), b.Has(`\IMPORTANT`):
			s.warn("%s shows messages of other folders: left out", decodeUTF7(b.Name))
		case len(path) == 1 && path[0] == "INBOX":
			first = append(first, imapFolder{name: b.Name, path: path, none: b.Has(`\NOSELECT`)})
		default:
			folders = append(folders, imapFolder{name: b.Name, path: path, none: b.Has(`\NOSELECT`)})
		}
	}
	return slices.Concat(first, folders, last), nil
}

// specialUse are the names by which Import knows folders that have a role.
var specialUse = map[string]string{`\SENT`: "Sent", `\TRASH`: "Trash", `\JUNK`: "Junk", `\DRAFTS`: "Drafts", `\ARCHIVE`: "Archive"}

// rolePaths maps the names of mailboxes with a role to what they are called here. The first of a role gets it.
func rolePaths(boxes []imapclient.Mailbox) map[string]string {
	roles, taken := map[string]string{}, map[string]bool{}
	for _, b := range boxes {
		for _, attr := range b.Attrs {
			if to := specialUse[attr]; to != "" && !taken[to] {
				roles[b.Name], taken[to] = to, true
			}
		}
	}
	return roles
}

// pathThere is the folder's path here; nil if it is other people's.
func pathThere(b imapclient.Mailbox, spaces imapclient.Namespaces, roles map[string]string) []string {
	if strings.EqualFold(b.Name, "INBOX") {
		return []string{"INBOX"}
	}
	for _, prefix := range spaces.Others {
		if prefix != "" && (strings.HasPrefix(b.Name, prefix) || b.Name == strings.TrimSuffix(prefix, b.Delim)) {
			return nil
		}
	}
	// The longest name above it that has a role is called by it.
	parts := split(b.Name, b.Delim)
	for n := len(parts); n > 0; n-- {
		if to := roles[strings.Join(parts[:n], b.Delim)]; to != "" {
			return decodeAll(append([]string{to}, parts[n:]...))
		}
	}
	for _, prefix := range spaces.Personal {
		if rest, ok := strings.CutPrefix(b.Name, prefix); ok && prefix != "" && rest != "" {
			return decodeAll(split(rest, b.Delim))
		}
	}
	if b.Delim != "" && len(parts) > 1 && strings.EqualFold(parts[0], "INBOX") {
		parts[0] = "INBOX"
	}
	return decodeAll(parts)
}

func split(name, delim string) []string {
	if delim == "" {
		return []string{name}
	}
	return slices.DeleteFunc(strings.Split(name, delim), func(p string) bool { return p == "" })
}

func decodeAll(parts []string) []string {
	for i := range parts {
		parts[i] = decodeUTF7(parts[i])
	}
	if len(parts) > mailbox.MaxDepth {
		parts = append(parts[:mailbox.MaxDepth-1], strings.Join(parts[mailbox.MaxDepth-1:], "-"))
	}
	if len(parts) == 0 {
		return nil
	}
	return parts
}

// wanted applies Only and Exclude.
func (s *imapSource) wanted(b imapclient.Mailbox) bool {
	in := func(list []string) bool { return slices.ContainsFunc(list, func(f string) bool { return isIn(b, f) }) }
	return (len(s.Only) == 0 || in(s.Only)) && !in(s.Exclude)
}

// shownName is what a mailbox is called there, as people write it.
func shownName(b imapclient.Mailbox) string {
	return strings.Join(decodeAll(split(b.Name, b.Delim)), "/")
}

// isIn reports whether a mailbox is a folder, or below it.
func isIn(b imapclient.Mailbox, folder string) bool {
	name, folder := shownName(b), strings.Trim(folder, "/")
	return strings.EqualFold(name, folder) || len(name) > len(folder) && strings.EqualFold(name[:len(folder)+1], folder+"/")
}

// named checks that there are folders by the names that were given: a typing error in Exclude would bring too much, one in Only nothing.
func (s *imapSource) named(boxes []imapclient.Mailbox) error {
	const most = 30 // are told
	for _, f := range slices.Concat(s.Only, s.Exclude) {
		if slices.ContainsFunc(boxes, func(b imapclient.Mailbox) bool { return isIn(b, f) }) {
			continue
		}
		var names []string
		for _, b := range boxes[:min(len(boxes), most)] {
			names = append(names, shownName(b))
		}
		if len(boxes) > most {
			names = append(names, "...")
		}
		return fault.New(fault.Invalid, "there is no folder %q on the other server; it has %s", f, strings.Join(names, ", "))
	}
	return nil
}

// bringFolder brings what is missing of the folder.
func (s *imapSource) bringFolder(context.Context) error {
	status, err := s.c.Examine(s.folder.name)
	if err != nil {
		return err
	}
	s.mailbox, s.known = mailboxID(s.Account, s.folder.name, status.UIDValidity), status.UIDValidity != 0
	s.validity = status.UIDValidity
	if status.Messages == 0 {
		return nil
	}
	if err := s.bringMissing(); err != nil {
		return err
	}
	if s.Skipped != nil {
		s.Skipped(s.skipped)
	}
	return nil
}

// bringMissing brings what is missing of the mailbox that is open.
func (s *imapSource) bringMissing() error {
	if err := s.listMissing(); err != nil {
		return err
	}
	for len(s.uids) > 0 {
		n := min(len(s.uids), imapBatch)
		if s.tries >= doubtAfter {
			n = 1
		}
		if err := s.bringOrDoubt(s.uids[:n]); err != nil {
			return err
		}
		s.uids = s.uids[n:]
	}
	return s.updateFlags()
}

// bringOrDoubt brings some messages; a single one not, where the connection broke again and again: there are servers that fall at some
// message.
func (s *imapSource) bringOrDoubt(uids []uint32) error {
	uid, alone := uids[0], len(uids) == 1
	if alone && s.broke[uid] >= doubtTries {
		s.leaveOut(uid, "the connection breaks at message %d in %s: left out", uid, s.folderName())
		return nil
	}
	err := s.bringBatch(uids)
	if alone && isBreak(err) {
		s.broke[uid]++
	}
	return err
}

func (s *imapSource) folderName() string { return strings.Join(s.folder.path, "/") }

// leaveOut notes that a message doesn't come.
func (s *imapSource) leaveOut(uid uint32, format string, args ...any) {
	s.warn(format, args...)
	if s.LeftOut != nil {
		s.LeftOut()
	}
	s.deal(uid)
}

// flagsBatch is of how many messages the flags are asked for at once.
const flagsBatch = 2000

// updateFlags tells the flags of messages that were brought before.
func (s *imapSource) updateFlags() error {
	for uids := range slices.Chunk(s.there, flagsBatch) {
		err := s.c.Flags(uids, func(m *imapclient.Message) error {
			if _, asked := slices.BinarySearch(uids, m.UID); !asked {
				return nil
			}
			out := &Message{Folder: s.folder.path, Source: s.mailbox.message(m.UID), Update: true}
			out.Flags, out.Keywords = ReadFlags(m.Flags)
			if err := s.yield(out); err != nil {
				return fatal{err}
			}
			return nil
		})
		if err != nil && !isFinal(err) {
			return err
		}
		s.tries = 0
	}
	return nil
}

// mailboxID names a mailbox for ever.
func mailboxID(account, name string, uidValidity uint32) (id MailboxID) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00", account, name)
	binary.Write(h, binary.BigEndian, uidValidity)
	copy(id[:], h.Sum(nil))
	return id
}

// listMissing finds the UIDs that are to be brought.
func (s *imapSource) listMissing() error {
	gmail := s.c.Has("X-GM-EXT-1")
	s.uids, s.there, s.skipped = s.uids[:0], s.there[:0], 0
	total := 0
	err := s.c.UIDs(gmail, func(uid uint32, id uint64) {
		total++
		elsewhere := gmail && id != 0 && s.gmail[id]
		if gmail && id != 0 && !s.folder.all {
			s.gmail[id] = true
		}
		switch had := s.known && s.Have.has(s.mailbox, uid); {
		case had && s.UpdateFlags:
			s.there = append(s.there, uid)
		case had:
			s.skipped++
		case !s.done[uid] && (!s.folder.all || !elsewhere):
			s.uids = append(s.uids, uid)
		}
	})
	slices.Sort(s.uids)
	s.uids = slices.Compact(s.uids)
	slices.Sort(s.there)
	s.there = slices.Compact(s.there)
	s.folder.of = total
	return err
}

// bringBatch brings some messages: first what is known of them, then themselves.
func (s *imapSource) bringBatch(uids []uint32) error {
	about := make(map[uint32]*imapclient.Message, len(uids))
	if err := s.describe(uids, about); err != nil {
		return err
	}
	want := make([]uint32, 0, len(uids))
	for _, uid := range uids {
		m := about[uid]
		if m != nil && m.Size > MaxMessage {
			s.leaveOut(uid, "message %d in %s is larger than %d bytes: left out", uid, s.folderName(), int64(MaxMessage))
			continue
		}
		want = append(want, uid)
	}
	return s.bringBodies(want, about)
}

// describe asks what is known of messages. If the server refuses to tell it of all, it is asked about each: it may be one that is damaged.
func (s *imapSource) describe(uids []uint32, about map[uint32]*imapclient.Message) error {
	err := s.c.Describe(uids, func(m *imapclient.Message) error {
		if _, asked := slices.BinarySearch(uids, m.UID); asked && m.Size >= 0 {
			about[m.UID] = m
		}
		return nil
	})
	switch {
	case err == nil || !isFinal(err):
		return err
	case len(uids) == 1:
		s.warn("message %d in %s comes without flags and date: %v", uids[0], s.folderName(), err)
		return nil
	}
	for i, uid := range uids {
		if about[uid] == nil {
			if err := s.describe(uids[i:i+1], about); err != nil {
				return err
			}
		}
	}
	return nil
}

// isFinal reports whether err is the refusal of one command, by a server that has nothing against us otherwise.
func isFinal(err error) bool {
	_, busy := imapclient.IsBusy(err)
	return imapclient.IsRefusal(err) && !busy && !fault.Is(err, fault.Unauthenticated)
}

// bringBodies brings messages. If the server refuses one of them it may refuse all: then they are asked for one by one.
func (s *imapSource) bringBodies(uids []uint32, about map[uint32]*imapclient.Message) error {
	if len(uids) == 0 {
		return nil
	}
	err := s.c.Bodies(uids, func(m *imapclient.Message) error { return s.bring(m, uids, about) })
	if err != nil && !isFinal(err) {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(uids), func(uid uint32) bool { return s.done[uid] })
	if err != nil && len(uids) > 1 {
		for _, uid := range left {
			if err := s.bringBodies([]uint32{uid}, about); err != nil {
				return err
			}
		}
		return nil
	}
	for _, uid := range left { // expunged meanwhile, or damaged there
		switch {
		case err != nil:
			s.leaveOut(uid, "message %d in %s doesn't come (%v): left out", uid, s.folderName(), err)
		case about[uid] != nil:
			s.leaveOut(uid, "message %d in %s doesn't come: left out", uid, s.folderName())
		default:
			s.deal(uid)
		}
	}
	return nil
}

// deal notes that a message needs no further thought, and that the connection is of use.
func (s *imapSource) deal(uid uint32) {
	s.done[uid] = true
	s.tries = 0
	if s.Progress != nil {
		s.Progress(s.folderName(), len(s.done), s.folder.of)
	}
}

// bring yields a message.
func (s *imapSource) bring(m *imapclient.Message, asked []uint32, about map[uint32]*imapclient.Message) error {
	if _, ok := slices.BinarySearch(asked, m.UID); !ok || s.done[m.UID] || m.Body == nil {
		return nil
	}
	out := &Message{Folder: s.folder.path, Body: &watchedBody{r: m.Body}}
	if a := about[m.UID]; a != nil {
		out.Flags, out.Keywords = ReadFlags(a.Flags)
		out.Received = a.Received
	}
	if s.known {
		out.Source = s.mailbox.message(m.UID)
	}
	if s.UniqueIDs != "" && strings.EqualFold(s.folder.name, "INBOX") {
		out.UniqueID = s.UniqueIDs.ID(m.UID, s.validity)
	}
	err := s.yield(out)
	if broke := out.Body.(*watchedBody).err; broke != nil && broke != io.EOF {
		return broke // the connection did: whoever took the message knows
	}
	if err != nil {
		return fatal{err}
	}
	s.deal(m.UID)
	return nil
}

// watchedBody notes how a body ended.
type watchedBody struct {
	r   io.Reader
	err error
}

func (w *watchedBody) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// systemFlags are the flags of RFC 9051 §2.3.2, folded.
var systemFlags = map[string]mailbox.Flags{`\seen`: mailbox.Seen, `\answered`: mailbox.Answered, `\flagged`: mailbox.Flagged,
	`\deleted`: mailbox.Deleted, `\draft`: mailbox.Draft}

// ReadFlags tells flags from keywords, as IMAP writes them. \Recent and what else begins with a backslash is the server's own.
func ReadFlags(all []string) (flags mailbox.Flags, keywords []string) {
	for _, f := range all {
		if flag := systemFlags[strings.ToLower(f)]; flag != 0 {
			flags |= flag
		} else if !strings.HasPrefix(f, `\`) {
			keywords = append(keywords, f)
		}
	}
	return flags, keywords
}

// EncodeName writes a mailbox's name as IMAP4rev1 does.
func EncodeName(name string) string { return encodeUTF7(name) }

// UsableKeywords are those that can be kept.
func UsableKeywords(all []string) []string {
	some, _ := usable(all)
	return some
}

// ReceivedAt is the date of a message by its header: of its newest Received field, or Date; zero if neither makes sense.
func ReceivedAt(header []byte) time.Time {
	for _, end := range []string{"\n\n", "\n\r\n"} {
		if i := bytes.Index(header, []byte(end)); i >= 0 {
			header = header[:i+1]
		}
	}
	m, _ := readMarks(header, false)
	return m.received
}
