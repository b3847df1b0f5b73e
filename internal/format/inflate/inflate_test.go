package inflate

import (
	"bytes"
	stdflate "compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"postroad/internal/fault"
)

// all inflates a stream that comes in portions of so many bytes.
func all(src []byte, portion int) (out []byte, rest int, err error) {
	var f Inflater
	p := make([]byte, 1000)
	for len(src) > 0 || f.Pending() > 0 {
		n := min(portion, len(src))
		used, err := f.Write(src[:n])
		if err != nil {
			return out, len(src), err
		}
		src = src[used:]
		k := f.Take(p)
		out = append(out, p[:k]...)
		if f.Ended() && f.Pending() == 0 {
			return out, len(src), nil
		}
		f.Trim()
	}
	return out, 0, io.ErrUnexpectedEOF
}

func deflated(t testing.TB, level int, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := stdflate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(text); at += 10_000 {
		w.Write(text[at:min(len(text), at+10_000)])
		w.Flush()
	}
	w.Close()
	return b.Bytes()
}

func texts() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 150_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	return map[string][]byte{
		"nothing": nil, "a": []byte("a"), "words": []byte(strings.Repeat("some words, and 17 more of them. ", 9000)), "noise": noise,
		"zeros": make([]byte, 200_000), "mixed": append(bytes.Repeat([]byte("abcabcabd"), 3000), noise[:50_000]...),
	}
}

// TestInflate: what others deflate, in portions of any size, with something behind it.
func TestInflate(t *testing.T) {
	for name, text := range texts() {
		for _, level := range []int{-2, 0, 1, 6, 9} {
			stream := append(deflated(t, level, text), "behind"...)
			for _, portion := range []int{1, 7, 4096, 1 << 20} {
				out, rest, err := all(stream, portion)
				if err != nil || !bytes.Equal(out, text) || rest != len("behind") {
					t.Fatalf("%s, level %d, by %d: %d bytes, %d left, %v", name, level, portion, len(out), rest, err)
				}
			}
		}
	}
}

// TestNothingIsKeptBack: when a block of fixed codes has come up to its last whole byte, all its text is there, whatever
// follows or doesn't. This one is zlib's for "a NOOP\r\n" with Z_PARTIAL_FLUSH.
func TestNothingIsKeptBack(t *testing.T) {
	var f Inflater
	partial := partialFlush([]byte("a NOOP\r\n"))
	if used, err := f.Write(partial); used != len(partial) || err != nil {
		t.Fatal(used, err)
	}
	p := make([]byte, 100)
	if got := string(p[:f.Take(p)]); got != "a NOOP\r\n" {
		t.Errorf("%q", got)
	}
}

// partialFlush deflates ASCII as a block of fixed codes, ends it, and adds the start of an empty block like it.
func partialFlush(text []byte) (out []byte) {
	var bits uint64
	var n uint
	put := func(v uint64, k uint) { // lowest bit first
		for bits, n = bits|v<<n, n+k; n >= 8; n -= 8 {
			out = append(out, byte(bits))
			bits >>= 8
		}
	}
	code := func(v uint64, k uint) { // Huffman codes have the highest bit first
		for i := range k {
			put(v>>(k-1-i)&1, 1)
		}
	}
	put(0, 1)
	put(1, 2)
	for _, c := range text {
		code(0x30+uint64(c), 8)
	}
	code(0, 7)
	put(0, 1)
	put(1, 2)
	code(0, 7)
	return out
}

func TestWhatIsNoStream(t *testing.T) {
	for name, src := range map[string]string{
		"unknown type":         "\x07",
		"stored length":        "\x00\x01\x00\x01\x00",
		"too far back":         "\x4b\x04\xc2\x00",
		"too many codes":       "\xfc\xff\xff",
		"codes oversubscribed": "\x04\xc0\xff\xff\xff\xff\xff\xff",
	} {
		var f Inflater
		_, err := f.Write([]byte(src))
		if !fault.Is(err, fault.Invalid) && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, want := io.ReadAll(stdflate.NewReader(strings.NewReader(src + "\x00\x00\x00\x00\x00\x00\x00\x00"))); want != nil && want != io.ErrUnexpectedEOF && err == nil {
			if _, err = f.Write(make([]byte, 8)); err == nil {
				t.Errorf("%s: taken, others say %v", name, want)
			}
		}
		if err != nil {
			if _, again := f.Write([]byte("x")); again == nil {
				t.Errorf("%s: it goes on", name)
			}
		}
	}
}

// TestBombsTakeLittle: however much a few bytes mean, little is inflated at a time.
func TestBombsTakeLittle(t *testing.T) {
	src := deflated(t, 9, make([]byte, 64<<20))
	var f Inflater
	p := make([]byte, 4096)
	for len(src) > 0 {
		used, err := f.Write(src)
		if err != nil {
			t.Fatal(err)
		}
		src = src[used:]
		if f.Pending() > pending+300 || cap(f.out) > 5*Window {
			t.Fatalf("%d wait, in room for %d", f.Pending(), cap(f.out))
		}
		for f.Pending() > 0 {
			f.Take(p)
		}
	}
	f.Trim()
	if cap(f.out) > Window+3*slack {
		t.Errorf("%d bytes are kept", cap(f.out))
	}
}

// FuzzInflate compares with the standard library: the same text, and the same streams refused.
func FuzzInflate(f *testing.F) {
	for _, text := range texts() {
		f.Add(deflated(f, 6, text[:min(len(text), 2000)]), uint8(3))
	}
	f.Add(partialFlush([]byte("x")), uint8(1))
	f.Fuzz(func(t *testing.T, src []byte, portion uint8) {
		got, rest, err := all(src, int(portion)+1)
		r := bytes.NewReader(src)
		want, wantErr := io.ReadAll(stdflate.NewReader(r))
		if (err == nil) != (wantErr == nil) || err == nil && (!bytes.Equal(got, want) || rest != r.Len()) {
			t.Errorf("%d bytes, %d left, %v; others: %d, %d, %v", len(got), rest, err, len(want), r.Len(), wantErr)
		}
		if !bytes.HasPrefix(got, want) && !bytes.HasPrefix(want, got) {
			t.Errorf("%q and %q", got, want)
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	text := texts()["mixed"]
	src := deflated(b, 6, text)
	p := make([]byte, 16<<10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var f Inflater
		for rest := src; len(rest) > 0; {
			used, _ := f.Write(rest)
			rest = rest[used:]
			f.Take(p)
		}
	}
}
