package blob_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/kvtest"
	"postroad/internal/storage/kv/pebble"
)

// staged is a workload that writes blobs as a model does with large messages: staged
// first, then referred to. Whatever happens, what is referred to is there and whole.
func staged() kvtest.Trial[blob.ID] {
	return kvtest.Trial[blob.ID]{
		Open: func(fs vfs.FS) (kv.DB, error) {
			return pebble.Open("db", pebble.Options{FS: fs, MemtableBytes: 256 << 10})
		},
		Work:   workStaged,
		Check:  checkStaged,
		Points: 30,
	}
}

func content(id blob.ID) []byte {
	return bytes.Repeat([]byte{byte(id) + 1}, int(id)*30_000+100)
}

func refKey(id blob.ID) []byte { return binary.BigEndian.AppendUint64([]byte("ref"), uint64(id)) }

func workStaged(t testing.TB, db kv.DB, ack func(blob.ID)) {
	for id := range blob.ID(12) {
		data := content(id)
		err := blob.Stage(context.Background(), db, 1, id, bytes.NewReader(data), int64(len(data)))
		if err == nil {
			err = db.Update(context.Background(), 1, func(tx kv.Tx) error { return tx.Set(refKey(id), nil) })
		}
		switch {
		case err == nil:
			ack(id)
		case !fault.Is(err, fault.Unavailable):
			t.Errorf("writing blob %d: %v", id, err)
		}
	}
}

func checkStaged(t testing.TB, db kv.DB, acked []blob.ID) {
	err := db.View(context.Background(), 1, func(r kv.Reader) error {
		for _, id := range acked {
			if _, ok, err := r.Get(refKey(id)); !ok || err != nil {
				t.Errorf("the acknowledged blob %d is not referred to, %v", id, err)
			}
		}
		for p, err := range r.Scan(kv.Range{Lo: []byte("ref"), Hi: []byte("reg")}) {
			if err != nil {
				return err
			}
			id := blob.ID(binary.BigEndian.Uint64(p.Key[3:]))
			want := content(id)
			if got, err := blob.AppendTo(r, nil, id, 0, int64(len(want))); err != nil || !bytes.Equal(got, want) {
				t.Errorf("blob %d is referred to, but has %d of %d bytes, %v", id, len(got), len(want), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStagedBlobsSurviveACrash(t *testing.T) { kvtest.CrashPoints(t, staged()) }

func TestStagedBlobsOnAFailingDisk(t *testing.T) { kvtest.FaultPoints(t, staged()) }
