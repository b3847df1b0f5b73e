//go:build !race

package sieve

const underRace = false
