package features

import (
	"slices"
	"strings"
	"testing"
)

// TestReading: a header is taken apart as it is written, in whatever case, and lines that are no fields are left out.
func TestReading(t *testing.T) {
	var r reading
	r.begin([]byte("Return-Path: <a@b>\r\nno field\r\nX-SPAM-Thing \t: 1\r\n"), []byte("fROM: a\r\n b\r\nTwo words: x\r\n: y\r\nX-Unheard: z\r\nlist-odd:\r\nSender: owner-a@b\r\n\r\n"))
	want := []struct {
		name, value string
		about       about
	}{
		{"return-path", " <a@b>\r\n", traced | ofReturnPath}, {"x-spam-thing", " 1\r\n", traced}, {"from", " a\r\n b\r\n", ofFrom},
		{"x-unheard", " z\r\n", 0}, {"list-odd", "\r\n", addedByList}, {"sender", " owner-a@b\r\n", ofSender | addedByList},
	}
	if len(r.fields) != len(want) {
		t.Fatalf("%d fields", len(r.fields))
	}
	for i, w := range want {
		f := &r.fields[i]
		if string(r.name(f)) != w.name || string(f.value) != w.value || f.about != w.about || f.passed() != (i == 5) {
			t.Errorf("%q: %q, %b", r.name(f), f.value, f.about)
		}
	}
}

// TestKnownFields: what is known beforehand of a name is what would be found out.
func TestKnownFields(t *testing.T) {
	for _, k := range knownFields[1:] {
		var f field
		f.know([]byte(k.name))
		whole, first := hashesOf([]byte(k.name))
		if f.about != k.about || f.whole != whole || f.first != first || f.about&traced != 0 != (slices.Contains(tracedNames[:], k.name) || aboutOthers([]byte(k.name))&traced != 0) {
			t.Errorf("%s: %+v", k.name, f)
		}
	}
	if n := len(knownFields); n > 1<<8 || 2*n > knownPlaces {
		t.Errorf("%d names", n)
	}
}

// TestReadTwice: who wants facts and features gets the same as those who want one of them.
func TestReadTwice(t *testing.T) {
	m := parse(head + "Reply-To: a@b.example\nContent-Type: text/plain\n\nsome text\n")
	x := New()
	r := x.Read(m)
	defer r.Close()
	m.Facts = r.Facts(m)
	if want := FactsOf(m.Summary.Header(), ""); want.Client != m.Facts.Client || want.Helo != m.Facts.Helo || !want.Client.IsValid() {
		t.Errorf("%+v, not %+v", m.Facts, want)
	}
	if got, want := r.Extract(m), New().Extract(m); !slices.Equal(got, want) {
		t.Errorf("%d features, not %d", len(got), len(want))
	}
}

// TestResultsAtHand: results that somebody has as text are taken if the header says just that.
func TestResultsAtHand(t *testing.T) {
	const ours = "mx.example.test;\n\tspf=pass smtp.mailfrom=x@a.example"
	m := parse("Return-Path: <x@a.example>\nAuthentication-Results: " + ours + "\n" + head + "\ntext\n")
	for _, results := range []string{"", strings.ReplaceAll(ours, "\n", "\r\n"), "mx.example.test; spf=fail", " "} {
		m.Results = results
		x := New()
		r := x.Read(m)
		if f := r.Facts(m); f.SPF != "pass" || !slices.Equal(f.Vouched, []string{"a.example"}) {
			t.Errorf("%q: %+v", results, f)
		}
		r.Close()
	}
}
