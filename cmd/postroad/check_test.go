package main

import (
	"strings"
	"testing"

	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/service/queue"
	"postroad/internal/storage/kv"
)

// TestCheckReadsTheQueue: an item that no index leads to, which nobody would ever try, is found.
func TestCheckReadsTheQueue(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.fill("a1")
	if out := s.do("", "check"); out != "all is well\n" {
		t.Errorf("%q", out)
	}
	s.loseDueIndex()
	status, out, _ := s.try("", "check")
	if status == exitOK || !strings.HasPrefix(out, "queue: shard ") || !strings.Contains(out, "is not in the index of due ones") {
		t.Errorf("%d %q", status, out)
	}
}

// loseDueIndex takes the index of what is to be tried out of a stopped server's queue.
func (s shell) loseDueIndex() {
	s.t.Helper()
	c, err := config.Load(s.args[1])
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := server.OpenStore(s.t.Context(), c, server.World{}, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer store.Close()
	for shard := range kv.Partition(queue.Shards) {
		err := store.DB.Update(s.t.Context(), queue.FirstPartition+shard, func(tx kv.Tx) error {
			return tx.DeleteRange([]byte{'d'}, []byte{'e'})
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}
