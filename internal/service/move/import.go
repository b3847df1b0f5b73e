package move

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/maildrop"
)

// imported is the property of an item that says what it was imported from: a digest.
const imported = "move.imported"

// fetched is the property of an item with its SourceID.
const fetched = "move.source"

// A batch is one transaction: some messages, or some bytes, whichever is reached first. Of larger ones the engine wouldn't keep the
// memory for the next: that would be four times the batch in garbage.
const (
	batchItems = 100
	batchBytes = 768 << 10
)

// MaxMessage is the largest message that Import takes, in bytes.
const MaxMessage = 512 << 20

// origin tells a message of a folder from those with other bytes or in other folders: a digest of both.
type origin [16]byte

// count is how often an origin is in the account, and has come in this import.
type count struct{ there, come int32 }

// like is an origin in a mailbox of another server.
type like struct {
	origin
	from MailboxID
}

// importer puts a source's messages into an account.
type importer struct {
	store   *mailbox.Store
	session *mailbox.Session
	under   []string

	origins map[origin]count
	// sources are those that are there. Messages of one mailbox that are equal are as many messages: so of those that have a
	// SourceID, those of the same mailbox are not counted as their like.
	sources map[SourceID]mailbox.ItemID
	updates []update // that wait
	likes   map[like]int32
	ids     map[string]*mailbox.Row     // what is there, by Message.ID; nil: IDs say nothing
	folders map[string]mailbox.FolderID // by joined path

	buffer []byte           // for copying
	to     mailbox.FolderID // of the batch
	batch  []mailbox.Append
	bytes  int64
	unique bool // there are unique IDs of POP3 in it
	result Result
}

// Import puts a source's messages into the account of a session, below the folder under (empty: at the root, where
// folders with well-known names are those with the role). Messages that an import has brought before, into the same
// folder, are left out as long as they are anywhere in the account, whatever has become of their flags. What was
// added stays, whatever the error; Result tells how much that was. Two imports into an account at once might both
// add the same: the caller prevents that.
func Import(ctx context.Context, store *mailbox.Store, s *mailbox.Session, under []string, from Source) (Result, error) {
	return newImporter(store, s, under).run(ctx, from)
}

// BringBack is Import of messages that were this account's own: those that are still in it, anywhere, are left out.
func BringBack(ctx context.Context, store *mailbox.Store, s *mailbox.Session, under []string, from Source) (Result, error) {
	i := newImporter(store, s, under)
	i.ids = map[string]*mailbox.Row{}
	return i.run(ctx, from)
}

func newImporter(store *mailbox.Store, s *mailbox.Session, under []string) *importer {
	return &importer{store: store, session: s, under: under, buffer: make([]byte, 32<<10), origins: map[origin]count{}, sources: map[SourceID]mailbox.ItemID{}, likes: map[like]int32{}, folders: map[string]mailbox.FolderID{}}
}

func (i *importer) run(ctx context.Context, from Source) (Result, error) {
	err := i.remember(ctx)
	if err == nil {
		err = from(ctx, func(m *Message) error { return i.take(ctx, m) })
	}
	if flushed := errors.Join(i.flush(ctx), i.reflag(context.WithoutCancel(ctx))); err == nil {
		err = flushed
	}
	return i.result, err
}

// remember finds what imports have brought before.
func (i *importer) remember(ctx context.Context) error {
	for _, f := range i.session.Folders() {
		if f.Kind != mailbox.Mail || f.Items == 0 {
			continue
		}
		view, err := i.session.View(ctx, f.ID)
		if err != nil {
			return err
		}
		for _, row := range view.All(0, view.Len()) {
			if i.ids != nil {
				i.ids[idOf(row)] = row
			}
			if !row.HasBag() {
				continue
			}
			bag, err := i.session.Bag(ctx, row.ID)
			if err != nil && !fault.Is(err, fault.NotFound) { // not found: expunged meanwhile
				return err
			}
			i.know(row.ID, bag)
		}
	}
	return nil
}

// know notes what a bag says of where its item came from.
func (i *importer) know(id mailbox.ItemID, bag mailbox.Bag) {
	v := bag.Props[imported]
	if len(v) != len(origin{}) {
		return
	}
	o := origin(v)
	c := i.origins[o]
	c.there++
	i.origins[o] = c
	if from := bag.Props[fetched]; len(from) == len(SourceID{}) {
		i.sources[SourceID(from)] = id
		i.likes[like{o, SourceID(from).mailbox()}]++
	}
}

func (i *importer) take(ctx context.Context, m *Message) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Canceled, err, "interrupted")
	}
	if m.Update {
		return i.update(ctx, m)
	}
	if row := i.ids[m.ID]; row != nil && m.Body != nil {
		if c, err := i.still(row, m.Body); c == nil || err != nil {
			return err
		} else {
			defer c.Close()
			m.Body = c.NewReader()
		}
	}
	path := slices.Concat(i.under, m.Folder)
	folder, err := i.folder(ctx, path)
	if err != nil || m.Body == nil {
		return err
	}
	if i.sources[m.Source] != 0 {
		i.result.Present++
		return nil
	}
	w := i.store.NewContent()
	o, err := i.read(w, path, m.Body)
	if err != nil {
		w.Discard()
		return err
	}
	if i.isThere(o, m.Source) {
		w.Discard()
		i.result.Present++
		return nil
	}
	return i.add(ctx, folder, w, m, o)
}

// isThere counts a message that has come, and reports whether it had been brought before.
func (i *importer) isThere(o origin, from SourceID) bool {
	c, there := i.origins[o], int32(0)
	c.come++
	if there = c.there; from != (SourceID{}) {
		there -= i.likes[like{o, from.mailbox()}]
	}
	if c.come <= there {
		i.origins[o] = c
		return true
	}
	if from == (SourceID{}) {
		c.there++
	} else { // it isn't the like of those that still come from there
		c.come--
	}
	i.origins[o] = c
	return false
}

// still counts a message that is there by its ID. If there is another one by that ID, since the account was made anew, it
// returns the message, which the caller must Close.
func (i *importer) still(row *mailbox.Row, body io.Reader) (*mailbox.Content, error) {
	w := i.store.NewContent()
	if _, err := io.Copy(w, body); err != nil {
		w.Discard()
		return nil, err
	}
	c, err := w.Finish()
	if err != nil {
		return nil, err
	}
	same, err := equal(i.session.Content(row).Section(0, row.Size), c.NewReader())
	if err != nil && !fault.Is(err, fault.NotFound) || same {
		c.Close()
		if same {
			i.result.Present++
		}
		return nil, err
	}
	return c, nil
}

// equal compares two streams.
func equal(a, b io.Reader) (bool, error) {
	x, y := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return false, err
			}
		}
		if errA != nil || errB != nil {
			return errA != nil && errB != nil, nil
		}
	}
}

// read takes a message's bytes and tells its origin.
func (i *importer) read(w *mailbox.ContentWriter, path []string, body io.Reader) (o origin, err error) {
	h := sha256.New()
	for _, name := range path {
		io.WriteString(h, name+"\x00")
	}
	io.WriteString(h, "\x00")
	n, err := io.CopyBuffer(&both{w, h}, io.LimitReader(body, MaxMessage+1), i.buffer)
	if err == nil && n > MaxMessage {
		err = fault.New(fault.TooLarge, "a message in %s is larger than %d bytes", strings.Join(path, "/"), int64(MaxMessage))
	}
	copy(o[:], h.Sum(nil))
	return o, err
}

// both writes to a content and its digest.
type both struct {
	w *mailbox.ContentWriter
	h hash.Hash
}

func (b *both) Write(p []byte) (int, error) {
	b.h.Write(p)
	return b.w.Write(p)
}

func (i *importer) add(ctx context.Context, folder mailbox.FolderID, w *mailbox.ContentWriter, m *Message, o origin) error {
	if folder != i.to || len(i.batch) == batchItems || i.bytes+w.Size() > batchBytes {
		if err := i.flush(ctx); err != nil {
			w.Discard()
			return err
		}
	}
	content, err := w.Finish()
	if err != nil {
		return err
	}
	keywords, bad := usable(m.Keywords)
	i.result.Keywords += bad
	i.to, i.bytes = folder, i.bytes+content.Size()
	bag := map[string][]byte{imported: o[:]}
	if m.Source != (SourceID{}) {
		bag[fetched] = m.Source[:]
	}
	if maildrop.ValidUniqueID(m.UniqueID) && i.isInbox(folder) {
		bag[maildrop.UniqueIDProp] = []byte(m.UniqueID)
		i.unique = true
	}
	i.batch = append(i.batch, mailbox.Append{Content: content, Flags: m.Flags, Keywords: keywords, Received: m.Received,
		Bag: bag})
	return nil
}

func (i *importer) isInbox(id mailbox.FolderID) bool {
	f, ok := i.session.FolderByRole(mailbox.Inbox)
	return ok && f.ID == id
}

// flush stores the batch. It does so even if ctx has ended, since what was read is whole.
func (i *importer) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	var err error
	if i.unique { // first: without it nobody looks for them
		i.unique, err = false, maildrop.HasUniqueIDs(context.WithoutCancel(ctx), i.session)
	}
	if err == nil {
		_, err = i.session.Append(context.WithoutCancel(ctx), i.to, i.batch...)
	}
	for _, a := range i.batch {
		a.Content.Close()
	}
	if err == nil {
		i.result.Added += len(i.batch)
		i.result.Bytes += i.bytes
	}
	i.batch, i.bytes = i.batch[:0], 0
	return err
}

// folder finds or makes a folder.
func (i *importer) folder(ctx context.Context, path []string) (mailbox.FolderID, error) {
	if len(path) == 0 {
		path = []string{"INBOX"}
	}
	joined := strings.Join(path, "\x00")
	if id, ok := i.folders[joined]; ok {
		return id, nil
	}
	parent := mailbox.FolderID(0)
	for n, name := range path {
		var err error
		if parent, err = i.child(ctx, parent, tidyName(name)); err != nil {
			return 0, fault.Wrap(fault.KindOf(err), err, "cannot make the folder "+strings.Join(path[:n+1], "/"))
		}
	}
	i.folders[joined] = parent
	i.result.Folders++
	return parent, nil
}

func (i *importer) child(ctx context.Context, parent mailbox.FolderID, name string) (mailbox.FolderID, error) {
	if role, known := roles[strings.ToLower(name)]; known && parent == 0 {
		if f, ok := i.session.FolderByRole(role); ok {
			return f.ID, nil
		}
	}
	f, ok := i.session.Child(parent, name)
	if ok && f.Kind != mailbox.Mail {
		return 0, fault.New(fault.Conflict, "the folder is not for mail")
	}
	if ok {
		return f.ID, nil
	}
	f, err := i.session.CreateFolder(ctx, mailbox.NewFolder{Name: name, Parent: parent, Subscribed: true})
	return f.ID, err
}

// roles are the names under which mail programs and servers keep folders with a role, folded.
var roles = map[string]mailbox.Role{
	"inbox": mailbox.Inbox, "drafts": mailbox.Drafts, "draft": mailbox.Drafts,
	"sent": mailbox.Sent, "sent items": mailbox.Sent, "sent messages": mailbox.Sent, "sent mail": mailbox.Sent, "sent-mail": mailbox.Sent,
	"junk": mailbox.Junk, "junk e-mail": mailbox.Junk, "junk email": mailbox.Junk, "junk mail": mailbox.Junk, "spam": mailbox.Junk, "bulk mail": mailbox.Junk,
	"trash": mailbox.Trash, "deleted items": mailbox.Trash, "deleted messages": mailbox.Trash,
	"archive": mailbox.Archive, "archives": mailbox.Archive,
}

// tidyName makes a folder's name of what stood in a file system: "/" would look like two folders in IMAP.
func tidyName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029':
			return '_'
		case r == '/':
			return '-'
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
	for len(name) > mailbox.MaxName {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if name == "" {
		return "_"
	}
	return name
}
