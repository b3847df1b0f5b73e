//go:build race

package sieve

// underRace: the race detector has a sync.Pool lose some of what it is given, so that allocations can't be counted.
const underRace = true
