package queue

import (
	"cmp"
	"context"
	"fmt"

	"postroad/internal/fault"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// Check looks for contradictions in the queue that lies in db, and gives report a line for each. It reads all of it.
func Check(ctx context.Context, db kv.DB, report func(problem string)) error {
	for shard := range uint8(Shards) {
		c := checker{report: func(format string, args ...any) {
			report(fmt.Sprintf("queue shard %d: ", shard) + fmt.Sprintf(format, args...))
		}, left: map[msgNum]uint64{}, stored: map[msgNum]blob.Stored{}}
		if err := db.View(ctx, partition(shard), c.shard); err != nil {
			return err
		}
	}
	return nil
}

type checker struct {
	report func(format string, args ...any)
	left   map[msgNum]uint64 // items of each message that were found
	stored map[msgNum]blob.Stored
	items  uint64
}

func (c *checker) shard(r kv.Reader) error {
	for _, step := range []func(kv.Reader) error{c.contents, c.allItems, c.allMessages, c.dueIndex, c.markIndex} {
		if err := step(r); err != nil {
			return err
		}
	}
	return nil
}

func scan(r kv.Reader, prefix byte, fn func(p kv.Pair) error) error {
	for p, err := range r.Scan(all(prefix)) {
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

// allItems: each stands in the indexes where it says.
func (c *checker) allItems(r kv.Reader) error {
	return scan(r, keyItem, func(p kv.Pair) error {
		n, rcpt := splitItem(p.Key[1:])
		c.left[n]++
		c.items++
		it, err := decodeItem(p.Value)
		if err != nil {
			c.report("item %d.%d: %v", n, rcpt, err)
			return nil
		}
		if it.due == 0 && it.state == Waiting || it.mark == 0 && it.state != Held {
			c.report("item %d.%d is %v, but will never be looked at", n, rcpt, it.state)
		}
		if it.due != 0 {
			if _, ok, err := r.Get(dueKey(it.dest, it.lane, it.due, n, rcpt)); err != nil || !ok {
				c.report("item %d.%d is not in the index of due ones (%v)", n, rcpt, err)
			}
		}
		if it.mark != 0 {
			if _, ok, err := r.Get(markKey(it.mark, n, rcpt)); err != nil || !ok {
				c.report("item %d.%d is not in the index of marks (%v)", n, rcpt, err)
			}
		}
		return nil
	})
}

// allMessages: each has a name, as many items as it says, and its content.
func (c *checker) allMessages(r kv.Reader) error {
	h, err := readHead(r)
	if err != nil {
		return err
	}
	var messages uint64
	err = scan(r, keyMessage, func(p kv.Pair) error {
		messages++
		n, _ := splitItem(append(p.Key[1:7:7], 0, 0, 0, 0))
		m, err := decodeMessage(p.Value)
		if err != nil {
			c.report("message %d: %v", n, err)
			return nil
		}
		if c.left[n] != m.items {
			c.report("message %d has %d items, and says %d", n, c.left[n], m.items)
		}
		delete(c.left, n)
		if uint64(n) > h.given {
			c.report("message %d has a number that was not given", n)
		}
		if name, ok, err := r.Get(nameKey(m.env.ID)); err != nil || !ok || string(name) != string(appendMsg(nil, n)) {
			c.report("message %d is not found under its name %q (%v)", n, m.env.ID, err)
		}
		b, known := c.stored[n]
		if !known {
			b, err = blob.Stat(r, blob.ID(n))
		}
		if err = cmp.Or(err, b.Damage); err != nil || b.Bytes != m.size {
			c.report("message %d has %d bytes of content, and says %d (%v)", n, b.Bytes, m.size, err)
		}
		return nil
	})
	for n, k := range c.left {
		c.report("%d items have no message %d", k, n)
	}
	if messages != h.messages || c.items != h.items {
		c.report("there are %d messages and %d items, and the head says %d and %d", messages, c.items, h.messages, h.items)
	}
	return err
}

func (c *checker) dueIndex(r kv.Reader) error {
	return scan(r, keyDue, func(p kv.Pair) error {
		dest, lane, due, n, rcpt, ok := splitDue(p.Key)
		if !ok {
			c.report("strange key %x", p.Key)
			return nil
		}
		it, there, err := readItem(r, n, rcpt)
		if err != nil || !there || it.due != due || it.dest != dest || it.lane != lane {
			c.report("item %d.%d stands wrongly in the index of due ones (%v)", n, rcpt, err)
		}
		return nil
	})
}

func (c *checker) markIndex(r kv.Reader) error {
	return scan(r, keyMark, func(p kv.Pair) error {
		at, n, rcpt := splitTimed(p.Key[1:])
		if it, there, err := readItem(r, n, rcpt); err != nil || !there || it.mark != at {
			c.report("item %d.%d stands wrongly in the index of marks (%v)", n, rcpt, err)
		}
		return nil
	})
}

// contents: none that nobody knows.
func (c *checker) contents(r kv.Reader) error {
	for b, err := range blob.All(r) {
		if fault.Is(err, fault.Corrupt) { // what is lost is found for each message
			c.report("the contents can't be read to their end: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
		n := msgNum(b.ID)
		c.stored[n] = b
		if _, ok, err := r.Get(messageKey(n)); err != nil || ok {
			continue
		}
		if _, ok, err := r.Get(stagedKey(n)); err == nil && !ok {
			c.report("content %d belongs to nothing", n)
		}
	}
	return nil
}
