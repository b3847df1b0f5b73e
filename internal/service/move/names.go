package move

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// utf7 is base64 as modified UTF-7 has it: "," for "/", no padding (RFC 3501 §5.1.3). Maildir++ folders are named so.
var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

func encodeUTF7(s string) string {
	var b strings.Builder
	var run []byte
	end := func() {
		if len(run) > 0 {
			b.WriteString("&" + utf7.EncodeToString(run) + "-")
			run = run[:0]
		}
	}
	for _, r := range s {
		if r < ' ' || r >= 0x7f {
			for _, u := range utf16.Encode([]rune{r}) {
				run = append(run, byte(u>>8), byte(u))
			}
			continue
		}
		end()
		b.WriteRune(r)
		if r == '&' {
			b.WriteByte('-')
		}
	}
	end()
	return b.String()
}

// decodeUTF7 reads modified UTF-7. What isn't (some servers use UTF-8) stays as it is.
func decodeUTF7(s string) string {
	var b strings.Builder
	for rest := s; rest != ""; {
		plain, coded, shifted := strings.Cut(rest, "&")
		b.WriteString(plain)
		if !shifted {
			break
		}
		run, after, ended := strings.Cut(coded, "-")
		raw, err := utf7.DecodeString(run)
		if !ended || err != nil || len(raw)%2 != 0 {
			return s
		}
		if run == "" {
			b.WriteByte('&')
		}
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
		}
		b.WriteString(string(utf16.Decode(units)))
		rest = after
	}
	if !utf8.ValidString(b.String()) {
		return s
	}
	return b.String()
}

// escapeName writes a folder's name as part of a file's: what would mean something there becomes %XX.
func escapeName(name, special string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c < ' ' || c == 0x7f || c == '%' || c == '/' || strings.IndexByte(special, c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// escapes are what escapeName makes of the bytes that names have.
var escapes = strings.NewReplacer("%25", "%", "%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/")

func unescapeName(name string) string { return escapes.Replace(name) }

// EncodeName writes a mailbox's name as IMAP4rev1 does.
func EncodeName(name string) string { return encodeUTF7(name) }
