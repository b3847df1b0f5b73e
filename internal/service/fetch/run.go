package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/move"
)

// came is the property of an item that says which message of which source it was: the source (4 bytes, big-endian), the digest.
const came = "fetch.message"

// A batch is stored, and noted, at once.
const (
	batchItems = 50
	batchBytes = 8 << 20
	// maxHeader is how much of a message is looked at for its date, in bytes.
	maxHeader = 64 << 10
)

// run asks a source once.
type run struct {
	s      *Service
	src    Source
	status Status
	before Status // as the run found it
	result Result

	remote remote
	box    *mailbox.Session
	known  map[digest]known
	twins  map[[16]byte]bool // messages that came when the server's UIDs were others; nil: they are as ever

	batch []got
	bytes int64

	// postponed is the lowest number of those messages that the server can't give just now; 0: none. The next run asks again.
	postponed uint32
}

// got is a message on its way in.
type got struct {
	there
	content *mailbox.Content
	sum     [sha256.Size]byte // of the bytes that came
}

func (r *run) all(ctx context.Context) (err error) {
	if to := r.s.receiverOf(&r.src); to != nil {
		if err := to.Ready(); err != nil {
			return err
		}
	}
	if r.box, err = r.s.boxes.Open(ctx, r.src.Account, ident.System()); err != nil {
		return err
	}
	defer r.box.Close()
	if err := r.remember(ctx); err != nil {
		return err
	}
	if r.remote, err = r.s.signIn(ctx, &r.src); err != nil {
		return err
	}
	defer r.remote.drop()
	list, err := r.list(ctx)
	if err != nil {
		return err
	}
	if err := r.bringAll(ctx, list); err != nil {
		return err
	}
	return r.tidyThere(ctx, list)
}

// remember reads what is known, and finds out what became of what was on its way when a run ended suddenly.
func (r *run) remember(ctx context.Context) (err error) {
	if r.known, err = r.s.allKnown(ctx, r.src.ID); err != nil {
		return err
	}
	unsure := map[digest]known{}
	for d, k := range r.known {
		if k.state == pending {
			unsure[d] = known{}
		}
	}
	if len(unsure) == 0 {
		return nil
	}
	err = r.eachHere(ctx, func(row *mailbox.Row, d digest, _ []byte) error {
		if _, ok := unsure[d]; ok {
			k := r.known[d]
			k.state, k.item = done, row.ID
			unsure[d] = k
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.note(ctx, unsure)
}

// note writes down what is known of messages now.
func (r *run) note(ctx context.Context, all map[digest]known) error {
	if err := r.s.note(ctx, r.src.ID, all); err != nil {
		return err
	}
	for d, k := range all {
		if k.state == 0 {
			delete(r.known, d)
		} else {
			r.known[d] = k
		}
	}
	return nil
}

// eachHere calls fn with the items that came from the source; bytes is the digest of what came, if other bytes are stored.
func (r *run) eachHere(ctx context.Context, fn func(row *mailbox.Row, d digest, bytes []byte) error) error {
	for _, f := range r.box.Folders() {
		if f.Kind != mailbox.Mail || f.Items == 0 {
			continue
		}
		view, err := r.box.View(ctx, f.ID)
		if err != nil {
			return err
		}
		for _, row := range view.All(0, view.Len()) {
			if !row.HasBag() {
				continue
			}
			bag, err := r.box.Bag(ctx, row.ID)
			if err != nil && !fault.Is(err, fault.NotFound) { // not found: expunged meanwhile
				return err
			}
			v := bag.Props[came]
			if len(v) != 4+len(digest{}) || binary.BigEndian.Uint32(v) != r.src.ID {
				continue
			}
			if err := fn(row, digest(v[4:]), bag.Props[original]); err != nil {
				return err
			}
		}
	}
	return nil
}

// list asks what is there. If the server has given all messages other UIDs, what is known of the old ones is of no
// use, and what comes is compared with what is here.
func (r *run) list(ctx context.Context) ([]there, error) {
	before := r.status.UIDValidity
	list, err := r.remote.list(&r.status)
	if err != nil || before == 0 || r.status.UIDValidity == before {
		return list, err
	}
	gone := map[digest]known{}
	for d := range r.known {
		gone[d] = known{}
	}
	if err := r.note(ctx, gone); err != nil {
		return nil, err
	}
	r.twins = map[[16]byte]bool{}
	err = r.eachHere(ctx, func(row *mailbox.Row, _ digest, bytes []byte) error {
		if len(bytes) == 16 {
			r.twins[[16]byte(bytes)] = true
			return nil
		}
		h := sha256.New()
		if _, err := io.Copy(h, r.box.Content(row).Section(0, row.Size)); err != nil {
			return err
		}
		r.twins[short([sha256.Size]byte(h.Sum(nil)))] = true
		return nil
	})
	return list, err
}

func (r *run) bringAll(ctx context.Context, list []there) (err error) {
	defer r.letGo()
	for i := range list {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
		}
		if list[i].digest != (digest{}) && r.known[list[i].digest].state != 0 {
			continue
		}
		if err = r.bring(ctx, &list[i]); err != nil {
			break
		}
		if len(r.batch) >= batchItems || r.bytes >= batchBytes {
			if err = r.flush(ctx); err != nil {
				return err
			}
		}
	}
	return errors.Join(err, r.flush(ctx)) // what has come has come
}

// bring takes a message into the batch.
func (r *run) bring(ctx context.Context, m *there) error {
	if m.size > move.MaxMessage {
		return r.skip(ctx, m)
	}
	w := r.s.boxes.NewContent()
	h := sha256.New()
	err := r.remote.get(*m, func(body io.Reader) error { return r.receive(w, h, body) })
	switch {
	case err != nil && isTemporary(err):
		w.Discard()
		r.postpone(m.number)
		return nil
	case errors.Is(err, errTooLarge), err != nil && isRefusal(err):
		w.Discard()
		return r.skip(ctx, m)
	case err != nil:
		w.Discard()
		return err
	}
	return r.take(m, w, [sha256.Size]byte(h.Sum(nil)))
}

// receive writes a message to w, and what came to h.
func (r *run) receive(w *mailbox.ContentWriter, h hash.Hash, body io.Reader) error {
	to := nopCloser(w)
	if receiver := r.s.receiverOf(&r.src); receiver != nil {
		to = receiver.Clean(w)
	}
	n, err := io.Copy(io.MultiWriter(h, to), io.LimitReader(body, move.MaxMessage+1))
	if err == nil && n > move.MaxMessage {
		err = errTooLarge
	}
	return errors.Join(err, to.Close())
}

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

func nopCloser(w io.Writer) io.WriteCloser { return unclosed{w} }

var errTooLarge = fault.New(fault.TooLarge, "the message is too large")

// take decides whether a message that has come is new.
func (r *run) take(m *there, w *mailbox.ContentWriter, sum [sha256.Size]byte) error {
	if m.digest == (digest{}) {
		m.digest = digestOf("bytes", string(sum[:]))
	}
	has := func(g got) bool { return g.digest == m.digest }
	if r.known[m.digest].state != 0 || r.twins[short(sum)] || slices.ContainsFunc(r.batch, has) {
		w.Discard()
		return nil
	}
	size := w.Size()
	c, err := w.Finish()
	if err != nil {
		return err
	}
	if m.received.IsZero() {
		header := make([]byte, min(size, maxHeader))
		n, _ := c.ReadAt(header, 0)
		m.received = move.ReceivedAt(header[:n])
	}
	r.batch = append(r.batch, got{*m, c, sum})
	r.bytes += size
	return nil
}

// skip notes that a message can't come.
func (r *run) skip(ctx context.Context, m *there) error {
	r.result.Skipped++
	if m.digest == (digest{}) {
		return nil
	}
	return r.note(ctx, map[digest]known{m.digest: {state: skipped, at: r.s.o.Now().Unix(), uid: r.uid(m)}})
}

// uid is a message's number, if it is for ever.
func (r *run) uid(m *there) uint32 {
	if r.src.Protocol == IMAP {
		return m.number
	}
	return 0
}

// flush stores the batch.
func (r *run) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	defer r.letGo()
	stopping := ctx
	ctx = context.WithoutCancel(ctx) // what was read is whole
	folder, err := r.folder(ctx)
	if err != nil {
		return err
	}
	now := r.s.o.Now().Unix()
	notes, items := map[digest]known{}, make([]mailbox.Append, len(r.batch))
	for i := range r.batch {
		g := &r.batch[i]
		notes[g.digest], items[i] = known{state: pending, at: now, uid: r.uid(&g.there)}, r.itemOf(g)
	}
	if err := r.note(ctx, notes); err != nil {
		return err
	}
	if to := r.s.receiverOf(&r.src); to != nil {
		return r.checked(stopping, to, folder, notes)
	}
	added, err := r.box.Append(ctx, folder, items...)
	if err != nil {
		return err // the notes stay pending: the next run finds out
	}
	for i, g := range r.batch {
		k := notes[g.digest]
		k.state, k.item = done, added[i].ID
		notes[g.digest] = k
	}
	r.result.Fetched += len(r.batch)
	r.result.Bytes += r.bytes
	return r.note(ctx, notes)
}

func (r *run) letGo() {
	for _, g := range r.batch {
		g.content.Close()
	}
	r.batch, r.bytes = r.batch[:0], 0
}

// folder finds or makes the folder that mail goes to.
func (r *run) folder(ctx context.Context) (mailbox.FolderID, error) {
	if len(r.src.Folder) == 0 {
		f, ok := r.box.FolderByRole(mailbox.Inbox)
		if !ok {
			return 0, fault.New(fault.NotFound, "the account has no inbox")
		}
		return f.ID, nil
	}
	at := mailbox.FolderID(0)
	for _, name := range r.src.Folder {
		f, ok := r.box.Child(at, name)
		if !ok {
			var err error
			if f, err = r.box.CreateFolder(ctx, mailbox.NewFolder{Name: name, Parent: at, Subscribed: true}); err != nil {
				return 0, err
			}
		}
		at = f.ID
	}
	return at, nil
}

// tidyThere removes there what the policy says, forgets what isn't there any more, and ends the session.
func (r *run) tidyThere(ctx context.Context, list []there) error {
	numbers, gone, err := r.removable(ctx, list)
	if err != nil {
		return err
	}
	if err := r.remote.remove(numbers); err != nil {
		return err
	}
	if err := r.remote.close(); err != nil {
		return err
	}
	r.result.Removed = len(numbers)
	if r.src.Protocol == IMAP {
		for _, m := range list {
			if r.mayForget(m.number) {
				r.status.LastUID = max(r.status.LastUID, m.number)
			}
		}
	}
	return r.note(ctx, gone)
}

// mayForget reports whether, by IMAP, a UID will not be asked for again.
func (r *run) mayForget(uid uint32) bool { return r.postponed == 0 || uid < r.postponed }

// removable lists the numbers of messages that are to be removed there, and what is to be forgotten then. By POP3, a message that was
// removed is forgotten when it isn't listed any more: it isn't certain before.
func (r *run) removable(ctx context.Context, list []there) (numbers []uint32, gone map[digest]known, err error) {
	gone = map[digest]known{}
	if r.src.Protocol == POP3 {
		listed := map[digest]bool{}
		for _, m := range list {
			yes, err := r.isRemovable(ctx, r.known[m.digest])
			if err != nil {
				return nil, nil, err
			}
			if listed[m.digest] = true; yes {
				numbers = append(numbers, m.number)
			}
		}
		for d := range r.known {
			if !listed[d] {
				gone[d] = known{}
			}
		}
		return numbers, gone, nil
	}
	for d, k := range r.known {
		yes, err := r.isRemovable(ctx, k)
		if err != nil {
			return nil, nil, err
		}
		if yes {
			numbers = append(numbers, k.uid)
		}
		if yes || r.src.Policy == Keep && r.mayForget(k.uid) { // below LastUID nothing is asked for
			gone[d] = known{}
		}
	}
	slices.Sort(numbers)
	return numbers, gone, nil
}

func (r *run) isRemovable(ctx context.Context, k known) (bool, error) {
	if k.state != done && k.state != aside {
		return false, nil
	}
	switch r.src.Policy {
	case Delete:
		return true, nil
	case Days:
		return !r.s.o.Now().Before(time.Unix(k.at, 0).AddDate(0, 0, r.src.Days)), nil
	case Mirror: // what lies in the quarantine nobody has deleted
		if k.state == aside {
			return false, nil
		}
		return r.deletedHere(ctx, k.item)
	}
	return false, nil
}

// deletedHere reports whether an item is gone, or in the trash.
func (r *run) deletedHere(ctx context.Context, id mailbox.ItemID) (bool, error) {
	folder, _, err := r.box.Find(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	trash, ok := r.box.FolderByRole(mailbox.Trash)
	return err == nil && ok && trash.ID == folder, err
}
