package confusable

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSkeletonsOfWhatLooksAlike(t *testing.T) {
	for _, same := range [][]string{
		{"paypal", "PayPal", "pаypаl", "раураl", "paypa1", "pàypal", "ｐaypal", "pay\u200bpal"},
		{"microsoft", "rnicrosoft", "micr0soft", "mıcrosoft", "micrοsoft"},
		{"wikipedia", "vvikipedia", "wikip3dia"},
		{"amazon", "аmаzоn", "arnazon", "4mazon"},
	} {
		for _, s := range same[1:] {
			if s == "mıcrosoft" { // a dotless i is a letter of its own, which looks like i
				if Skeleton("mıcrosoft") != Skeleton("microsoft") {
					t.Errorf("dotless i: %q", Skeleton(s))
				}
				continue
			}
			if Skeleton(s) != Skeleton(same[0]) {
				t.Errorf("%q is %q, %q is %q", s, Skeleton(s), same[0], Skeleton(same[0]))
			}
		}
	}
	for _, pair := range [][2]string{{"paypal", "payroll"}, {"москва", "mockba"}, {"日本", "日木"}, {"i", "l"}} {
		if Skeleton(pair[0]) == Skeleton(pair[1]) {
			t.Errorf("%q and %q look alike", pair[0], pair[1])
		}
	}
}

func TestMixedScripts(t *testing.T) {
	for _, w := range []string{"pаypal", "gооgle", "αpple", "ԁropbox"} {
		if !Mixed(w) {
			t.Errorf("%q isn't mixed", w)
		}
	}
	for _, w := range []string{"", "paypal", "müller", "москва", "пример1-2", "日本語abc", "ソニーtv", "한국abc", "ελλάδα", "שלום", "e-mail.example"} {
		if Mixed(w) {
			t.Errorf("%q is mixed", w)
		}
	}
}

func TestImitations(t *testing.T) {
	for w, want := range map[string]bool{"раура": true, "аррӏе": true, "apple": false, "москва": false, "müller": false, "": false, "pаypal": true} {
		if Imitates(w) != want {
			t.Errorf("%q: %v", w, !want)
		}
	}
}

func TestTableIsSound(t *testing.T) {
	for r, l := range index() {
		if r < utf8.RuneSelf || l == "" || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("%q: %q", r, l)
		}
	}
	if n := len(index()); n < 200 {
		t.Errorf("%d characters", n)
	}
}

func FuzzSkeleton(f *testing.F) {
	f.Add("paypal")
	f.Add("раура\xff")
	f.Fuzz(func(t *testing.T, s string) {
		k := Skeleton(s)
		if len(k) > 36*len(s)+4 { // U+FDFA is 18 letters
			t.Fatalf("%d bytes of %d", len(k), len(s))
		}
		if !HasSkeleton(s, k) || HasSkeleton(s, k+"x") || k != "" && HasSkeleton(s, k[1:]) {
			t.Fatalf("%q: %q", s, k)
		}
		Mixed(s)
		Imitates(s)
	})
}

func BenchmarkSkeleton(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Skeleton("accounts.example.com")
	}
}
