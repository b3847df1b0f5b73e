package demo

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// World is the store that the demo lives in.
type World struct {
	Directory *directory.Directory
	Mailboxes *mailbox.Store
	Now       time.Time
}

// MakeAccounts makes Alice, Bob, and users more: user0, user1 and so on. Those that are
// there already stay as they are.
func (w World) MakeAccounts(ctx context.Context, users int) error {
	if err := w.makeDomain(ctx); err != nil {
		return err
	}
	wanted := []directory.NewAccount{
		{Address: alice.address, DisplayName: alice.name},
		{Address: bob.address, DisplayName: bob.name},
	}
	for n := range users {
		wanted = append(wanted, directory.NewAccount{Address: "user" + strconv.Itoa(n) + "@" + Domain, DisplayName: "User " + strconv.Itoa(n)})
	}
	var missing []directory.NewAccount
	for _, a := range wanted {
		_, err := w.Directory.AccountByAddress(ctx, a.Address)
		if fault.Is(err, fault.NotFound) {
			missing = append(missing, a)
		} else if err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// One hash for all: computing 200 of them would take longer than all the rest.
	made, err := w.Directory.AddAccounts(ctx, missing, Password)
	if err != nil {
		return err
	}
	return w.makeMailboxes(ctx, made)
}

// makeDomain makes the domain, with keys that sign what leaves at once: nobody outside will look them up.
func (w World) makeDomain(ctx context.Context) error {
	if there, err := w.Directory.IsLocal(ctx, Domain); err != nil || there {
		return err
	}
	if _, err := w.Directory.AddSigningDomain(ctx, Domain); err != nil {
		return err
	}
	keys, err := w.Directory.DKIMKeys(ctx, Domain)
	for _, k := range keys {
		if err == nil {
			err = w.Directory.ActivateKey(ctx, Domain, k.Selector)
		}
	}
	return err
}

// makeMailboxes makes many at a time, which then share their syncs.
func (w World) makeMailboxes(ctx context.Context, accounts []directory.Account) error {
	const together = 64
	for group := range slices.Chunk(accounts, together) {
		var wait sync.WaitGroup
		errs := make([]error, len(group))
		for i, a := range group {
			wait.Go(func() { errs[i] = w.Mailboxes.Create(ctx, a.ID, mailbox.Usage{}) })
		}
		wait.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Fill gives Alice and Bob their mail. A mailbox that has, or had, any mail is left as it is.
func (w World) Fill(ctx context.Context) error {
	boxes := map[Owner]*mailbox.Session{}
	for owner, p := range map[Owner]person{Alice: alice, Bob: bob} {
		a, err := w.Directory.AccountByAddress(ctx, p.address)
		if err != nil {
			return err
		}
		box, err := w.Mailboxes.Open(ctx, a.ID, ident.System())
		if err != nil {
			return err
		}
		defer box.Close()
		if untouched(box) {
			boxes[owner] = box
		}
	}
	if len(boxes) == 0 {
		return nil
	}
	all := letters()
	slices.SortStableFunc(all, func(a, b letter) int { return int(b.age - a.age) }) // oldest first
	return w.deliver(ctx, boxes, all)
}

// untouched reports whether no mail has ever been in the mailbox.
func untouched(box *mailbox.Session) bool {
	for _, f := range box.Folders() {
		if f.UIDNext > 1 {
			return false
		}
	}
	return true
}

// deliver puts each letter's copies where they belong: one transaction for each folder.
func (w World) deliver(ctx context.Context, boxes map[Owner]*mailbox.Session, all []letter) error {
	type place struct {
		owner  Owner
		folder string
	}
	batches := map[place][]mailbox.Append{}
	compose := newWriter(w.Now, all)
	for _, l := range all {
		content, err := w.content(compose.bytes(l))
		if err != nil {
			return err
		}
		defer content.Close()
		for _, c := range l.copies {
			at := place{c.Owner, c.Folder}
			batches[at] = append(batches[at], mailbox.Append{Content: content, Flags: c.Flags, Keywords: c.Keywords,
				Received: compose.date(l).Add(3 * time.Second)})
		}
	}
	for at, batch := range batches {
		if box := boxes[at.owner]; box != nil {
			if err := put(ctx, box, at.folder, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w World) content(b []byte) (*mailbox.Content, error) {
	c := w.Mailboxes.NewContent()
	if _, err := c.Write(b); err != nil {
		c.Discard()
		return nil, err
	}
	return c.Finish()
}

func put(ctx context.Context, box *mailbox.Session, path string, batch []mailbox.Append) error {
	folder, err := folderAt(ctx, box, path)
	if err != nil {
		return err
	}
	_, err = box.Append(ctx, folder, batch...)
	return err
}

// folderAt finds a folder by its path, and makes what is missing.
func folderAt(ctx context.Context, box *mailbox.Session, path string) (mailbox.FolderID, error) {
	var parent mailbox.FolderID
	for _, name := range strings.Split(path, "/") {
		f, ok := box.Child(parent, name)
		if !ok {
			var err error
			if f, err = box.CreateFolder(ctx, mailbox.NewFolder{Name: name, Parent: parent, Subscribed: true}); err != nil {
				return 0, err
			}
		}
		parent = f.ID
	}
	return parent, nil
}
