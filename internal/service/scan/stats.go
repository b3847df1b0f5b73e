package scan

import (
	"sync/atomic"
	"time"
)

// Stats are totals of one program since its Set was made.
type Stats struct {
	Name string
	// Actions counts messages by what it had become of them; failures and what it wasn't shown are not among them.
	Actions map[Action]uint64
	Viruses uint64
	// Failed counts messages for which it gave no answer, Skipped those that were too large for it.
	Failed, Skipped uint64
	// Took is how long it was waited for, in all.
	Took time.Duration
}

type counts struct {
	actions                  [actions]atomic.Uint64
	viruses, failed, skipped atomic.Uint64
	took                     atomic.Int64 // nanoseconds
}

func (c *counts) add(f *Finding) {
	c.took.Add(int64(f.Took))
	c.outcome(f)
}

// outcome counts what came of a message, without the time.
func (c *counts) outcome(f *Finding) {
	switch {
	case f.Failed:
		c.failed.Add(1)
		return
	case f.Skipped:
		c.skipped.Add(1)
		return
	case f.Virus != "":
		c.viruses.Add(1)
	}
	c.actions[f.Action].Add(1)
}

// Stats returns the counts, in the order of the settings.
func (s *Set) Stats() []Stats {
	if s == nil {
		return nil
	}
	all := make([]Stats, len(s.programs))
	for i, p := range s.programs {
		c := &p.counts
		all[i] = Stats{Name: p.Name, Actions: map[Action]uint64{}, Viruses: c.viruses.Load(), Failed: c.failed.Load(), Skipped: c.skipped.Load(), Took: time.Duration(c.took.Load())}
		for a := range actions {
			all[i].Actions[a] = c.actions[a].Load()
		}
	}
	return all
}
