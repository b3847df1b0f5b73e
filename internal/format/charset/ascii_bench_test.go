package charset

import "testing"

func BenchmarkIsASCII(b *testing.B) {
	text := make([]byte, 2000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		isASCII(text)
	}
}
