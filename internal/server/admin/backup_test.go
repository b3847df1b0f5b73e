package admin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/backup"
	"postroad/internal/storage/kv"
)

// shown is all that an origin shows, by partition; sizes are compared with what is read.
func shown(t *testing.T, o backup.Origin) map[kv.Partition]string {
	t.Helper()
	ps, err := o.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[kv.Partition]string{}
	for _, p := range ps {
		for _, r := range [][2]byte{{0, kv.BulkPrefix}, {kv.BulkPrefix, 0xFF}} {
			var keys []kv.Sized
			for s, err := range o.Sizes(t.Context(), p, r[:1], []byte{r[1]}) {
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, kv.Sized{Key: append([]byte(nil), s.Key...), Size: s.Size})
			}
			err := o.Read(t.Context(), p, r[:1], []byte{r[1]}, func(pair kv.Pair) error {
				if len(keys) == 0 || string(keys[0].Key) != string(pair.Key) || keys[0].Size != len(pair.Value) {
					return errors.New("sizes and pairs differ")
				}
				keys = keys[1:]
				all[p] += string(pair.Key) + "=" + string(pair.Value) + "\n"
				return nil
			})
			if err != nil || len(keys) > 0 {
				t.Fatal(err, keys)
			}
		}
	}
	return all
}

// A client sees of the store what Direct sees, as it stood when the backup began.
func TestBackupThroughTheServer(t *testing.T) {
	d, c := movers(t)
	if _, err := d.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, letters(nil, "one", strings.Repeat("long ", 200_000))); err != nil {
		t.Fatal(err)
	}
	local, err := d.BeginBackup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	remote, err := c.BeginBackup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddAccount(t.Context(), NewAccount{Address: "bob@example.org"}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(shown(t, local), shown(t, remote)); d != "" {
		t.Error(d)
	}
	if err := remote.Mark(t.Context(), "repository", "run"); err != nil {
		t.Error(err)
	}
	for range remote.Sizes(t.Context(), 1, []byte{0}, []byte{kv.BulkPrefix}) {
		break // whoever has seen enough
	}
	failed := errors.New("enough")
	if err := remote.Read(t.Context(), 1, []byte{0}, []byte{kv.BulkPrefix}, func(kv.Pair) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("Read: %v", err)
	}
	if err := remote.Read(t.Context(), 1, []byte{5}, []byte{4}, func(kv.Pair) error { return nil }); !fault.Is(err, fault.Invalid) {
		t.Errorf("Read of a range that is none: %v", err)
	}
	if err := remote.Close(); err != nil {
		t.Error(err)
	}
	if _, err := remote.Partitions(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the end: %v", err)
	}
	if err := remote.Read(t.Context(), 1, []byte{0}, []byte{9}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the end: %v", err)
	}
}

// A few backups at a time; and the end of the server ends them.
func TestBackupsAreFew(t *testing.T) {
	d, c := movers(t)
	var open []BackupOrigin
	for range maxMoments {
		o, err := c.BeginBackup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, o)
	}
	if _, err := c.BeginBackup(t.Context()); !fault.Is(err, fault.RateLimited) {
		t.Errorf("one more: %v", err)
	}
	d.EndBackups()
	if err := d.db.Close(); err != nil {
		t.Error(err)
	}
	for _, o := range open {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.BeginBackup(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("when the server has ended: %v", err)
	}
}

// An account comes back through the server as it was, and not at all if its stream is cut off.
func TestRestoreAccountThroughTheServer(t *testing.T) {
	d, c := movers(t)
	if _, err := d.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, letters(nil, "one", strings.Repeat("long ", 200_000))); err != nil {
		t.Fatal(err)
	}
	var pairs []kv.Pair
	local, err := d.BeginBackup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]byte{{0, kv.BulkPrefix}, {kv.BulkPrefix, 0xFF}} {
		err = errors.Join(err, local.Read(t.Context(), 1, r[:1], []byte{r[1]}, func(p kv.Pair) error {
			pairs = append(pairs, kv.Pair{Key: append([]byte(nil), p.Key...), Value: append([]byte(nil), p.Value...)})
			return nil
		}))
	}
	if err := errors.Join(err, local.Close()); err != nil {
		t.Fatal(err)
	}
	before := exported(t, c)
	from := func(put func(kv.Pair) error) error {
		for _, p := range pairs {
			if err := put(p); err != nil {
				return err
			}
		}
		return nil
	}
	ann := AccountCopy{Address: "ann@example.org", Name: "Ann", Enabled: false, QuotaBytes: 1 << 30}
	if _, err := c.RestoreAccount(t.Context(), ann, from); !fault.Is(err, fault.Exists) {
		t.Errorf("beside the old one: %v", err)
	}
	if err := d.RemoveAccount(t.Context(), Removal{Address: ann.Address, Now: true}); err != nil {
		t.Fatal(err)
	}
	cut := func(put func(kv.Pair) error) error { return errors.Join(from(put), context.Canceled) }
	if _, err := c.RestoreAccount(t.Context(), ann, cut); err == nil {
		t.Error("a stream that was cut off made an account")
	}
	if _, err := c.RestoreAccount(t.Context(), ann, func(put func(kv.Pair) error) error { return put(kv.Pair{Key: []byte("x"), Value: []byte("y")}) }); !fault.Is(err, fault.Invalid) {
		t.Errorf("what is no mailbox: %v", err)
	}
	for range 2000 { // a line longer than a buffer
		ann.Belongings.Ways = append(ann.Belongings.Ways, directory.Way{Kind: directory.WayAlias, From: strings.Repeat("a", 60) + "@elsewhere.example", To: "ann@example.org", Direct: true})
	}
	ann.Belongings.Address = ann.Address
	made, err := c.RestoreAccount(t.Context(), ann, from)
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "Ann" || made.Enabled || made.QuotaBytes != 1<<30 || made.UsedItems != 2 || len(made.Left) != 2000 {
		t.Errorf("made %+v", made)
	}
	if d := cmp.Diff(before, exported(t, c)); d != "" {
		t.Error(d)
	}
	if problems, err := d.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
