package charset

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"utf-8", "Jörg", "Jörg"},
		{"UTF8", "a\xffb\xc3", "a�b�"},
		{"us-ascii", "abc", "abc"},
		{"us-ascii", "J\xc3\xb6rg \xf6", "Jörg ö"},
		{"ANSI_X3.4-1968", "\xe4", "ä"},
		{"", "\x80", "€"},
		{"x-unknown", "\xe4", "ä"},
		{"unknown-8bit", "\xe4", "ä"},
		{"iso-8859-1", "\x93\xe4\x94", "“ä”"}, // really windows-1252
		{"Latin1", "\xe4", "ä"},
		{"iso-8859-15", "\xa4", "€"},
		{"iso8859-15", "\xa4", "€"},
		{"ISO_8859-2", "\xb1", "ą"},
		{"8859-5", "\xb0", "А"},
		{"iso-8859-8-i", "\xe0", "א"},
		{"windows-1251", "\xcf", "П"},
		{"cp1251", "\xcf", "П"},
		{"cp-1251", "\xcf", "П"},
		{"x-cp1251", "\xcf", "П"},
		{"win-1251", "\xcf", "П"},
		{"1251", "\xcf", "П"},
		{"koi8-r", "\xf0", "П"},
		{"cp-850", "\x84", "ä"},
		{"cp850", "\x84", "ä"},
		{"IBM437", "\x84", "ä"},
		{"ibm-437", "\x84", "ä"},
		{"cp866", "\x8f", "П"},
		{"macintosh", "\x8a", "ä"},
		{"gb2312", "\xb2\xe2\xca\xd4", "测试"},
		{"gb2312", "\x81\x40", "丂"}, // only in gbk
		{"gb18030", "\x81\x30\x81\x30", "\u0080"},
		{"big5", "\xb4\xfa\xb8\xd5", "測試"},
		{"ks_c_5601-1987", "\xc5\xd7\xbd\xba\xc6\xae", "테스트"},
		{"cp949", "\xc5\xd7", "테"},
		{"shift_jis", "\x83e\x83X\x83g", "テスト"},
		{"cp932", "\x83e", "テ"},
		{"euc-jp", "\xa5\xc6", "テ"},
		{"iso-2022-jp", "\x1b$B%F%9%H\x1b(B", "テスト"},
		{"iso-2022-kr", "\x1b$)C\x0eEW=:F.\x0f ok\nEW", "테스트 ok\nEW"},
		{"hz-gb-2312", "~{2bJT~}", "测试"},
		{"utf-16", "\xfe\xff\x00a\x00\xe4", "aä"},
		{"utf-16", "\xff\xfea\x00", "a"},
		{"utf-16", "\x00a", "a"},
		{"utf-16le", "a\x00", "a"},
		{"utf-32be", "\x00\x00\x00a", "a"},
		// RFC 2152, examples
		{"utf-7", "Hi Mom -+Jjo--!", "Hi Mom -☺-!"},
		{"utf-7", "A+ImIDkQ.", "A≢Α."},
		{"UNICODE-1-1-UTF-7", "+ZeVnLIqe-", "日本語"},
		{"utf-7", "1 +- 1", "1 + 1"},
		{"utf-7", "+2D3eAA-", "😀"},
		{"utf-7", "+2D0-x", "�x"},
		{"utf-7", "+2D0", "�"},
		{"utf-7", "+3gA-", "�"},
		{"utf-7", "+AOkA6Q\xff", "éé�"},
		{"utf-7", "a+", "a"},
		{"us-ascii*en", "a", "a"},
		{"\"utf-8\"", "ä", "ä"},
	} {
		got, ok := Decode(tt.name, []byte(tt.in))
		if got != tt.want || !ok {
			t.Errorf("%s %q: got %q, %v, want %q", tt.name, tt.in, got, ok, tt.want)
		}
		b, err := io.ReadAll(NewReader(tt.name, iotest.OneByteReader(strings.NewReader(tt.in))))
		if string(b) != tt.want || err != nil {
			t.Errorf("%s %q read byte by byte: got %q, %v, want %q", tt.name, tt.in, b, err, tt.want)
		}
		if !Known(tt.name) {
			t.Errorf("%s is unknown", tt.name)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, name := range []string{"nonsense", "iso-8859-99", "cp0", "x y", "ü", strings.Repeat("x", 10_000), "replacement", "12345678901"} {
		if got, ok := Decode(name, []byte("\xe4 ä")); got != "ä ä" || ok || Known(name) {
			t.Errorf("%.20s: got %q, %v", name, got, ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"utf-8", "us-ascii", "utf-7", "iso-2022-kr", "iso-2022-jp", "gb18030", "utf-16", "hz-gb-2312", "big5", "euc-kr", "shift_jis", "ibm037", "nonsense"} {
		f.Add(name, []byte("abc\x1b$B%F+AOk-\xc3\xa4\xff~{2b~}"))
	}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		s, _ := Decode(name, b)
		if !utf8.ValidString(s) {
			t.Fatalf("%q %q: %q", name, b, s)
		}
		read, err := io.ReadAll(NewReader(name, iotest.OneByteReader(bytes.NewReader(b))))
		if err != nil || string(read) != s {
			t.Fatalf("%q %q: read %q, %v, decoded %q", name, b, read, err, s)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := []byte(strings.Repeat("Plain text with a few umlauts: \xe4\xf6\xfc. ", 100))
	for _, name := range []string{"utf-8", "iso-8859-1", "us-ascii"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Decode(name, text)
			}
		})
	}
}
