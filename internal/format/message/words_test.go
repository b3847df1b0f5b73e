package message

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecodeWords(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain", "plain"},
		{"=?utf-8?q?J=C3=B6rg?=", "Jörg"},
		{"=?UTF-8?B?SsO2cmc=?=", "Jörg"},
		{"=?utf-8?b?SsO2cmc?=", "Jörg"}, // no padding
		// RFC 2047 section 8
		{"=?ISO-8859-1?Q?a?=", "a"},
		{"=?ISO-8859-1?Q?a?= b", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a_b?=", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
		{"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"}, // RFC 2231 section 5
		{"=?utf-8?b?w?= =?utf-8?b?rY=?=", "�"},           // pieces are decoded one by one, their octets together
		{"=?utf-8?q?=C3?= =?utf-8?q?=B6?=", "ö"},         // a character cut in two
		{"x=?utf-8?q?y?=z", "xyz"},
		{"=?utf-8?q?a?b?=", "a?b"},
		{"=?utf-8?q?a b?=", "a b"},
		{"=?x-unknown?q?=e4?=", "ä"},
		{"=?nonsense?q?=e4=c3=b6?=", "äö"},
		{"=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
		{"=?utf-8?q?abc", "=?utf-8?q?abc"},
		{"=?utf-8?q?abc?", "=?utf-8?q?abc?"},
		{"=??q?abc?=", "=??q?abc?="},
		{"=?utf-8?q??=", ""},
		{"=?utf-8?q?=zz=4?=", "=zz=4"},
		{"=?=?=?utf-8?q?a?=", "=?=?a"},
		{"caf\xe9", "café"},
		{"caf\xc3\xa9", "café"},
		{"\xe9 =?utf-8?q?a?= \xe9", "é a é"},
		{"=?utf-7?q?+AOk-?=", "é"},
		{"=?iso-2022-jp?b?GyRCJUYlOSVIGyhC?=", "テスト"},
		{"=?gb2312?b?suLK1A==?=", "测试"},
		{"=?ks_c_5601-1987?b?xde9usau?=", "테스트"},
	} {
		if got := DecodeWords(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestEncodeWords(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain text", "plain text"},
		{"a Jörg b", "a =?utf-8?q?J=C3=B6rg?= b"},
		{"=?utf-8?q?x?=", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?="},
		{"a\r\nX: y", "a  X: y"},
		{"日本語", "=?utf-8?b?5pel5pys6Kqe?="},
	} {
		if got := EncodeWords(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "a", "=?utf-8?q?a?=", "=?iso-2022-jp?b?GyRCJUYlOSVIGyhC?= =?x?q??=", "Jörg  x \xff", strings.Repeat("ä ", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := DecodeWords(s); !utf8.ValidString(d) {
			t.Fatalf("%q decodes to %q", s, d)
		}
		text := strings.Map(oneLine, strings.ToValidUTF8(s, "\uFFFD"))
		enc := EncodeWords(s)
		if got := DecodeWords(enc); got != text {
			t.Fatalf("%q is written as %q and read as %q", text, enc, got)
		}
		for w := range strings.FieldsSeq(enc) {
			if strings.HasPrefix(w, "=?utf-8?") && len(w) > 75 {
				t.Fatalf("%q has a word of %d characters: %q", s, len(w), w)
			}
		}
	})
}
