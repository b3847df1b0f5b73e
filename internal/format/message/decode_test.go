package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecoder(t *testing.T) {
	for _, tt := range []struct{ encoding, in, want string }{
		{"7bit", "a=\r\n", "a=\r\n"},
		{"x-unknown", "a=\r\n", "a=\r\n"},
		// imaptest, fetch-binary-mime-base64
		{"base64", "\r\naGVs\r\nbG8gd29y\r\nbGQ=\r\n", "hello world"},
		{"base64", "  aGVs    \r\n bG8g  \r\n   d29y  \t \r\n    bGQ= \r\n\r\n", "hello world"},
		{"base64", "YWJjZGVmZw1oaWprbA0KbW5vCnBxcnN0dXZxeHl6\r\n", "abcdefg\rhijkl\r\nmno\npqrstuvqxyz"},
		{"base64", "aGVsbG8", "hello"},               // no padding
		{"base64", "aGVsbG8=aGVsbG8=", "hellohello"}, // two texts
		{"base64", "aGVsb", "hel"},                   // one character too many
		{"base64", "a!G*V\x00s", "hel"},
		{"base64", "====", ""},
		{"base64", "", ""},
		// imaptest, fetch-binary-mime-qp
		{"quoted-printable", "hello  \r\nbar=\r\n\r\nfoo\t=\r\nbar\r\nfoo\t \t= \r\n=62\r\nfoo = \t\r\nbar\r\nfoo =\r\n=62\r\nfoo  \r\nbar=\r\n\r\nfoo_bar\r\n",
			"hello\r\nbar\r\nfoo\tbar\r\nfoo\t \tb\r\nfoo bar\r\nfoo b\r\nfoo\r\nbar\r\nfoo_bar\r\n"},
		{"quoted-printable", "a=3Db=3db", "a=b=b"},
		{"quoted-printable", "a=zzb=4", "a=zzb=4"},
		{"quoted-printable", "a==41=", "a=A"},
		{"quoted-printable", "a= b", "a= b"},
		{"quoted-printable", "a =\nb  \n  ", "a b\n"},
		{"quoted-printable", "a \rb\r\n", "a \rb\r\n"},
		{"quoted-printable", "a=\rb", "a=\rb"},
		{"quoted-printable", "=E2=82=AC\xff\x00", "€\xff\x00"},
		{"x-uuencode", "junk\nbegin 644 x\n#0V%T\n`\nend\nmore\n", "Cat"},
		{"x-uuencode", "begin 644 x\r\n+:&5L;&\\@=V]R;&0\r\n", "hello world"},
		{"x-uuencode", "", ""},
	} {
		got, err := io.ReadAll(Decoder(tt.encoding, strings.NewReader(tt.in)))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s %q: got %q, %v, want %q", tt.encoding, tt.in, got, err, tt.want)
		}
		bytewise, _ := io.ReadAll(iotest.OneByteReader(Decoder(tt.encoding, iotest.OneByteReader(strings.NewReader(tt.in)))))
		if string(bytewise) != tt.want {
			t.Errorf("%s %q byte by byte: got %q, want %q", tt.encoding, tt.in, bytewise, tt.want)
		}
	}
}

func TestDecoderPassesErrors(t *testing.T) {
	for _, encoding := range []string{"7bit", "base64", "quoted-printable", "x-uuencode"} {
		r := io.MultiReader(strings.NewReader("YWJj"), iotest.ErrReader(io.ErrNoProgress))
		if _, err := io.ReadAll(Decoder(encoding, r)); err != io.ErrNoProgress {
			t.Errorf("%s: got error %v", encoding, err)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for _, s := range []string{"aGVsbG8=", "a=3D=\r\nb \t \n=", "begin 644 x\n#0V%T\n`\nend\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, encoding := range []string{"7bit", "base64", "quoted-printable", "x-uuencode"} {
			whole, err := io.ReadAll(Decoder(encoding, bytes.NewReader(b)))
			pieces, err2 := io.ReadAll(Decoder(encoding, iotest.OneByteReader(bytes.NewReader(b))))
			if err != nil || err2 != nil || !bytes.Equal(whole, pieces) || len(whole) > len(b) {
				t.Fatalf("%s: %q and %q, %v, %v", encoding, whole, pieces, err, err2)
			}
		}
		// What the standard library writes, and reads without complaint, we read alike.
		enc := base64.StdEncoding.EncodeToString(b)
		if got, _ := io.ReadAll(Decoder("base64", strings.NewReader(enc))); !bytes.Equal(got, b) {
			t.Fatalf("base64 %q: got %q", enc, got)
		}
		var qp bytes.Buffer
		w := quotedprintable.NewWriter(&qp)
		w.Binary = true
		w.Write(b)
		w.Close()
		if got, _ := io.ReadAll(Decoder("quoted-printable", &qp)); !bytes.Equal(got, b) {
			t.Fatalf("quoted-printable: got %q, want %q", got, b)
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	raw := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog; caf\xc3\xa9. "), 1<<14)
	var b64, qp bytes.Buffer
	c := composer{}
	c.base64(raw)
	b64 = c.out
	c = composer{}
	c.quotedPrintable(raw)
	qp = c.out
	for _, bb := range []struct {
		encoding string
		in       []byte
	}{{"base64", b64.Bytes()}, {"quoted-printable", qp.Bytes()}} {
		b.Run(bb.encoding, func(b *testing.B) {
			b.SetBytes(int64(len(bb.in)))
			for b.Loop() {
				io.Copy(io.Discard, Decoder(bb.encoding, bytes.NewReader(bb.in)))
			}
		})
	}
}
