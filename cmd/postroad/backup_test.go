package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The long form: scripts/backup.sh
var (
	backupMessages = flag.Int("backup.messages", 900, "how many messages TestBackup delivers")
	backupRuns     = flag.Int("backup.runs", 3, "how often TestBackup backs up meanwhile")
)

// TestBackup backs up again and again while many deliver. Then the disk is wiped and the last run restored: every
// message that was acknowledged before it began is there once, byte for byte, nothing contradicts itself, and what has
// come later can be there or not, but not twice.
func TestBackup(t *testing.T) {
	t.Parallel()
	k := &killing{t: t, p: install(t, "user0", "user1", "user2"), outcome: make([]atomic.Int32, *backupMessages)}
	dir := k.p.path("backup")
	k.p.start()
	var senders sync.WaitGroup
	step := *backupMessages / (*backupRuns + 1)
	k.deliverUntil(step, false)
	var certain []int32
	for n := range *backupRuns {
		senders.Go(func() { k.deliverUntil(step*(n+2), false) })
		certain = k.states()
		k.p.must("", "backup", dir)
		senders.Wait()
	}
	if out := k.p.must("", "backup", "verify", dir); out != "all is well\n" {
		t.Error(out)
	}
	if out := k.p.must("", "backup", "list", dir); strings.Count(out, "\n") != *backupRuns+1 {
		t.Error(out)
	}
	k.p.kill()
	if out, err := k.p.command("restore", dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "move it away") {
		t.Errorf("restoring over a store: %s %v", out, err)
	}
	if err := os.RemoveAll(filepath.Join(k.p.dir, "data")); err != nil {
		t.Fatal(err)
	}
	if out := k.p.must("", "restore", dir); !strings.Contains(out, "equal to the backup") || !strings.HasSuffix(out, "all is well\n") {
		t.Error(out)
	}
	for i, state := range certain {
		if state != acknowledged && k.outcome[i].Load() == acknowledged {
			k.outcome[i].Store(unknown)
		}
	}
	k.p.start()
	k.verify()
	if err := k.p.stop(); err != nil {
		t.Error(err)
	}
	t.Logf("%d messages were acknowledged before the last run", k.count(acknowledged))
}

// states is what is known of each message now.
func (k *killing) states() []int32 {
	all := make([]int32, len(k.outcome))
	for i := range k.outcome {
		all[i] = k.outcome[i].Load()
	}
	return all
}

// One account comes back into a running server, and runs are pruned.
func TestRestoreAccount(t *testing.T) {
	t.Parallel()
	p := install(t, "ann", "ben")
	p.start()
	mail := p.path("Work.mbox")
	if err := os.WriteFile(mail, []byte("From x Sun Sep  9 01:46:40 2001\nSubject: 1\n\none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.must("", "import", "ann@example.test", mail)
	p.must("", "alias", "add", "sales@example.test", "ann@example.test")
	dir := p.path("backup")
	for range 3 {
		p.must("", "backup", dir)
	}
	if out := p.must("", "backup", dir, "--keep-runs", "2", "--json"); !strings.Contains(out, `"runs": 2`) {
		t.Error(out)
	}
	p.must("", "account", "remove", "--yes", "ann@example.test")
	if out := p.must("", "restore", dir, "--account", "ann@example.test"); !strings.HasPrefix(out, "ann@example.test is there again, with 1 messages") || !strings.HasSuffix(out, "\n  alias sales@example.test\n") {
		t.Error(out)
	}
	if out := p.must("", "restore", dir, "--account", "ann@example.test"); !strings.HasPrefix(out, "0 messages came back (0), 1 were there") {
		t.Error(out)
	}
	if out := p.must("", "restore", dir, "--account", "ann@example.test", "--into", "ben@example.test", "--under", "Ann"); !strings.HasPrefix(out, "1 messages came back") {
		t.Error(out)
	}
	for _, args := range [][]string{{"--account", "nobody@example.test"}, {"--under", "x"}, {"--run", "2001"}, {}} {
		if out, err := p.command(append([]string{"restore", dir}, args...)...).CombinedOutput(); err == nil {
			t.Errorf("%v: %s", args, out)
		}
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if out := p.must("", "check"); out != "all is well\n" {
		t.Error(out)
	}
}
