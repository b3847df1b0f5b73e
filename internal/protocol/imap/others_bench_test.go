package imap

import (
	"context"
	"fmt"
	"testing"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// BenchmarkList tells what a LIST of one's own 50 folders costs where nobody can share, where the client shares nothing, and
// where 100 others share a folder each with it.
func BenchmarkList(b *testing.B) {
	run := func(name string, w *world) {
		s := w.open("ann")
		for i := range 44 {
			_, err := s.CreateFolder(context.Background(), mailbox.NewFolder{Name: fmt.Sprintf("folder %d", i)})
			must(b, err)
		}
		b.Run(name, func(b *testing.B) {
			c := w.bench()
			b.ReportAllocs()
			for b.Loop() {
				c.do(b, `LIST "" *`)
			}
		})
	}
	run("alone", newWorld(b))
	run("sharing-nothing", sharingWorld(b))
	w := sharingWorld(b)
	ctx := context.Background()
	for i := range 100 {
		a, err := w.dir.AddAccount(ctx, directory.NewAccount{Address: fmt.Sprintf("u%d@demo.test", i)})
		must(b, err)
		must(b, w.store.Create(ctx, a.ID, mailbox.Usage{}))
		w.accounts[a.Address] = a.ID
		s, err := w.store.Open(ctx, a.ID, ident.Identity{Account: a.ID})
		must(b, err)
		inbox, _ := s.FolderByRole(mailbox.Inbox)
		must(b, s.SetGrants(ctx, inbox.ID, []mailbox.Grant{{Kind: mailbox.ToAccount, ID: uint64(w.accounts["ann"]), Rights: mailbox.RightLookup | mailbox.RightRead}}))
		s.Close()
	}
	run("of-100-others", w)
}
