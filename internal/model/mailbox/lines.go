package mailbox

import (
	"bytes"
	"context"

	"postroad/internal/storage/kv"
)

// lineCounter counts what a message would gain if each of its lines ended with CRLF: an octet for each LF that stands alone, and
// an end for the last line. POP3 has to say such sizes (RFC 1939 §11).
type lineCounter struct {
	extra int64
	last  byte // 0: there was none
}

func (l *lineCounter) write(p []byte) {
	if len(p) == 0 {
		return
	}
	before := l.last // stands in front of p[at]
	l.last = p[len(p)-1]
	for at := 0; ; {
		i := bytes.IndexByte(p[at:], '\n')
		if i < 0 {
			return
		}
		if i > 0 {
			before = p[at+i-1]
		}
		if before != '\r' {
			l.extra++
		}
		before, at = '\n', at+i+1
	}
}

// end is the sum, for the last line too.
func (l *lineCounter) end() int64 {
	if l.last != 0 && l.last != '\n' {
		return l.extra + 2
	}
	return l.extra
}

// BareLines reports whether the item's content has lines that don't end with CRLF: see LineOctets.
func (r *Row) BareLines() bool { return r.bare }

// LineOctets tells for each row how many octets more than Size it takes to send the content with CRLF at each line's end. Of those
// that were stored before this was noted, it is 0.
func (s *Session) LineOctets(ctx context.Context, rows []*Row) ([]int64, error) {
	extra := make([]int64, len(rows))
	err := s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		for i, row := range rows {
			if !row.bare {
				continue
			}
			value, ok, err := r.Get(contentKey(row.Content))
			if err != nil {
				return err
			}
			if !ok {
				continue // expunged meanwhile
			}
			c, err := decodeContent(value)
			if err != nil {
				return err
			}
			extra[i] = c.extra
		}
		return nil
	})
	return extra, err
}
