package fulltext

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// doc is a document by its zones.
type doc struct{ body, header string }

// index is a segment with what it was made of.
type index struct {
	docs   []doc
	chunks []Chunk
	guides []guide
}

// guide is a guide and its endings.
type guide struct {
	bytes   []byte
	endings [][]byte
}

func (g guide) ending(n int) ([]byte, error) { return g.endings[n], nil }

func build(docs []doc) index {
	b := NewBuilder()
	for i, d := range docs {
		b.Add(uint32(i), Header, AppendFolded(nil, d.header))
		b.Add(uint32(i), Body, AppendFolded(nil, d.body))
		for f, text := range d.fields() {
			b.AddField(uint32(i), f, AppendFolded(nil, text))
			b.AddTokens(uint32(i), f-1, AppendFolded(nil, text))
		}
	}
	return index{docs: docs, chunks: b.Chunks()}.guide()
}

// fields are the texts that stand for fields, of which the second is in no document.
func (d doc) fields() map[Field]string {
	return map[Field]string{2: d.header, 6: d.body, MaxField: d.header}
}

// findField is find in a field.
func (x index) findField(needle string, f Field) (found []int) {
	q := Compile(AppendFolded(nil, needle))
	if q.All() {
		return x.scanField(needle, f)
	}
	l := q.Field(f)
	if q.Token() {
		l = q.Tokens(f - 1)
	}
	x.ask(l, false).Each(func(d uint32) {
		if q.Exact() || q.Token() || q.In(AppendFolded(nil, x.docs[d].fields()[f])) {
			found = append(found, int(d))
		}
	})
	return found
}

// ask looks in all chunks, or where guides say, as the chunks' number has it.
func (x index) ask(l *Lookup, hasty bool) *Hits {
	plain, guided := x.hits(l, hasty, x.plain), x.hits(l, hasty, x.guided)
	if !slices.Equal(plain.all(), guided.all()) && !hasty {
		panic(fmt.Sprintf("guided %v, plain %v", guided.all(), plain.all()))
	}
	if len(x.docs)%2 == 0 {
		return plain
	}
	return guided
}

func (x index) hits(l *Lookup, hasty bool, look func(*Hits)) *Hits {
	h := NewHits(l, uint32(len(x.docs)))
	if hasty {
		h.Hasty()
	}
	for again := true; again; again = !h.Enough() {
		look(h)
	}
	return h
}

func (h *Hits) all() (docs []uint32) {
	h.Each(func(d uint32) { docs = append(docs, d) })
	return docs
}

func (x index) plain(h *Hits) {
	for _, c := range x.chunks {
		if more, err := h.Search(c.Terms, func() ([]byte, error) { return c.Postings, nil }); err != nil {
			panic(err)
		} else if !more {
			break
		}
	}
}

func (x index) guided(h *Hits) {
	first := 0
	var visits []Visit
	for _, b := range x.guides {
		g, ok := OpenGuide(b.bytes)
		if !ok || !g.Sound() {
			panic("a guide can't be read")
		}
		for _, v := range h.plan(&g, b.ending) {
			v.Chunk += first
			visits = append(visits, v)
		}
		first += g.Chunks()
	}
	if first != len(x.chunks) {
		panic("guides of other chunks")
	}
	if !h.Planned() {
		return
	}
	for _, v := range visits {
		c := x.chunks[v.Chunk]
		if !h.Wants(v) {
			continue
		}
		if err := h.Visit(v, c.Terms, func() ([]byte, error) { return c.Postings, nil }); err != nil {
			panic(err)
		}
	}
}

// plan is Plan where no error can be.
func (h *Hits) plan(g *Guide, endings func(int) ([]byte, error)) []Visit {
	visits, err := h.Plan(g, endings)
	if err != nil {
		panic(err)
	}
	return visits
}

func (x index) guide() index {
	x.guides = guides(x.chunks, uint32(len(x.docs)), 2)
	return x
}

// guides makes guides of so many chunks each, with endings however few blocks they have.
func guides(chunks []Chunk, docs uint32, each int) (all []guide) {
	b := GuideBuilder{Docs: docs, later: true}
	for i, c := range chunks {
		if b.Add(c); i%each == each-1 || i == len(chunks)-1 {
			var g guide
			g.bytes, g.endings = b.Take()
			all = append(all, g)
		}
	}
	return all
}

func (x index) scanField(needle string, f Field) (found []int) {
	q := Compile(AppendFolded(nil, needle))
	for i, d := range x.docs {
		if q.In(AppendFolded(nil, d.fields()[f])) {
			found = append(found, i)
		}
	}
	return found
}

// find searches as users do: by the index, and by the text where that isn't exact.
func (x index) find(needle string, z Zones) (found []int) {
	q := Compile(AppendFolded(nil, needle))
	if q.All() {
		return x.scan(needle, z)
	}
	x.ask(q.Zones(z), !q.Exact()).Each(func(d uint32) {
		if q.Exact() || x.has(int(d), q, z) {
			found = append(found, int(d))
		}
	})
	return found
}

func (x index) scan(needle string, z Zones) (found []int) {
	q := Compile(AppendFolded(nil, needle))
	for i := range x.docs {
		if x.has(i, q, z) {
			found = append(found, i)
		}
	}
	return found
}

func (x index) has(i int, q *Query, z Zones) bool {
	d := x.docs[i]
	return z&Body != 0 && q.In(AppendFolded(nil, d.body)) || z&Header != 0 && q.In(AppendFolded(nil, d.header))
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"ABC xyz 09":       "abc xyz 09",
		"Ärger":            "a\u0308rger",
		"A\u0308RGER":      "a\u0308rger",
		"ΣΊΣΥΦΟΣ":          "σι\u0301συφοσ",
		"Ⅷ ﬁ ＡＢＣ":          "viii fi abc",
		"한글":               "한글",
		"漢字かなカナ":           "漢字かなカナ",
		"co\u00adoperate":  "cooperate",
		"a\u00a0b":         "a b",
		"bad \xff\xfe utf": "bad \uFFFD\uFFFD utf",
	} {
		if got := string(AppendFolded(nil, in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestFoldASCII: eight octets at a time are as one by one.
func TestFoldASCII(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := bytes.Repeat([]byte{'Q'}, 20)
			b[at] = byte(c)
			want, n := bytes.Repeat([]byte{'q'}, 20), 20
			want[at] = lower(byte(c))
			if c >= utf8.RuneSelf {
				n = at
			}
			if got := foldASCII(b); got != n || !bytes.Equal(b[:n], want[:n]) {
				t.Fatalf("octet %#x at %d: %q, want %q", c, at, b[:got], want[:n])
			}
		}
	}
	for _, in := range []string{strings.Repeat("Q", foldPiece-1) + "é", strings.Repeat("QÜ ", foldPiece), strings.Repeat("Q", 3*foldPiece+5)} {
		var want []byte
		for _, r := range in {
			want = AppendFolded(want, string(r))
		}
		if got := AppendFolded(nil, in); !bytes.Equal(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestFind(t *testing.T) {
	x := build([]doc{
		{body: "The quick brown fox", header: "subject: Fuchs"},
		{body: "Übergrößenträger jumped", header: "from: fox@example.org"},
		{body: "東京都に住んでいます", header: "to: 京都"},
		{body: strings.Repeat("abcdefghij", 30) + "NEEDLE" + strings.Repeat("klmnopqrst", 30)},
		{body: "一", header: "x-y: 1"},
		{body: "re: quick, brown; foxes"},
	})
	for _, tt := range []struct {
		needle string
		z      Zones
		want   []int
	}{
		{"fox", Body, []int{0, 5}},
		{"FOX", Body | Header, []int{0, 1, 5}},
		{"fox@example", Body | Header, []int{1}},
		{"fox@example", Body, nil},
		{"ick bro", Body, []int{0}},
		{"quick, brown", Body, []int{5}},
		{"ubergro", Body, nil},
		{"übergröß", Body, []int{1}},
		{"UBERGRO", Body, nil},
		{"京都", Body, []int{2}},
		{"京都", Body | Header, []int{2}},
		{"東京都に", Body, []int{2}},
		{"都", Header, []int{2}},
		{"一", Body, []int{4}},
		{"needle", Body, []int{3}},
		{"ijneedlek", Body, []int{3}},
		{strings.Repeat("abcdefghij", 5) + "needle", Body, []int{3}},
		{strings.Repeat("abcdefghij", 5) + "needleX", Body, nil},
		{"; ", Body, []int{5}},
		{"", Body, []int{0, 1, 2, 3, 4, 5}},
		{"no such thing", Body | Header, nil},
	} {
		if d := cmp.Diff(tt.want, x.find(tt.needle, tt.z)); d != "" {
			t.Errorf("%q in %d: %s", tt.needle, tt.z, d)
		}
	}
}

var alphabet = []string{"a", "-", "b", "ab", "A", " ", ".", "@", "é", "e\u0301", "漢", "字", "か", "ß", "\x00", "\u00ad", "한", strings.Repeat("x", 40), strings.Repeat("xy", 30)}

func genText(max int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, max).Draw(t, "text"), "")
	})
}

// TestFindsWhatIsThere: whatever the documents and the needle, also after merging.
func TestFindsWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) doc { return doc{genText(12).Draw(t, "body"), genText(6).Draw(t, "header")} }), 1, 8).Draw(t, "docs")
		x := build(docs)
		cut := rapid.IntRange(0, len(docs)).Draw(t, "cut")
		gone := rapid.SliceOfN(rapid.Bool(), len(docs), len(docs)).Draw(t, "gone")
		y := merged(t, docs, cut, gone)
		for range 5 {
			needle := genText(4).Draw(t, "needle")
			z := Zones(rapid.IntRange(1, 3).Draw(t, "zones"))
			for _, x := range []index{x, y} {
				if d := cmp.Diff(x.scan(needle, z), x.find(needle, z)); d != "" {
					t.Fatalf("%q in %d of %q: %s", needle, z, x.docs, d)
				}
				f := rapid.SampledFrom([]Field{2, 4, 6, MaxField}).Draw(t, "field")
				if d := cmp.Diff(x.scanField(needle, f), x.findField(needle, f)); d != "" {
					t.Fatalf("%q in field %d of %q: %s", needle, f, x.docs, d)
				}
			}
		}
	})
}

// merged makes the segment by merging two, and leaves some documents out.
func merged(t *rapid.T, docs []doc, cut int, gone []bool) index {
	var all index
	var sources []Source
	n := uint32(0)
	for _, r := range [][2]int{{0, cut}, {cut, len(docs)}} {
		part := build(docs[r[0]:r[1]])
		s := Source{Next: reader(part.chunks)}
		for i := r[0]; i < r[1]; i++ {
			if gone[i] {
				s.Renumber = append(s.Renumber, Gone)
				continue
			}
			s.Renumber = append(s.Renumber, n)
			all.docs = append(all.docs, docs[i])
			n++
		}
		sources = append(sources, s)
	}
	if err := Merge(sources, func(c Chunk) error { all.chunks = append(all.chunks, c); return nil }); err != nil {
		t.Fatal(err)
	}
	return all.guide()
}

func reader(chunks []Chunk) func() (Chunk, bool, error) {
	return func() (Chunk, bool, error) {
		if len(chunks) == 0 {
			return Chunk{}, false, nil
		}
		c := chunks[0]
		chunks = chunks[1:]
		return c, true, nil
	}
}

// TestPiecesOfLongWords: every piece of a word that is cut is in one of its terms.
func TestPiecesOfLongWords(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "%c%02d", 'a'+i%26, i)
	}
	long := b.String()
	x := build([]doc{{body: long}})
	for at := range long {
		for n := 1; n <= 40 && at+n <= len(long); n++ {
			if got := x.find(long[at:at+n], Body); len(got) != 1 {
				t.Fatalf("%q isn't found", long[at:at+n])
			}
		}
	}
}

// TestManyChunks: a term is found in whichever chunk it is.
func TestManyChunks(t *testing.T) {
	var docs []doc
	for i := range 200 {
		var b strings.Builder
		for j := range 500 {
			fmt.Fprintf(&b, "word%dof%d common ", j, i)
		}
		docs = append(docs, doc{body: b.String()})
	}
	x := build(docs)
	if len(x.chunks) < 4 {
		t.Fatalf("%d chunks", len(x.chunks))
	}
	for i := range docs {
		if got := x.find(fmt.Sprintf("word%dof%d ", i, i), Body); len(got) != 1 || got[0] != i {
			t.Fatalf("%d: %v", i, got)
		}
	}
	for i := range docs {
		for _, needle := range []string{" word%dof%d ", " word%dof%d", " Word%dof%d common"} {
			got := x.find(fmt.Sprintf(needle, 2*i+1, i), Body)
			same := x.findField(fmt.Sprintf(needle, 2*i+1, i), 6)
			if !slices.Contains(got, i) || needle[len(needle)-1] != 'd' && len(got) != 1 || !slices.Equal(got, same) {
				t.Fatalf("%q of %d: %v, %v", needle, i, got, same)
			}
		}
	}
	if got := x.find("commo", Body); len(got) != len(docs) {
		t.Errorf("%d documents have it", len(got))
	}
	for i := range docs {
		if got := x.findField(fmt.Sprintf("word%dof%d ", 2*i, i), 6); len(got) != 1 || got[0] != i {
			t.Fatalf("%d: %v", i, got)
		}
	}
	if got := x.findField("commo", 2); got != nil {
		t.Errorf("found in another field: %v", got)
	}
}

// TestCommonWords: a needle of common and rare words is found by the rare ones, one of common words by all of them, whatever else has each.
func TestCommonWords(t *testing.T) {
	const n = 4000
	b := NewBuilder()
	for i := range uint32(n) {
		text := "common"
		if i%2 == 0 {
			text += " often"
		}
		if i%3 == 0 {
			text += " third"
		}
		if i == 2400 || i == 2401 {
			text += " rare"
		}
		b.Add(i, Body, []byte(text))
	}
	x := index{docs: make([]doc, n), chunks: b.Chunks()}.guide()
	for needle, want := range map[string][2]int{ // the documents, and of how many the lists may be read
		"common rare":           {2, 1},
		"often common rare":     {2, 1}, // one of them hasn't the first
		"often third":           {667, 2},
		"common, rare, nowhere": {0, 1},
		"nowhere common":        {0, 0},
		"rare":                  {2, 1},
		"common often third":    {667, 3},
	} {
		for name, look := range map[string]func(*Hits){"plain": x.plain, "guided": x.guided} {
			rounds := 0
			h := x.hits(Compile([]byte(needle)).Zones(Body), true, func(h *Hits) { rounds++; look(h) })
			if got := h.count(); got != want[0] || len(h.patterns) < want[1] || rounds > 3 {
				t.Errorf("%s, %q: %d documents by %d words in %d rounds", name, needle, got, len(h.patterns), rounds)
			}
		}
	}
}

// TestCommonWordsOfVeryMany: the lists of what very many documents have aren't read to spare a look at forty documents, but at a thousand.
func TestCommonWordsOfVeryMany(t *testing.T) {
	const n = 150_000
	b := NewBuilder()
	for i := range uint32(n) {
		text := "common"
		if i%3500 == 0 {
			text += " rare"
		}
		if i%150 == 0 {
			text += " often"
		}
		b.Add(i, Body, []byte(text))
	}
	x := index{docs: make([]doc, n), chunks: b.Chunks()}.guide()
	for needle, want := range map[string]int{"rare common": 1, "often common": 2} { // of how many words the lists are read
		h := x.hits(Compile([]byte(needle)).Zones(Body), true, x.guided)
		if len(h.patterns) != want {
			t.Errorf("%q: %d documents by %d words", needle, h.count(), len(h.patterns))
		}
	}
}

func FuzzChunk(f *testing.F) {
	c := build([]doc{{body: "some words and some more"}, {body: "words"}}).chunks[0]
	f.Add(c.Terms, c.Postings, "words")
	f.Add([]byte{0, 0, 0, 1, 0}, []byte{}, "a")
	f.Fuzz(func(t *testing.T, terms, postings []byte, needle string) {
		q := Compile(AppendFolded(nil, needle))
		if q.All() {
			return
		}
		h := NewHits(q.Zones(Body|Header), 10)
		_, _ = h.Search(terms, func() ([]byte, error) { return postings, nil })
		_, _ = NewHits(q.Field('a'), 10).Search(terms, func() ([]byte, error) { return postings, nil })
		h.Each(func(doc uint32) {
			if doc >= pageDocs {
				t.Error(doc)
			}
		})
		guides([]Chunk{{terms, postings}}, 10, 1)
		err := Merge([]Source{{Next: reader([]Chunk{{terms, postings}}), Renumber: []uint32{0, 1, Gone, 2}}}, func(Chunk) error { return nil })
		if err != nil {
			t.Error(err)
		}
	})
}

func FuzzFold(f *testing.F) {
	f.Add("Ärger\xff한漢")
	f.Fuzz(func(t *testing.T, s string) {
		once := AppendFolded(nil, s)
		if twice := AppendFolded(nil, string(once)); !bytes.Equal(once, twice) {
			t.Errorf("%q folds to %q, and that to %q", s, once, twice)
		}
		terms(once, func(term []byte) {
			if len(term) == 0 || bytes.IndexByte(term, 0) >= 0 {
				t.Errorf("term %q", term)
			}
		})
	})
}

// TestFoldingTwice changes nothing, whatever the character.
func TestFoldingTwice(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		once := AppendFolded(nil, string(r))
		if twice := AppendFolded(nil, string(once)); !bytes.Equal(once, twice) {
			t.Errorf("%U folds to %q, and that to %q", r, once, twice)
		}
	}
}

func sample(n int) string {
	var b strings.Builder
	for i := range n / 8 {
		fmt.Fprintf(&b, "%x wor%d. ", i*i*7919%4093, i%700)
	}
	return b.String()
}

func BenchmarkFold(b *testing.B) {
	s := sample(8 << 10)
	b.SetBytes(int64(len(s)))
	var dst []byte
	for b.Loop() {
		dst = AppendFolded(dst[:0], s)
	}
}

// BenchmarkSegment makes a segment of 256 documents of 8 KB, with common words and with some that only they have.
func BenchmarkSegment(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rng, 1.2, 10, 50_000)
	docs := make([][]byte, 256)
	for i := range docs {
		for len(docs[i]) < 8<<10 {
			if rng.IntN(20) == 0 {
				docs[i] = fmt.Appendf(docs[i], "%x@%d.example ", rng.Uint64(), rng.IntN(1000))
				continue
			}
			n := zipf.Uint64()
			docs[i] = fmt.Appendf(docs[i], "%s%d ", "abcdefghij"[n%10:], n)
		}
	}
	b.SetBytes(256 * 8 << 10)
	b.ReportAllocs()
	for b.Loop() {
		w := NewBuilder()
		for i, d := range docs {
			w.Add(uint32(i), Body, d)
		}
		w.Chunks()
	}
}
