package dns

import (
	"sync"
	"time"
)

// question is what is asked, and the key of what is remembered.
type question struct {
	name  string
	qtype uint16
}

// overhead is what an entry costs beyond the reply's own bytes, which take more room when parsed.
const overhead = 512

// cache remembers results in two generations: when the young one is full, the old one is forgotten.
type cache struct {
	half int // bytes in a generation

	mu         sync.Mutex // guards what follows
	young, old map[question]remembered
	bytes      int // in young
}

type remembered struct {
	res   *result
	until time.Time
}

func newCache(bytes int) *cache {
	return &cache{half: bytes / 2, young: map[question]remembered{}}
}

func (r remembered) cost(q question) int { return overhead + len(q.name) + 4*r.res.size }

// get returns a result that still holds, and for how long.
func (c *cache) get(q question, now time.Time) (*result, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.young[q]
	if !ok {
		if r, ok = c.old[q]; ok {
			delete(c.old, q)
			c.put(q, r)
		}
	}
	if left := r.until.Sub(now); ok && left > 0 {
		return r.res, left
	}
	return nil, 0
}

// keep remembers a result for as long as it holds. What is too large to be remembered isn't.
func (c *cache) keep(q question, res *result, now time.Time) {
	r := remembered{res, now.Add(res.ttl)}
	if res.ttl <= 0 || r.cost(q) > c.half {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(q, r)
}

func (c *cache) put(q question, r remembered) {
	if have, ok := c.young[q]; ok {
		c.bytes -= have.cost(q)
	}
	if c.bytes+r.cost(q) > c.half {
		c.young, c.old, c.bytes = map[question]remembered{}, c.young, 0
	}
	c.young[q] = r
	c.bytes += r.cost(q)
}
