//go:build !amd64

package quickrsa

func hasAMM() bool { return false }

// amm is never called: there is no Key.
func amm(_, _, _, _ *natural, _ uint64) {}
