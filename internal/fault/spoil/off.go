//go:build !spoil

package spoil

// Bytes spoils b up to its capacity. Whoever calls it gives b away.
func Bytes([]byte) {}
