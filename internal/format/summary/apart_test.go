package summary

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/format/message"
)

// checkPieces checks that what is read of a record's pieces is what the record has, and reports whether there are pieces.
func checkPieces(t interface{ Fatalf(string, ...any) }, r Record) bool {
	if r.Apart() {
		t.Fatalf("a whole record says that its header is apart")
	}
	p, ok := r.Split()
	if !ok {
		return false
	}
	if !p.Brief.Apart() || p.Brief.Header() != nil || !p.Brief.Valid() {
		t.Fatalf("the brief record has a header of %d octets, apart: %v", len(p.Brief.Header()), p.Brief.Apart())
	}
	header, ok := p.Fields.AppendHeader([]byte("x"), p.Rest)
	if !ok || !bytes.Equal(header[1:], r.Header()) {
		t.Fatalf("%v, the header is\n%q\nnot\n%q", ok, header[1:], r.Header())
	}
	if whole := p.Brief.AppendWhole([]byte("x")[:1:1], header[1:], p.Rest); !bytes.Equal(whole, r) {
		t.Fatalf("the whole record is\n%q\nnot\n%q", whole, r)
	}
	for sec := range sections {
		if sec != secHeader && sec != secFields && sec != secApart && !bytes.Equal(p.Brief.section(sec), r.section(sec)) {
			t.Fatalf("section %d of the brief record is %q", sec, p.Brief.section(sec))
		}
	}
	for _, set := range []FieldSet{1, 1 << 4, 1 | 1<<3, usual, 0} {
		got, ok := p.Fields.Append([]byte("x"), set)
		want, _ := r.AppendFields([]byte("x"), set)
		if !ok || !bytes.Equal(got, want) {
			t.Fatalf("fields %b: %v, %q, not %q", set, ok, got, want)
		}
	}
	return true
}

func TestPieces(t *testing.T) {
	if !checkPieces(t, recordOf(typical)) {
		t.Error("a long header stays whole")
	}
	const short = "From: a@b\r\nSubject: s\r\n"
	for _, tt := range []struct {
		msg   string
		apart bool
	}{
		{"", false},
		{short + "\r\nbody", false},
		{"X: " + strings.Repeat("x", leastRest-7) + "\r\n" + short + "\r\n", true},
		{"X: " + strings.Repeat("x", leastRest-8) + "\r\n" + short + "\r\n", false},
		{short + "X: " + strings.Repeat("x", leastRest) + "\r\n" + short + "\r\nbody", true},
		{short + "X: " + strings.Repeat("x", leastRest) + "\r\nno field\r\n\r\nbody", false},
		{strings.Repeat("From: a\r\n", 200) + "X: " + strings.Repeat("x", leastRest) + "\r\n\r\n", false}, // too many to be noted
		{short + "X: " + strings.Repeat("x", MaxHeader) + "\r\n\r\n", false},
	} {
		if checkPieces(t, recordOf(tt.msg)) != tt.apart {
			t.Errorf("%.60q of %d octets: apart isn't %v", tt.msg, len(tt.msg), tt.apart)
		}
	}
}

func TestUsualFields(t *testing.T) {
	set := func(names ...string) FieldSet {
		var list [][]byte
		for _, n := range names {
			list = append(list, []byte(n))
		}
		s, ok := FieldsOf(list)
		if !ok {
			t.Fatal(names)
		}
		return s
	}
	if !set("from", "subject", "references").Usual() || set("from", "dkim-signature").Usual() {
		t.Error("what is usual isn't what programs ask for in lists")
	}
	p, _ := recordOf(typical).Split()
	if b, ok := p.Fields.Append([]byte("x"), set("return-path")); ok || string(b) != "x" {
		t.Errorf("an unusual field: %q", b)
	}
}

func TestPiecesOfAnyMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{
			" folded", "Subject: s", "FROM: a@b", "From: c@d", "Received: " + strings.Repeat("r", 300), "References: <a@b>\r\n <c@d>", "X:", "x", "\x00: \xff", "",
			"DKIM-Signature: " + strings.Repeat("s", 300), "Content-Type: text/plain",
		})).Draw(t, "lines")
		checkPieces(t, recordOf(strings.Join(lines, "\r\n")+"\r\n\r\nbody"))
	})
}

// FuzzPieces: damaged pieces say less, or nothing.
func FuzzPieces(f *testing.F) {
	p, _ := recordOf(typical).Split()
	f.Add([]byte(p.Brief), []byte(p.Fields), []byte(p.Rest))
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, brief, fields, rest []byte) {
		if h, ok := Fields(fields).AppendHeader(nil, rest); !ok && h != nil {
			t.Errorf("%v, %q", ok, h)
		}
		Fields(fields).Append(nil, usual)
		Record(brief).AppendWhole(nil, fields, rest).Header()
		Record(brief).Split()
		checkPieces(t, Make(message.Parse(slices.Concat(fields, rest, brief)), ""))
	})
}

func TestCutPieces(t *testing.T) {
	p, _ := recordOf(typical).Split()
	for i := range p.Fields {
		if h, ok := p.Fields[:i].AppendHeader(nil, p.Rest); ok || h != nil {
			t.Errorf("of %d octets a header of %d is made", i, len(h))
		}
		if b, ok := p.Fields[:i].Append(nil, 1); ok || len(b) > 0 {
			t.Errorf("of %d octets fields are taken: %q", i, b)
		}
	}
	for _, rest := range []Rest{nil, p.Rest[1:], p.Rest[:10], p.Rest[:3], p.Rest[:len(p.Rest)-1], append(p.Rest[:len(p.Rest):len(p.Rest)], 'x')} {
		if _, ok := p.Fields.AppendHeader(nil, rest); ok {
			t.Errorf("a header is made with a rest of %d octets", len(rest))
		}
	}
}

// TestOldRecordsStayWhole: records from before headers were kept apart read as they did.
func TestOldRecordsStayWhole(t *testing.T) {
	r := recordOf(typical)
	const was = secApart
	old := append([]byte{version, was}, r[tableStart:tableStart+4*was]...)
	old = append(old, r[tableStart+4*sections:]...)
	if _, ok := Record(old).Split(); ok || Record(old).Apart() || !bytes.Equal(Record(old).Header(), r.Header()) {
		t.Error("an old record reads otherwise")
	}
}

func BenchmarkSplit(b *testing.B) {
	r := recordOf(typical)
	b.ReportAllocs()
	for b.Loop() {
		r.Split()
	}
}

func BenchmarkUsualFields(b *testing.B) {
	p, _ := recordOf(typical).Split()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = p.Fields.Append(dst[:0], 1|1<<1|1<<4|1<<5)
	}
}
