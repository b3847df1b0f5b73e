package spool

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"postroad/internal/fault"
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// fill writes data in pieces of odd sizes.
func fill(t testing.TB, s *Spool, data []byte) {
	t.Helper()
	for step := 1; len(data) > 0; step = step*3 + 1 {
		n := min(step, len(data))
		if m, err := s.Write(data[:n]); m != n || err != nil {
			t.Fatalf("Write of %d bytes: %d, %v", n, m, err)
		}
		data = data[n:]
	}
}

func check(t *testing.T, s *Spool, want []byte) {
	t.Helper()
	if s.Size() != int64(len(want)) {
		t.Errorf("Size is %d, want %d", s.Size(), len(want))
	}
	got, inMemory := s.Bytes()
	if wantMem := int64(len(want)) <= s.memMax; inMemory != wantMem || inMemory && !bytes.Equal(got, want) {
		t.Errorf("Bytes: in memory %v, want %v; or wrong bytes", inMemory, wantMem)
	}
	if err := iotest.TestReader(s.NewReader(), want); err != nil {
		t.Errorf("NewReader: %v", err)
	}
	if err := iotest.TestReader(io.NewSectionReader(s, 0, s.Size()), want); err != nil {
		t.Errorf("ReadAt: %v", err)
	}
	var w bytes.Buffer
	r := s.NewReader()
	_, _ = io.CopyN(io.Discard, r, int64(len(want)/3))
	if n, err := r.WriteTo(&w); err != nil || n != int64(w.Len()) || !bytes.Equal(w.Bytes(), want[len(want)/3:]) {
		t.Errorf("WriteTo: %d bytes, %v; or wrong bytes", n, err)
	}
}

func TestSizes(t *testing.T) {
	const mem = 100_000
	s := New(t.TempDir(), mem)
	defer s.Close()
	for _, size := range []int{0, 1, smallest - 1, smallest, smallest + 1, mem - 1, mem, mem + 1, 3 * mem} {
		s.Reset()
		data := random(size)
		fill(t, s, data)
		check(t, s, data)
	}
}

func TestWritesAfterReads(t *testing.T) {
	s := New(t.TempDir(), 1000)
	defer s.Close()
	data := random(2500)
	fill(t, s, data[:900])
	check(t, s, data[:900])
	fill(t, s, data[900:1800])
	check(t, s, data[:1800])
	fill(t, s, data[1800:])
	check(t, s, data)
}

func TestReadAtOutside(t *testing.T) {
	s := New(t.TempDir(), 0)
	defer s.Close()
	fill(t, s, []byte("abc"))
	if _, err := s.ReadAt(make([]byte, 1), 3); err != io.EOF {
		t.Errorf("ReadAt at the end: %v, want EOF", err)
	}
	if _, err := s.ReadAt(make([]byte, 1), -1); !fault.Is(err, fault.Invalid) {
		t.Errorf("ReadAt before the start: %v, want Invalid", err)
	}
}

func TestNothingIsLeftInTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, 10)
	fill(t, s, random(100))
	if entries, err := os.ReadDir(dir); len(entries) > 0 || err != nil {
		t.Errorf("while a spool is open its directory has %v, %v", entries, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Write([]byte("x")); err == nil {
		t.Error("Write after Close: no error")
	}
}

func TestNoDirectory(t *testing.T) {
	s := New(filepath.Join(t.TempDir(), "missing"), 10)
	defer s.Close()
	n, err := s.Write(random(11))
	if n != 10 || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Write: %d, %v, want 10, Unavailable", n, err)
	}
	if _, err := s.Write([]byte("x")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the next Write: %v, want Unavailable", err)
	}
	s.Reset()
	fill(t, s, random(10))
}

func TestDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	s := New(t.TempDir(), 10)
	defer s.Close()
	s.file = full
	if _, err := s.Write(random(11)); !fault.Is(err, fault.Unavailable) || fault.TextOf(err) != "no room on the disk" {
		t.Errorf("Write: %v, want Unavailable", err)
	}
}

func TestClean(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "spool")
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filePart + "123", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("left are %v, %v, want only what isn't ours", entries, err)
	}
}

func TestBuffersFit(t *testing.T) {
	for _, n := range []int{0, 1, smallest, smallest + 1, 4 * smallest, 4*smallest + 1, 1 << 20, 1<<20 + 1, 16 << 20, 16<<20 + 1} {
		b := take(n)
		if cap(*b) < n || cap(*b) > max(smallest, 4*n) {
			t.Errorf("for %d bytes take gives %d", n, cap(*b))
		}
		give(b)
	}
}

func BenchmarkWrite26K(b *testing.B) {
	s := New(b.TempDir(), 0)
	defer s.Close()
	data := random(26 << 10)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s.Reset()
		for off := 0; off < len(data); off += 4096 {
			if _, err := s.Write(data[off:min(off+4096, len(data))]); err != nil {
				b.Fatal(err)
			}
		}
	}
}
