package backup

import (
	"context"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// runTime is how a run's ID begins.
const runTime = "20060102T150405.000Z"

// Last tells when a store was last backed up, to wherever; zero if it never was.
func Last(ctx context.Context, db kv.DB) (last time.Time, err error) {
	err = db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{keyLastRun}, Hi: []byte{keyLastRun + 1}}) {
			if err != nil {
				return err
			}
			begin, _, _ := strings.Cut(string(p.Value), "-")
			at, err := time.Parse(runTime, begin)
			if err != nil {
				return fault.New(fault.Corrupt, "the ID of the last backup can't be read")
			}
			if at.After(last) {
				last = at
			}
		}
		return nil
	})
	return last, err
}
