package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/server"
	"postroad/internal/service/acme"
	"postroad/internal/service/oauth"
	"postroad/internal/storage/kv"
)

// debugCmd groups the commands that look at what is stored, as text.
type debugCmd struct {
	Account debugAccount `cmd:"" help:"Print an account's folders and its newest changes."`
	Keys    debugKeys    `cmd:"" help:"Print the raw keys of a partition."`
	Message debugMessage `cmd:"" help:"Print what the server makes of a message; it needs no server."`
}

// withStore opens the store itself: these commands read what no API shows.
func (g *Globals) withStore(ctx context.Context, fn func(*server.Store) error) error {
	c, err := g.settings()
	if err != nil {
		return err
	}
	s, err := openStopped(ctx, c)
	if fault.Is(err, fault.InUse) {
		return fault.New(fault.InUse, "stop the server first: debug reads the store itself")
	}
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Close())
}

type debugAccount struct {
	Address string `arg:"" help:"The account's address."`
	Changes int    `help:"How many of the newest changes to print." default:"50"`
}

func (c *debugAccount) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withStore(ctx, func(s *server.Store) error {
		a, err := s.Directory.AccountByAddress(ctx, c.Address)
		if err != nil {
			return err
		}
		box, err := s.Mailboxes.Open(ctx, a.ID, ident.System())
		if err != nil {
			return err
		}
		defer box.Close()
		st := box.State()
		fmt.Fprintf(t.out, "account %d  change %d  floor %d  items %d  bytes %d\n\n", st.Account, st.Change, st.Floor, st.Used.Items, st.Used.Bytes)
		printFolders(t, box)
		return c.printChanges(ctx, t, box)
	})
}

func printFolders(t terminal, box *mailbox.Session) {
	rows := [][]string{}
	for _, f := range box.Folders() {
		rows = append(rows, []string{num(f.ID), num(f.Parent), f.Name, num(f.UIDValidity), num(f.UIDNext), num(f.HighestModSeq), num(f.Items), num(f.Unseen), num(f.Bytes)})
	}
	table(t, "FOLDER PARENT NAME UIDVALIDITY UIDNEXT MODSEQ ITEMS UNSEEN BYTES", rows)
	fmt.Fprintln(t.out)
}

func (c *debugAccount) printChanges(ctx context.Context, t terminal, box *mailbox.Session) error {
	st, rows := box.State(), [][]string{}
	after := st.Floor
	if n := mailbox.ModSeq(c.Changes); st.Change > after+n {
		after = st.Change - n
	}
	err := box.Log(ctx, after, func(ch mailbox.Change) error {
		rows = append(rows, []string{num(ch.Seq), changeName(ch.Op), num(ch.Folder), num(ch.UID), num(ch.Item), ch.At.UTC().Format(time.DateTime)})
		return nil
	})
	table(t, "CHANGE WHAT FOLDER UID ITEM AT", rows)
	return err
}

// changeNames are the log's words for what happened.
var changeNames = map[mailbox.ChangeOp]string{
	mailbox.ItemAdded: "item-added", mailbox.ItemFlagged: "item-flagged", mailbox.ItemRemoved: "item-removed",
	mailbox.ItemMovedOut: "item-moved-out", mailbox.ItemMovedIn: "item-moved-in",
	mailbox.ItemRewrittenOut: "item-rewritten-out", mailbox.ItemRewritten: "item-rewritten", mailbox.ItemChanged: "item-changed",
	mailbox.FolderAdded: "folder-added", mailbox.FolderChanged: "folder-changed", mailbox.FolderRemoved: "folder-removed",
	mailbox.AccountChanged: "account-changed",
}

func changeName(op mailbox.ChangeOp) string {
	if n := changeNames[op]; n != "" {
		return n
	}
	return fmt.Sprint(op)
}

func num[T ~int | ~int64 | ~uint32 | ~uint64](n T) string { return fmt.Sprintf("%d", n) }

type debugKeys struct {
	Partition string `arg:"" help:"Its number: an account's, or \"directory\"."`
	Prefix    string `help:"Only keys that begin with these bytes, in hex." placeholder:"HEX"`
	Limit     int    `help:"Most keys to print." default:"1000"`
	Values    bool   `help:"Print values too, in hex."`
}

func (c *debugKeys) Run(ctx context.Context, g *Globals, t terminal) error {
	p, err := partitionOf(c.Partition)
	if err != nil {
		return err
	}
	prefix, err := hex.DecodeString(c.Prefix)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "--prefix is not hex")
	}
	return g.withStore(ctx, func(s *server.Store) error {
		return s.DB.View(ctx, p, func(r kv.Reader) error { return c.print(t, p, r, prefix) })
	})
}

// print scans the records, then the bulk: a scan stays within one of the two.
func (c *debugKeys) print(t terminal, p kv.Partition, r kv.Reader, prefix []byte) error {
	left := c.Limit
	for _, area := range []kv.Range{{Lo: []byte{0}, Hi: []byte{kv.BulkPrefix}}, {Lo: []byte{kv.BulkPrefix}, Hi: []byte{0xFF, 0xFF}}} {
		for pair, err := range r.Scan(area) {
			if err != nil {
				return err
			}
			if left == 0 {
				fmt.Fprintln(t.out, "...")
				return nil
			}
			if len(pair.Key) < len(prefix) || string(pair.Key[:len(prefix)]) != string(prefix) {
				continue
			}
			left--
			c.printPair(t, p, pair)
		}
	}
	return nil
}

func (c *debugKeys) printPair(t terminal, p kv.Partition, pair kv.Pair) {
	fmt.Fprintf(t.out, "%s %s  %d bytes\n", strconv.QuoteRuneToASCII(rune(pair.Key[0])), hex.EncodeToString(pair.Key[1:]), len(pair.Value))
	switch {
	case !c.Values:
	case directory.IsSecret(p, pair.Key), acme.IsSecret(p, pair.Key), oauth.IsSecret(p, pair.Key):
		fmt.Fprintln(t.out, "  (secret)")
	default:
		fmt.Fprintf(t.out, "  %x\n", pair.Value)
	}
}

func partitionOf(s string) (kv.Partition, error) {
	if s == "directory" {
		return server.DirectoryPartition, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return kv.Partition(n), fault.Wrap(fault.Invalid, err, "a partition is a number, or \"directory\"")
}
