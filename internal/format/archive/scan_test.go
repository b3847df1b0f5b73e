package archive

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func scan(t testing.TB, b []byte) (names []string, complete bool) {
	t.Helper()
	complete = Scan(iotest.HalfReader(bytes.NewReader(b)), func(e Entry) bool {
		if !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
		return true
	})
	return names, complete
}

// TestScan: whatever is around an archive, its names are found.
func TestScan(t *testing.T) {
	z := zipOf(t, "", "a.txt", "dir/setup.exe")
	local := z[:bytes.Index(z, []byte("PK\x01\x02"))]
	for name, b := range map[string][]byte{
		"whole": z, "behind something": append([]byte("GIF89a"), z...), "before something": append(slices.Clone(z), make([]byte, 300<<10)...),
		"far behind": append(bytes.Repeat([]byte("P"), scanBuffer-1), z...), "over the edge": append(bytes.Repeat([]byte("x"), scanBuffer-20), z...),
		"without a directory": local, "directory alone": z[len(local):], "after a false one": append([]byte("PK\x03\x04"+strings.Repeat("\xff", 26)), z...),
	} {
		if got, complete := scan(t, b); !complete || !slices.Contains(got, "a.txt") || !slices.Contains(got, "dir/setup.exe") {
			t.Errorf("%s: %q, %v", name, got, complete)
		}
	}
	for _, s := range []string{"", "P", "PK", "PK\x03\x04", "PK\x01\x02" + strings.Repeat("\x00", 60), strings.Repeat("PK", 1000), "PK\x03\x04" + strings.Repeat("\xff", 100)} {
		if got, complete := scan(t, []byte(s)); len(got) != 0 || !complete {
			t.Errorf("%q: %q, %v", s, got, complete)
		}
	}
	many := bytes.Repeat([]byte("PK\x03\x04"+strings.Repeat("\x00", 22)+"\x01\x00\x00\x00a"), MaxScanned)
	for n, want := range map[int]bool{MaxScanned: true, MaxScanned + 1: false} {
		b := many
		if n > MaxScanned {
			b = append(slices.Clone(many), many[:31]...)
		}
		told := 0
		if complete := Scan(bytes.NewReader(b), func(Entry) bool { told++; return true }); complete != want || told != MaxScanned {
			t.Errorf("%d: told %d, %v", n, told, complete)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add(zipOf(f, "c", "a", "b"), 3)
	f.Fuzz(func(t *testing.T, b []byte, before int) {
		z := zipOf(t, "", "needle.exe")
		all := append(append(slices.Clone(b), z...), b...)
		if got, complete := scan(t, all); complete && !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "needle.exe") }) {
			t.Errorf("not found in %q", fmt.Sprint(b))
		}
	})
}

func BenchmarkScanHostile(b *testing.B) {
	text := bytes.Repeat([]byte("PK"), 1<<20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Scan(bytes.NewReader(text), func(Entry) bool { return true })
	}
}

// BenchmarkScanNames is what costs most: headers one after the other, each of which claims the longest name.
func BenchmarkScanNames(b *testing.B) {
	text := bytes.Repeat([]byte("PK\x03\x04"+strings.Repeat("\xe9", 22)+"\xff\xff\x00\x00\xe9"), MaxScanned)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Scan(bytes.NewReader(text), func(Entry) bool { return true })
	}
}

func BenchmarkScan(b *testing.B) {
	text := make([]byte, 4<<20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Scan(bytes.NewReader(text), func(Entry) bool { return true })
	}
}
