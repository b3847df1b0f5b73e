package ldap

import (
	"net"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"

	"postroad/internal/fault"
)

// How much a directory may say before it is asked something else, in bytes: the library keeps an answer in memory whole, and reads on
// as long as something comes.
const (
	maxAnswer = 1 << 20  // to a sign-in
	maxPage   = 64 << 20 // to a question for many entries
)

// conn is a connection whose answers are bounded.
type conn struct {
	*ldap.Conn
	in *bounded
}

// bounded is a connection that fails when more comes than was allowed.
type bounded struct {
	net.Conn
	left atomic.Int64
}

// allow lets so many bytes come from now on.
func (b *bounded) allow(n int64) { b.left.Store(n) }

func (b *bounded) Read(p []byte) (int, error) {
	if b.left.Load() <= 0 {
		return 0, fault.New(fault.TooLarge, "the directory's answer has no end")
	}
	n, err := b.Conn.Read(p)
	b.left.Add(-int64(n))
	return n, err
}
