package quickrsa

import "golang.org/x/sys/cpu"

// hasAMM reports whether the processor, and the system on it, can do what amm needs.
func hasAMM() bool { return cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA }

// amm makes out, which may be a or b, a*b/R mod n, or that and n, where R is 2^2080, a and b are below 2n and settled, n is odd and below 2^2048, and k0 is
// -1/n mod 2^52. It is Montgomery's multiplication without the subtraction at its end: (a*b + m*n)/R for an m below R is less than n + 4n*n/R, which is below 2n.
// The limbs of out aren't settled, but below 2^61: each has had at most four products' halves in each of forty rounds, and a carry. hasAMM must be true.
//
//go:noescape
func amm(out, a, b, n *natural, k0 uint64)
