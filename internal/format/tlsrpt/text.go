package tlsrpt

import "strings"

// cut makes a stranger's text fit to keep: valid UTF-8 without control characters, of at most MaxText bytes.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "")
	}
	return s
}

func cutAll(all []string) []string {
	var out []string
	for _, s := range all[:min(len(all), maxStrings)] {
		out = append(out, cut(s))
	}
	return out
}
