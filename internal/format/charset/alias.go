package charset

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// alias returns the name by which the registries know a name seen in mail.
func alias(name string) (string, bool) {
	switch name {
	case "unicode-1-1-utf-7", "utf7", "x-unicode-2-0-utf-7", "csutf7", "unicode-2-0-utf-7":
		return "utf-7", true
	case "unicode-1-1-utf-8", "utf-8n", "utf_8", "x-utf-8", "utf8mb4", "cp65001", "65001", "unicode":
		return "utf-8", true
	case "ansi_x3.4-1968", "ansi_x3.4-1986", "iso_646.irv:1991", "iso646-us", "us", "ibm367", "cp367", "csascii",
		"7bit", "8bit", "us_ascii", "usascii", "ascii-us", "iso-ir-6",
		"x-unknown", "unknown", "unknown-8bit", "x-user-defined", "default", "default_charset", "none", "(null)", "binary":
		return "us-ascii", true
	case "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "ks_c_5601", "cp949", "ms949", "x-windows-949", "uhc", "korean":
		return "euc-kr", true
	case "gb2312", "gb_2312-80", "cn-gb", "x-gbk", "cp936", "ms936", "x-euc-cn", "euc-cn", "chinese":
		return "gbk", true
	case "gb18030-2000", "gb18030-2005":
		return "gb18030", true
	case "cp950", "ms950", "x-x-big5", "big5-hkscs", "big5hkscs", "cn-big5", "big-5":
		return "big5", true
	case "sjis", "x-sjis", "cp932", "ms932", "windows-31j", "ms_kanji", "shift-jis", "shift_jisx0213", "x-ms-cp932":
		return "shift_jis", true
	case "eucjp", "ujis", "x-euc-jp", "x-euc", "cp51932":
		return "euc-jp", true
	case "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-3", "iso-2022-jp-ms", "cp50220", "cp50221", "cp50222", "jis":
		return "iso-2022-jp", true
	case "csiso2022kr":
		return "iso-2022-kr", true
	case "hz", "hz-gb2312":
		return "hz-gb-2312", true
	case "latin1", "latin-1", "iso8859-1", "iso-88591", "iso88591", "8859-1", "iso_8859_1", "iso-8859-1-i", "iso-8859", "ansi", "x-ansi":
		return "windows-1252", true
	case "tis620", "x-tis620", "cp874", "ms874", "windows-874":
		return "windows-874", true
	case "koi8r", "koi-8", "koi8", "cskoi8r":
		return "koi8-r", true
	case "mac", "x-macroman", "x-mac-roman", "macroman":
		return "macintosh", true
	case "ucs-2", "iso-10646-ucs-2", "utf16":
		return "utf-16", true
	case "ucs-4", "iso-10646-ucs-4", "utf32":
		return "utf-32", true
	}
	return numbered(name)
}

// numbered rewrites the many spellings of code pages and of the ISO 8859 parts: "cp-850", "cp1252", "x-cp1251",
// "windows1250", "win-1251", "ibm-437", "iso8859-15", "iso_8859-2", "8859-5".
func numbered(name string) (string, bool) {
	for _, p := range []string{"x-windows-", "windows-", "windows_", "windows", "x-win-", "win-", "win", "x-cp-", "x-cp", "cp-", "cp_", "cp", "x-ibm-", "x-ibm", "ibm-", "ibm", "ms-", "x-"} {
		if n, ok := strings.CutPrefix(name, p); ok && isNumber(n) {
			return codePage(n), true
		}
	}
	if isNumber(name) {
		return codePage(name), true
	}
	for _, p := range []string{"x-iso-8859-", "iso-8859-", "iso_8859-", "iso8859-", "iso8859_", "iso-8859_", "iso8859", "8859-", "8859_", "latin-", "iso 8859-"} {
		if n, ok := strings.CutPrefix(name, p); ok && isNumber(strings.TrimSuffix(strings.TrimSuffix(n, "-i"), "-e")) {
			return isoPart(p, strings.TrimSuffix(strings.TrimSuffix(n, "-i"), "-e")), true
		}
	}
	return "", false
}

func isoPart(prefix, n string) string {
	if prefix == "latin-" {
		return "latin" + n
	}
	return "iso-8859-" + n
}

func codePage(n string) string {
	if len(n) == 4 && strings.HasPrefix(n, "125") {
		return "windows-" + n
	}
	switch n {
	case "874":
		return "windows-874"
	case "932":
		return "shift_jis"
	case "936":
		return "gbk"
	case "949":
		return "euc-kr"
	case "950":
		return "big5"
	case "65000":
		return "utf-7"
	case "65001":
		return "utf-8"
	case "20866":
		return "koi8-r"
	case "21866":
		return "koi8-u"
	case "28591":
		return "windows-1252"
	case "54936":
		return "gb18030"
	}
	if len(n) == 5 && strings.HasPrefix(n, "2859") { // 28592 is iso-8859-2, and so on.
		return "iso-8859-" + n[4:]
	}
	return "ibm" + n
}

func isNumber(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 5
}

// own returns the encodings that the registries leave out or map to nothing.
func own(name string) (encoding.Encoding, bool) {
	switch name {
	case "hz-gb-2312":
		return simplifiedchinese.HZGB2312, true
	case "utf-16":
		// RFC 2781 section 4.3: without a byte order mark it is big-endian.
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true
	case "utf-32":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM), true
	case "utf-32le":
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), true
	case "utf-32be":
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), true
	case "ibm437":
		return charmap.CodePage437, true
	case "ibm850":
		return charmap.CodePage850, true
	case "ibm858":
		return charmap.CodePage858, true
	}
	return nil, false
}
