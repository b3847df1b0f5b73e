package record

import (
	"encoding/binary"
	"math"
	"testing"
)

func sample() []byte {
	b := []byte{2, 'x'}
	b = binary.AppendUvarint(b, math.MaxUint64)
	b = binary.AppendVarint(b, math.MinInt64)
	b = AppendString(b, "text")
	b = AppendString(b, []byte{})
	return append(binary.AppendUvarint(b, 2), 1, 2)
}

func TestRoundTrip(t *testing.T) {
	d := Decode(sample(), 2)
	if c := d.Byte(); c != 'x' {
		t.Error(c)
	}
	if n := d.Uint(); n != math.MaxUint64 {
		t.Error(n)
	}
	if n := d.Int(); n != math.MinInt64 {
		t.Error(n)
	}
	if s, e := d.String(), d.Bytes(); s != "text" || len(e) != 0 {
		t.Error(s, e)
	}
	if n := d.Count(); n != 2 || d.Rest() != 2 || d.Bad() {
		t.Error(n, d.Rest(), d.Bad())
	}
}

// TestTruncated: a record that ends early is bad, wherever it ends, and stays bad.
func TestTruncated(t *testing.T) {
	whole := sample()
	for n := range len(whole) {
		d := Decode(whole[:n], 2)
		d.Byte()
		d.Uint()
		d.Int()
		_, _ = d.String(), d.Bytes()
		for range d.Count() {
			d.Byte()
		}
		if !d.Bad() {
			t.Errorf("%d of %d bytes are enough", n, len(whole))
		}
		if d.Uint() != 0 || d.Byte() != 0 || d.String() != "" || d.Count() != 0 || !d.Bad() {
			t.Errorf("%d bytes: the error does not stick", n)
		}
	}
}

func TestVersions(t *testing.T) {
	for version, bad := range map[byte]bool{0: true, 1: false, 2: false, 3: true} {
		d := Decode([]byte{version, 0}, 2)
		if d.Bad() != bad {
			t.Errorf("version %d: bad is %v", version, d.Bad())
		}
	}
}

// TestLyingLengths: a length or count beyond the record is refused before anything is made of that size.
func TestLyingLengths(t *testing.T) {
	huge := binary.AppendUvarint([]byte{1}, 1<<62)
	d := Decode(huge, 1)
	if d.Bytes() != nil || !d.Bad() {
		t.Error("a string longer than the record")
	}
	d = Decode(huge, 1)
	if d.Count() != 0 || !d.Bad() {
		t.Error("a count larger than the record")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample())
	f.Fuzz(func(t *testing.T, b []byte) {
		d := Decode(b, 2)
		for range d.Count() {
			before := d.Rest()
			_, _ = d.String(), d.Int()
			if !d.Bad() && d.Rest() >= before {
				t.Fatal("reading takes nothing")
			}
		}
	})
}
