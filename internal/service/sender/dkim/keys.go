package dkim

import "sync"

// maxKeys is how many keys are remembered: with their records they are of 1 to 8 KB each.
const maxKeys = 1000

// Keys remembers what keys say, by their records: reading one costs half as much as verifying a signature. It asks nobody, and knows nothing of
// who has which. The zero value is ready; a nil one remembers nothing. It is safe for concurrent use.
type Keys struct {
	mu       sync.Mutex
	byRecord map[string]*Key // which don't change; guarded by mu
}

// parse is ParseKey.
func (c *Keys) parse(record string) (*Key, error) {
	if c == nil {
		return ParseKey(record)
	}
	c.mu.Lock()
	k := c.byRecord[record]
	c.mu.Unlock()
	if k != nil {
		return k, nil
	}
	k, err := ParseKey(record)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byRecord == nil || len(c.byRecord) >= maxKeys { // who is asked for all the time is soon back
		c.byRecord = make(map[string]*Key)
	}
	c.byRecord[record] = k
	return k, nil
}
