package forward

import (
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
)

// clock is a Rewriter whose time can be set.
type clock struct {
	*Rewriter
	at time.Time
}

func newClock() *clock {
	c := &clock{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	c.Rewriter = New([]byte("secret"), func() time.Time { return c.at })
	return c
}

func TestThereAndBack(t *testing.T) {
	c := newClock()
	for _, from := range []string{
		"ann@far.example", "Ann.Other+x@far.example", `"a b"@far.example`, `"a@b"@far.example`, "a=b@far.example", "ann@[192.0.2.1]", "zoë@far.example",
		strings.Repeat("x", 64) + "@far.example", "SRS0=@far.example", "SRS1=x=y@far.example", "SRS0x@far.example",
	} {
		for _, v := range []Voice{Told, Mute} {
			path, err := c.Path(from, "ours.example", v)
			if err != nil || !strings.HasSuffix(path, "@ours.example") {
				t.Fatalf("%s: %s, %v", from, path, err)
			}
			for _, spelling := range []string{path, strings.ToLower(path)} {
				to, got, err := c.Back(spelling)
				if err != nil || got != v || !strings.EqualFold(to, from) {
					t.Errorf("%s became %s, which is %s (%c), %v", from, spelling, to, got, err)
				}
			}
		}
	}
}

// TestForm is for the eyes: what other programs that know SRS recognise.
func TestForm(t *testing.T) {
	c := newClock()
	one, _ := c.Path("ann@far.example", "ours.example", Told)
	if !strings.HasPrefix(one, "SRS0=") || !strings.HasSuffix(one, "=far.example=ann@ours.example") || len(one) != len("SRS0=hhhhhhhh=tt=far.example=ann@ours.example") {
		t.Error(one)
	}
	two, _ := c.Path(one, "next.example", Told)
	if !strings.HasPrefix(two, "SRS1=") || !strings.HasSuffix(two, "=ours.example="+one[len("SRS0"):len(one)-len("@ours.example")]+"@next.example") {
		t.Error(two)
	}
	three, _ := c.Path(two, "last.example", Told)
	if !strings.HasSuffix(three, two[len("SRS1=hhhhhhhh"):len(two)-len("@next.example")]+"@last.example") {
		t.Errorf("%s\n%s", two, three)
	}
	for _, path := range []string{two, three} {
		if to, _, err := c.Back(path); err != nil || to != one {
			t.Errorf("%s leads to %s, %v", path, to, err)
		}
	}
	plus, _ := c.Path("SRS0+AAAA=BB=far.example=ann@other.example", "ours.example", Told)
	if to, _, err := c.Back(plus); err != nil || to != "SRS0+AAAA=BB=far.example=ann@other.example" {
		t.Errorf("%s leads to %s, %v", plus, to, err)
	}
}

func TestNullPathStays(t *testing.T) {
	if p, err := newClock().Path("", "ours.example", Told); p != "" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := newClock().Path("nobody", "ours.example", Told); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestForgedAndOld(t *testing.T) {
	c := newClock()
	one, _ := c.Path("ann@far.example", "ours.example", Told)
	two, _ := c.Path(one, "ours.example", Told)
	for _, path := range []string{one, two} {
		for i := range path[:strings.LastIndexByte(path, '@')] {
			forged := []byte(path)
			if forged[i] = 'x'; path[i] == 'x' || path[i] == 'X' {
				forged[i] = 'y'
			}
			if _, _, err := c.Back(string(forged)); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s passed for %s: %v", forged, path, err)
			}
			if _, _, err := c.Back(path[:i] + "@ours.example"); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s passed: %v", path[:i], err)
			}
		}
	}
	if _, _, err := New([]byte("another"), c.now).Back(one); !fault.Is(err, fault.NotFound) {
		t.Error("another's secret opens it")
	}
	for _, at := range []struct {
		after time.Duration
		good  bool
	}{{-24 * time.Hour, true}, {-48 * time.Hour, false}, {Lifetime, true}, {Lifetime + 24*time.Hour, false}, {500 * 24 * time.Hour, false}} {
		late := newClock()
		late.at = late.at.Add(at.after)
		if _, _, err := late.Back(one); (err == nil) != at.good {
			t.Errorf("after %v: %v", at.after, err)
		}
	}
}

// FuzzPath: whatever the reverse-path is, what we make of it leads back to it, and can stand in a header field.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"ann@far.example", `"a\"b"@far.example`, "SRS0=AAAA=BB=far.example=ann@other.example", "SRS1=AAAA=x==BB=CC=y=z@other.example", "SRS0-@x.example"} {
		f.Add(s)
	}
	c := newClock()
	f.Fuzz(func(t *testing.T, from string) {
		path, err := c.Path(from, "ours.example", Told)
		if err != nil || from == "" {
			return
		}
		if strings.ContainsAny(path, "\r\n\x00") {
			t.Fatalf("%q has a control character", path)
		}
		if len(path) > maxPath {
			return
		}
		to, v, err := c.Back(path)
		if err != nil || v != Told {
			t.Fatalf("%q became %q, which leads to %q (%d): %v", from, path, to, v, err)
		}
		want, _ := split(from)
		got, ok := split(to)
		again, _ := c.Path(to, "ours.example", Told)
		if !ok || got != want && again != path {
			t.Fatalf("%q became %q, which leads to %q: %v", from, path, to, err)
		}
	})
}

// FuzzBack: nothing that a stranger makes up is taken for ours.
func FuzzBack(f *testing.F) {
	f.Add("SRS0=AAAAAAAA=BB=far.example=ann@ours.example")
	f.Add("SRS1=AAAAAAAA=ours.example==BB=CC=far.example=ann@ours.example")
	c := New([]byte("not the one that the addresses were made with"), newClock().now)
	f.Fuzz(func(t *testing.T, address string) {
		if to, _, err := c.Back(address); err == nil {
			t.Fatalf("%q leads to %q", address, to)
		}
	})
}

func BenchmarkPath(b *testing.B) {
	c := newClock()
	for b.Loop() {
		if _, err := c.Path("ann@far.example", "ours.example", Told); err != nil {
			b.Fatal(err)
		}
	}
}
