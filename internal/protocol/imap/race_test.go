//go:build race

package imap

func init() { raceEnabled = true }
