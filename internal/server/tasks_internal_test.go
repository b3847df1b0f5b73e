package server

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestDailyTasks: what is done daily is done also by a server that never runs for a day.
func TestDailyTasks(t *testing.T) {
	for ran, want := range map[time.Duration]int{30 * time.Minute: 0, 20 * time.Hour: 1, 26 * time.Hour: 2} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), ran)
			defer stop()
			n := 0
			firstThenEvery(ctx, tidyJunkFirst, tidyJunkEvery, func() { n++ })
			if n != want {
				t.Errorf("%d times in %v, want %d", n, ran, want)
			}
		})
	}
}
