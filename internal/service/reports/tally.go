package reports

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// Limits of what is counted. What is over them isn't counted, but that is.
const (
	// maxPending is how many rows wait in memory to be added to those in the store.
	maxPending = 20_000
	// maxRows is how many rows a report may have, maxDayRows all of a day together, maxDayReports how many reports
	// there may be for a day.
	maxRows       = 5_000
	maxDayRows    = 200_000
	maxDayReports = 10_000
	// maxRow is the longest row.
	maxRow = 8 << 10
	// perBatch is how many rows are added in one transaction.
	perBatch = 1000
)

// tally counts in memory. It is safe for concurrent use.
type tally struct {
	limit int
	kick  chan struct{} // full when it is time to empty it

	mu       sync.Mutex
	counts   map[pendingRow]uint64 // guarded by mu
	policies map[subject]string    // guarded by mu
}

type pendingRow struct {
	subject
	what string
}

// add counts one. policy, if not "", is the subject's policy as it was published. It returns false if there is no room.
func (t *tally) add(s subject, what, policy string) bool {
	if len(what) > maxRow || len(policy) > maxRow || s.domain == "" || len(s.domain) > 253 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts, t.policies = map[pendingRow]uint64{}, map[subject]string{}
	}
	row := pendingRow{s, what}
	_, known := t.counts[row]
	if !known && len(t.counts) >= t.limit {
		return false
	}
	t.counts[row]++
	if policy != "" && t.policies[s] != policy {
		t.policies[s] = policy
	}
	if len(t.counts) == t.limit/2 && !known {
		select {
		case t.kick <- struct{}{}:
		default:
		}
	}
	return true
}

// take empties it.
func (t *tally) take() (map[pendingRow]uint64, map[subject]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts, policies := t.counts, t.policies
	t.counts, t.policies = nil, nil
	return counts, policies
}

// Flush adds what was counted to what lies in the store. Nothing is synced: counts may be lost, not torn.
func (s *Service) Flush(ctx context.Context) error {
	counts, policies := s.tally.take()
	ctx = context.WithoutCancel(ctx) // what was taken out is in no other place
	batch := make(map[pendingRow]uint64, min(len(counts), perBatch))
	for row, n := range counts {
		if batch[row] = n; len(batch) == perBatch {
			if err := s.merge(ctx, batch, policies); err != nil {
				return err
			}
			clear(batch)
		}
	}
	return s.merge(ctx, batch, policies)
}

// merge adds some rows.
func (s *Service) merge(ctx context.Context, rows map[pendingRow]uint64, policies map[subject]string) error {
	if len(rows) == 0 {
		return nil
	}
	return s.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		m := merger{tx: tx, days: map[day]*totals{}, reports: map[subject]*pending{}}
		dropped := uint64(0)
		for row, n := range rows {
			ok, err := m.row(row, n, policies[row.subject])
			if err != nil {
				return err
			}
			if !ok {
				dropped += n
			}
		}
		s.stats.dropped.Add(dropped)
		return m.write()
	})
}

// merger is one transaction that adds rows.
type merger struct {
	tx      kv.Tx
	days    map[day]*totals
	reports map[subject]*pending
}

// totals are a day's.
type totals struct{ rows, reports uint64 }

// pending is a report to be.
type pending struct {
	rows uint64
	// first and next are when the report is, or was, tried; zero: not yet.
	first, next time.Time
	attempts    uint64
	done        uint64 // a bit for each address that has it
	policy      string
}

// row adds to a row. ok is false if a limit keeps it out.
func (m *merger) row(row pendingRow, n uint64, policy string) (ok bool, err error) {
	day, err := m.day(row.day)
	if err != nil {
		return false, err
	}
	p, isNew, err := m.report(row.subject)
	if err != nil || isNew && day.reports >= maxDayReports {
		return false, err
	}
	key := row.key(row.what)
	had, known, err := readRow(m.tx, key)
	if err != nil || !known && (p.rows >= maxRows || day.rows >= maxDayRows) {
		return false, err
	}
	if isNew {
		day.reports++
	}
	if !known {
		p.rows++
		day.rows++
	}
	if policy != "" {
		p.policy = policy
	}
	m.reports[row.subject] = p
	return true, m.tx.Set(key, encodeRow(had+n, row.what))
}

func (r *pendingRow) key(what string) []byte { return r.subject.row(what) }

func (m *merger) day(d day) (*totals, error) {
	if t := m.days[d]; t != nil {
		return t, nil
	}
	a, b, err := readTotals(m.tx, dayKey(keyTotals, d))
	m.days[d] = &totals{a, b}
	return m.days[d], err
}

func (m *merger) report(s subject) (p *pending, isNew bool, err error) {
	if p := m.reports[s]; p != nil {
		return p, false, nil
	}
	v, ok, err := m.tx.Get(s.key())
	if err != nil || !ok {
		return &pending{}, true, err
	}
	p, err = decodePending(v)
	return p, false, err
}

func (m *merger) write() error {
	for s, p := range m.reports {
		if err := m.tx.Set(s.key(), p.encode()); err != nil {
			return err
		}
	}
	for d, t := range m.days {
		if err := m.tx.Set(dayKey(keyTotals, d), encodeTotals(t.rows, t.reports)); err != nil {
			return err
		}
	}
	return nil
}

func readRow(r kv.Reader, key []byte) (n uint64, ok bool, err error) {
	v, ok, err := r.Get(key)
	if err != nil || !ok {
		return 0, false, err
	}
	n, _, err = decodeRow(v)
	return n, true, err
}

func encodeRow(n uint64, what string) []byte {
	return append(binary.AppendUvarint([]byte{1}, n), what...)
}

func decodeRow(v []byte) (n uint64, what []byte, err error) {
	d := record.Decode(v, 1)
	if n = d.Uint(); d.Bad() {
		return 0, nil, fault.New(fault.Corrupt, "reports: a row can't be read")
	}
	return n, v[len(v)-d.Rest():], nil
}

// encodeTotals and readTotals are for the two kinds of days' totals.
func encodeTotals(a, b uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint([]byte{1}, a), b)
}

func readTotals(r kv.Reader, key []byte) (a, b uint64, err error) {
	v, ok, err := r.Get(key)
	if err != nil || !ok {
		return 0, 0, err
	}
	d := record.Decode(v, 1)
	if a, b = d.Uint(), d.Uint(); d.Bad() {
		err = fault.New(fault.Corrupt, "reports: a day's totals can't be read")
	}
	return a, b, err
}

func (p *pending) encode() []byte {
	b := []byte{1}
	for _, n := range []uint64{p.rows, unix(p.first), unix(p.next), p.attempts, p.done} {
		b = binary.AppendUvarint(b, n)
	}
	return record.AppendString(b, p.policy)
}

func decodePending(v []byte) (*pending, error) {
	d := record.Decode(v, 1)
	p := &pending{rows: d.Uint(), first: instant(d.Uint()), next: instant(d.Uint()), attempts: d.Uint(), done: d.Uint(), policy: d.String()}
	if d.Bad() {
		return nil, fault.New(fault.Corrupt, "reports: a report to be can't be read")
	}
	return p, nil
}

// unix and instant keep times to the second; 0 is the zero time.
func unix(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix())
}

func instant(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}
