package mailbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// TestCheckFindsDamage breaks the records of an account one by one.
func TestCheckFindsDamage(t *testing.T) {
	w := newWorld(t)
	w.must(w.store.Create(w.ctx, bob, Usage{}))
	his := w.open(w.store, bob, ident.System())
	in, _ := his.FolderByRole(Inbox)
	sent, _ := his.FolderByRole(Sent)
	_, err := his.Append(w.ctx, in.ID, Append{Content: w.content("x"), Keywords: []string{"k"}, Bag: map[string][]byte{"a": {1}}}, Append{Content: w.content("y")}, Append{Content: w.content(trace(0) + "\r\nz")})
	w.must(err)
	v, err := his.View(w.ctx, in.ID)
	w.must(err)
	r, in := v.At(0), *v.Folder()
	his.Close()

	folder := func(f Folder, change func(*Folder)) func(kv.Tx) error {
		change(&f)
		return func(tx kv.Tx) error { return tx.Set(folderKey(f.ID), f.appendTo(nil)) }
	}
	row := func(change func(*Row)) func(kv.Tx) error {
		r := *r
		change(&r)
		return func(tx kv.Tx) error { return tx.Set(rowKey(in.ID, r.UID), appendRow(nil, &r)) }
	}
	remove := func(key []byte) func(kv.Tx) error {
		return func(tx kv.Tx) error { return tx.Delete(key) }
	}
	set := func(key, value []byte) func(kv.Tx) error {
		return func(tx kv.Tx) error { return tx.Set(key, value) }
	}
	blobKey := binary.BigEndian.AppendUint32(append48([]byte{0xF0, 'b'}, uint64(r.Content)), 0)
	for name, c := range map[string]struct {
		damage func(kv.Tx) error
		want   string
	}{
		"count":          {folder(in, func(f *Folder) { f.Unseen++ }), "unseen"},
		"usage":          {folder(in, func(f *Folder) { f.Bytes++ }), "the account says it holds"},
		"name":           {folder(sent, func(f *Folder) { f.Name = "a\n" }), "not allowed"},
		"same name":      {folder(sent, func(f *Folder) { f.Name = "Trash" }), "the same name"},
		"same role":      {folder(sent, func(f *Folder) { f.Role = Trash }), "the same role"},
		"no parent":      {folder(sent, func(f *Folder) { f.Parent = 999 }), "parent folder doesn't exist"},
		"own parent":     {folder(sent, func(f *Folder) { f.Parent = f.ID }), "inside itself"},
		"UIDNEXT":        {folder(in, func(f *Folder) { f.UIDNext = 1 }), "UIDNEXT is 1"},
		"UIDVALIDITY":    {folder(sent, func(f *Folder) { f.UIDValidity += 100 }), "never given"},
		"folder modseq":  {folder(in, func(f *Folder) { f.HighestModSeq = f.Changed }), "beyond the folder's"},
		"folder changed": {folder(sent, func(f *Folder) { f.Changed += 100 }), "out of order"},
		"no folder":      {remove(folderKey(in.ID)), "there is no such folder"},
		"row":            {set(rowKey(in.ID, r.UID), []byte{recordVersion}), "damaged"},
		"no row":         {remove(rowKey(in.ID, r.UID)), "the index says"},
		"item ID":        {row(func(r *Row) { r.ID += 1000 }), "never given"},
		"size":           {row(func(r *Row) { r.Size++ }), "bytes"},
		"other content":  {row(func(r *Row) { r.Content = v.At(1).Content }), "2 and"},
		"flags":          {row(func(r *Row) { r.Flags = Deleted }), "has 3, 3, 1,"},
		"view":           {row(func(r *Row) { r.received++ }), "the view in memory is wrong"},
		"view keywords":  {row(func(r *Row) { r.Keywords = nil }), "the view in memory is wrong"},
		"same item":      {row(func(r *Row) { r.ID = v.At(1).ID }), "in two places"},
		"index":          {set(itemKey(r.ID), place{sent.ID, 1}.encode()), "the index says"},
		"no index":       {remove(itemKey(r.ID)), "in the index"},
		"no bag":         {remove(bagKey(r.ID)), "property bag"},
		"bag":            {set(bagKey(r.ID), []byte{recordVersion, 1, 200}), "property bag"},
		"foreign bag":    {set(bagKey(v.At(1).ID), Bag{}.encode()), "doesn't know of its property bag"},
		"references":     {set(contentKey(r.Content), contentRecord{size: r.Size, refs: 2, texts: 1}.encode()), "2 references"},
		"line ends":      {row(func(r *Row) { r.bare = !r.bare }), "that its lines gain"},
		"no content":     {remove(contentKey(r.Content)), "refer to"},
		"no summary":     {remove(summaryKey(r.Content)), "summaries"},
		"summary":        {set(summaryKey(777), nil), "summary 777 belongs to nothing"},
		"no fields":      {remove(fieldsKey(v.At(2).Content)), "0 of usual fields"},
		"no rest":        {remove(restKey(v.At(2).Content)), "0 of rest of the header"},
		"other rest":     {set(restKey(v.At(2).Content), []byte{1}), "the header of content"},
		"foreign fields": {set(fieldsKey(r.Content), nil), "belongs to nothing"},
		"foreign rest":   {set(restKey(777), nil), "belongs to nothing"},
		"not brief":      {set(summaryKey(v.At(2).Content), w.content("x").Summary()), "says nothing of a header that is apart"},
		"no bytes":       {remove(blobKey), "has 0 bytes"},
		"bytes":          {set(binary.BigEndian.AppendUint32(append48([]byte{0xF0, 'b'}, 777), 0), nil), "bytes of content 777"},
		"no keyword":     {remove(keywordKey(0)), "damaged"},
		"log":            {remove(logKey(in.HighestModSeq)), "the change log ends"},
		"log record":     {set(logKey(in.HighestModSeq), []byte{recordVersion}), "change log"},
	} {
		problems, err := w.damaged(c.damage)
		if all := strings.Join(problems, "\n"); err != nil || !strings.Contains(all, c.want) {
			t.Errorf("%s: no word of %q in %q, %v", name, c.want, all, err)
		}
	}
	_, err = w.damaged(set(keywordKey(5), []byte("five")))
	w.fails(fault.Corrupt, err)
}

// damaged checks Bob's account with some damage, and repairs it.
func (w *world) damaged(damage func(kv.Tx) error) (problems []string, err error) {
	w.Helper()
	return w.damagedOf(bob, damage)
}

// damagedOf does so with any account.
func (w *world) damagedOf(id ident.AccountID, damage func(kv.Tx) error) (problems []string, err error) {
	w.Helper()
	kept := map[string]string{}
	w.must(w.db.Update(w.ctx, partition(id), func(tx kv.Tx) error {
		for _, area := range []kv.Range{{Lo: []byte{0}, Hi: []byte{kv.BulkPrefix}}, {Lo: []byte{kv.BulkPrefix}, Hi: []byte{0xFF}}} {
			for p, err := range tx.Scan(area) {
				if err != nil {
					return err
				}
				kept[string(p.Key)] = string(p.Value)
			}
		}
		return damage(tx)
	}))
	problems, err = w.store.Check(w.ctx, id)
	w.must(w.db.Update(w.ctx, partition(id), func(tx kv.Tx) error {
		for _, area := range []kv.Range{{Lo: []byte{0}, Hi: []byte{kv.BulkPrefix}}, {Lo: []byte{kv.BulkPrefix}, Hi: []byte{0xFF}}} {
			if err := tx.DeleteRange(area.Lo, area.Hi); err != nil {
				return err
			}
		}
		for k, v := range kept {
			if err := tx.Set([]byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	}))
	return problems, err
}

// broken is a store on a disk that has lost what lies at some keys.
type broken struct {
	kv.DB
	lost func(key []byte) bool
}

func (b *broken) View(ctx context.Context, p kv.Partition, fn func(kv.Reader) error) error {
	return b.DB.View(ctx, p, func(r kv.Reader) error { return fn(&brokenReader{r, b.lost}) })
}

type brokenReader struct {
	kv.Reader
	lost func(key []byte) bool
}

func (r *brokenReader) Scan(rg kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		for p, err := range r.Reader.Scan(rg) {
			if err == nil && r.lost(p.Key) {
				yield(kv.Pair{}, fault.New(fault.Corrupt, "a damaged block"))
				return
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// TestCheckOfADamagedDisk: each message whose bytes are lost is told, and the rest is looked at.
func TestCheckOfADamagedDisk(t *testing.T) {
	w := newWorld(t)
	w.add(w.inbox(), 5)
	var contents []ContentID
	for _, r := range w.view(w.inbox()).All(0, 5) {
		contents = append(contents, r.Content)
	}
	db := &broken{w.db, func(key []byte) bool {
		id := uint64(contents[1])
		return key[0] == kv.BulkPrefix && len(key) > 7 && (read48(key[2:]) == id || read48(key[2:]) == uint64(contents[3]))
	}}
	problems, err := NewStore(db, w.options()).Check(w.ctx, ann)
	all := strings.Join(problems, "\n")
	for i, id := range contents {
		if lost := strings.Contains(all, fmt.Sprintf("content %d has 0 bytes", id)); lost != (i == 1 || i == 3) {
			t.Errorf("content %d is told to be lost: %v", id, lost)
		}
	}
	if err != nil || len(problems) != 3 {
		t.Errorf("%v\n%s", err, all)
	}
}
