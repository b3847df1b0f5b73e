//go:build spoil

package spoil

// Bytes spoils b up to its capacity. Whoever calls it gives b away.
func Bytes(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = 0xDB
	}
}
