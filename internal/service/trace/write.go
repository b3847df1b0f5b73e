package trace

import (
	"context"
	"errors"
	"time"

	"postroad/internal/storage/kv"
)

// Flush writes down all that was noted before. It does not wait for a sync of the disk.
func (l *Log) Flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	var err error
	for {
		b, sealed := l.nextDirty()
		if b == nil {
			break
		}
		if e := l.write(ctx, b); e != nil {
			err = errors.Join(err, e)
			if !sealed {
				break // later, with what comes
			}
		}
		if !sealed {
			break
		}
	}
	l.tellLost()
	return err
}

// nextDirty gives what is to be written next, as it is now; nil: nothing. sealed: it gets no more, and is not given again.
func (l *Log) nextDirty() (b *snapshot, sealed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = false
	if len(l.sealed) > 0 {
		b := l.sealed[0]
		l.sealed[0] = nil
		l.sealed = l.sealed[1:]
		return &snapshot{block: *b, of: b}, true
	}
	if l.open.dirty == 0 {
		return nil, false
	}
	b = &snapshot{block: *l.open, of: l.open}
	return b, false
}

// write writes a block, in place of what was there of it, and makes room for it. l.writing is held.
func (l *Log) write(ctx context.Context, b *snapshot) error {
	body, err := l.packer.pack(b.raw)
	if err != nil {
		return err
	}
	var head []byte
	head, l.packer.hashes = b.encodeIndex(len(body), l.packer.hashes)
	var s state
	err = l.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		s = l.state
		s.next = max(s.next, b.seq+1)
		s.bytes += int64(len(head)+len(body)) - b.written
		if err := l.cut(tx, &s); err != nil {
			return err
		}
		return errors.Join(tx.Set(indexKey(b.seq), head), tx.Set(bodyKey(b.seq), body), tx.Set(stateKey(), s.encode()))
	})
	if err != nil {
		return err
	}
	l.state = s
	l.mu.Lock()
	b.of.dirty -= b.dirty
	b.of.written = int64(len(head) + len(body))
	l.mu.Unlock()
	return nil
}

const (
	tidyEvery = time.Hour
	// cutAtOnce is how many blocks go in one transaction.
	cutAtOnce = 16
)

// cut removes the oldest blocks, as far as they are beyond the limits; never the newest one.
func (l *Log) cut(tx kv.Tx, s *state) error {
	oldest := l.o.Now().Add(-l.o.Horizon).UnixMicro()
	for range cutAtOnce {
		if s.first+1 >= s.next {
			return nil
		}
		v, ok, err := tx.Get(indexKey(s.first))
		if err != nil {
			return err
		}
		if ok {
			x, fine := readIndex(v)
			if fine && x.to >= oldest && s.bytes <= l.o.Bytes {
				return nil
			}
			s.bytes = max(0, s.bytes-int64(len(v)+x.size))
			if err := errors.Join(tx.Delete(indexKey(s.first)), tx.Delete(bodyKey(s.first))); err != nil {
				return err
			}
		}
		s.first++
	}
	return nil
}

// Tidy forgets what is beyond the limits, and writes down what is left of that.
func (l *Log) Tidy(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	for ctx.Err() == nil {
		s := l.state
		err := l.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
			s = l.state
			if err := l.cut(tx, &s); err != nil || s == l.state {
				return err
			}
			return tx.Set(stateKey(), s.encode())
		})
		if err != nil || s == l.state {
			return err
		}
		l.state = s
	}
	return ctx.Err()
}

// tellLost says once how many events were lost since the last time. l.writing is held.
func (l *Log) tellLost() {
	l.mu.Lock()
	lost := l.lost
	l.mu.Unlock()
	if lost != l.told {
		l.o.Logger.Warn("the disk is too slow to trace all messages", "lost", lost-l.told)
		l.told = lost
	}
}
