package fault

// Printable makes strangers' text fit for a reply or a log: at most n bytes of it, with a question mark for whatever isn't printable ASCII.
func Printable(s string, n int) string {
	b := []byte(s[:min(len(s), n)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
