package imap

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// mutf7 is base64 as modified UTF-7 has it: "," for "/", no padding (RFC 3501 §5.1.3).
var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// encodeUTF7 writes a mailbox name in modified UTF-7.
func encodeUTF7(s string) string {
	if plainUTF7(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		n := 0
		for n < len(s) && s[n] >= ' ' && s[n] < 0x7f {
			if s[n] == '&' {
				b.WriteString("&-")
			} else {
				b.WriteByte(s[n])
			}
			n++
		}
		s = s[n:]
		if n = strings.IndexFunc(s, func(r rune) bool { return r >= ' ' && r < 0x7f }); n < 0 {
			n = len(s)
		}
		if n > 0 {
			b.WriteByte('&')
			b.WriteString(mutf7.EncodeToString(utf16Bytes(s[:n])))
			b.WriteByte('-')
		}
		s = s[n:]
	}
	return b.String()
}

func plainUTF7(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == '&' {
			return false
		}
	}
	return true
}

func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return b
}

// decodeUTF7 reads a mailbox name in modified UTF-7. It refuses what has another,
// shorter spelling, as RFC 3501 §5.1.3 demands, so that a name has one spelling only.
func decodeUTF7(s string) (string, bool) {
	if plainUTF7(s) {
		return s, true
	}
	var b strings.Builder
	for len(s) > 0 {
		plain, rest, shifted := strings.Cut(s, "&")
		if !plainUTF7(plain) {
			return "", false
		}
		b.WriteString(plain)
		if !shifted {
			break
		}
		coded, after, ended := strings.Cut(rest, "-")
		if !ended {
			return "", false
		}
		if coded == "" {
			b.WriteByte('&')
		} else if !decodeShifted(&b, coded) {
			return "", false
		}
		if coded != "" && strings.HasPrefix(after, "&") && !strings.HasPrefix(after, "&-") {
			return "", false // two runs of base64 must be one
		}
		s = after
	}
	return b.String(), true
}

// decodeShifted writes a run of base64, which must hold only what can't be written plainly.
func decodeShifted(b *strings.Builder, coded string) bool {
	raw, err := mutf7.DecodeString(coded)
	if err != nil || len(raw)%2 != 0 {
		return false
	}
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(r) {
			if i += 2; i >= len(raw) {
				return false
			}
			if r = utf16.DecodeRune(r, rune(raw[i])<<8|rune(raw[i+1])); r == utf8.RuneError {
				return false
			}
		}
		if r >= ' ' && r < 0x7f {
			return false
		}
		b.WriteRune(r)
	}
	return true
}
