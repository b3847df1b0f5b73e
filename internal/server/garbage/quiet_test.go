package garbage

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestCalm(t *testing.T) {
	const mb = 1 << 20
	start := time.Unix(1000, 0)
	steps := []struct {
		what string
		at   time.Duration
		m    memory
		want bool
	}{
		{"at the beginning much was allocated", 0, memory{allocated: 50 * mb, objects: 40 * mb, live: 20 * mb}, false},
		{"then nothing was, and half is garbage", 2 * time.Second, memory{allocated: 50 * mb, objects: 40 * mb, live: 20 * mb}, true},
		{"it has just been given back", 4 * time.Second, memory{allocated: 50 * mb, objects: 20 * mb, live: 20 * mb}, false},
		{"garbage again, but too soon", 6 * time.Second, memory{allocated: 50 * mb, objects: 40 * mb, live: 20 * mb}, false},
		{"work is being done", 8 * time.Second, memory{allocated: 52 * mb, objects: 40 * mb, live: 20 * mb}, false},
		{"some garbage", 10 * time.Second, memory{allocated: 52*mb + mb/2, objects: 24 * mb, live: 20 * mb}, true},
		{"too little", 20 * time.Second, memory{allocated: 53 * mb, objects: 23 * mb, live: 20 * mb}, false},
		{"memory with nothing in it", 22 * time.Second, memory{allocated: 53 * mb, objects: 20 * mb, live: 20 * mb, free: 9 * mb, stacks: 80 * mb}, true},
		{"stacks have shrunk: they may once more", 30 * time.Second, memory{allocated: 53 * mb, objects: 20 * mb, live: 20 * mb, stacks: 40 * mb}, true},
		{"they haven't", 40 * time.Second, memory{allocated: 53 * mb, objects: 20 * mb, live: 20 * mb, stacks: 40 * mb}, false},
		{"too little for a large heap", 50 * time.Second, memory{allocated: 53 * mb, objects: 1040 * mb, live: 1000 * mb, stacks: 40 * mb}, false},
		{"enough for it", 60 * time.Second, memory{allocated: 53 * mb, objects: 1080 * mb, live: 1000 * mb, stacks: 40 * mb}, true},
		{"live is told anew before objects", 70 * time.Second, memory{allocated: 53 * mb, objects: 10 * mb, live: 20 * mb, stacks: 40 * mb}, false},
	}
	var c calm
	for _, s := range steps {
		if got := c.worth(s.m, start.Add(s.at)); got != s.want {
			t.Errorf("%s: %v", s.what, got)
		}
	}
}

// TestTidyWhenQuiet sees that garbage is collected though nothing happens, and the memory given back.
func TestTidyWhenQuiet(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	synctest.Test(t, func(*testing.T) {
		end := tidyWhenQuiet()
		defer end()
		var garbage [][]byte
		for range 32 {
			garbage = append(garbage, make([]byte, 1<<20))
		}
		before := usage()
		runtime.KeepAlive(garbage)
		time.Sleep(5 * lookEvery) // of a clock that stands still while anything runs
		synctest.Wait()
		if now := usage(); now.objects+16<<20 > before.objects {
			t.Errorf("%d MB are in use, %d before", now.objects>>20, before.objects>>20)
		}
	})
}
