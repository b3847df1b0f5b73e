package move

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// update is a message that was brought before, and what its flags are now where it came from.
type update struct {
	id       mailbox.ItemID
	flags    mailbox.Flags
	keywords []string
}

// updated are the flags that come along. That a message is marked to be removed there is that server's business.
const updated = mailbox.Seen | mailbox.Answered | mailbox.Flagged | mailbox.Draft

// updateBatch is how many wait until they are done together.
const updateBatch = 5000

// update takes the flags of a message that was brought before.
func (i *importer) update(ctx context.Context, m *Message) error {
	id := i.sources[m.Source]
	if id == 0 {
		return nil // removed here meanwhile
	}
	i.result.Present++
	keywords, _ := usable(m.Keywords)
	slices.Sort(keywords)
	i.updates = append(i.updates, update{id, m.Flags & updated, slices.Compact(keywords)})
	if len(i.updates) < updateBatch {
		return nil
	}
	return i.reflag(ctx)
}

// alike are messages of one folder that get the same flags.
type alike struct {
	folder   mailbox.FolderID
	flags    mailbox.Flags
	keywords string
}

// reflag gives the messages that wait their flags, wherever they are by now: system flags as they are there, and keywords besides
// those that are here.
func (i *importer) reflag(ctx context.Context) error {
	groups := map[alike][]mailbox.UID{}
	for _, u := range i.updates {
		folder, uid, err := i.session.Find(ctx, u.id)
		if fault.Is(err, fault.NotFound) { // expunged meanwhile
			continue
		}
		if err != nil {
			return err
		}
		k := alike{folder, u.flags, strings.Join(u.keywords, " ")}
		groups[k] = append(groups[k], uid)
	}
	i.updates = i.updates[:0]
	for k, uids := range groups {
		if err := i.reflagAlike(ctx, k, uids); err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) reflagAlike(ctx context.Context, k alike, uids []mailbox.UID) error {
	changed := map[mailbox.UID]bool{}
	for _, c := range []mailbox.FlagChange{
		{Op: mailbox.AddFlags, Flags: k.flags, Keywords: strings.Fields(k.keywords)}, {Op: mailbox.RemoveFlags, Flags: updated &^ k.flags},
	} {
		if c.Flags == 0 && len(c.Keywords) == 0 {
			continue
		}
		c.UIDs = uids
		res, err := i.session.SetFlags(ctx, k.folder, c)
		if fault.Is(err, fault.NotFound) { // the folder has gone
			return nil
		}
		if err != nil {
			return err
		}
		for _, uid := range res.Changed {
			changed[uid] = true
		}
	}
	i.result.Updated += len(changed)
	return nil
}
