package junk

import "postroad/internal/model/mailbox"

// mostPassed bounds the changes that one look into the log passes over.
const mostPassed = 200_000

// glance is at a folder's messages as they are in memory: programs mark hundreds of thousands as read or flag them, which says nothing of
// junk, and none of their rows need be read from the store for that. nil: nobody has used the folder lately.
type glance struct {
	view *mailbox.View
	page *mailbox.Page // with the row that was found last
	k    int           // its place there

	plain *mailbox.Keywords // seen last that has none of our words
}

// glances are at the folders that have changed after a number, as far as they are in memory.
func glances(box *mailbox.Session, folders []mailbox.Folder, after mailbox.ModSeq) map[mailbox.FolderID]*glance {
	all := map[mailbox.FolderID]*glance{}
	for _, f := range folders {
		if f.HighestModSeq <= after {
			continue
		}
		if v := box.ViewAtHand(f.ID); v != nil {
			all[f.ID] = &glance{view: v}
		}
	}
	return all
}

// teachesNothing reports whether a change of an item's flags, and nothing else that happened to it, leaves nothing to decide: the item is still where
// it was changed, and with the change it has neither been answered nor any of our words.
func (g *glance) teachesNothing(c *mailbox.Change) bool {
	if g == nil {
		return false
	}
	r := g.find(c.UID)
	return r != nil && r.ID == c.Item && r.ModSeq() >= c.Seq && r.Flags&mailbox.Answered == 0 && g.isPlain(r.Keywords)
}

// isPlain reports whether none of our words are there. Messages often share their sets.
func (g *glance) isPlain(k *mailbox.Keywords) bool {
	if k == nil || k == g.plain {
		return true
	}
	if hasAny(k, junkWords) || hasAny(k, goodWords) {
		return false
	}
	g.plain = k
	return true
}

// find finds a row, which is the next one mostly.
func (g *glance) find(uid mailbox.UID) *mailbox.Row {
	if g.page != nil && g.k+1 < g.page.Len() && g.page.At(g.k+1).UID == uid {
		g.k++
		return g.page.At(g.k)
	}
	i, ok := g.view.Find(uid)
	if !ok {
		return nil
	}
	p, start := g.view.PageOf(i)
	g.page, _ = g.view.PageIn(g.view, p)
	g.k = i - start
	return g.page.At(g.k)
}
