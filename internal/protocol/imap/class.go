package imap

// class is a set of bytes.
type class [256]bool

// Classes of bytes (RFC 9051 §9).
var (
	atomChars    = charClass(func(c byte) bool { return c > ' ' && c < 0x7f && !among(c, `(){%*"\]`) })
	astringChars = charClass(func(c byte) bool { return atomChars[c] || c == ']' })
	tagChars     = charClass(func(c byte) bool { return astringChars[c] && c != '+' })
	listChars    = charClass(func(c byte) bool { return astringChars[c] || c == '%' || c == '*' })
	digitChars   = charClass(isDigit)
	wordChars    = charClass(func(c byte) bool {
		return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || among(c, ".-=+_$")
	})
	base64Chars = charClass(func(c byte) bool {
		return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || among(c, "+/=")
	})
)

func charClass(is func(byte) bool) (c class) {
	for i := range c {
		c[i] = is(byte(i))
	}
	return c
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func among(c byte, set string) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}
