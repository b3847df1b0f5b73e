package mailbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postroad/internal/storage/kv"
)

// found are the UIDs of the inbox in which a search finds its text.
func (w *world) found(s *TextSearch) (uids []UID) {
	w.Helper()
	v := w.view(w.inbox())
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		for _, row := range v.All(0, v.Len()) {
			ok, err := s.Match(b, row)
			if err != nil {
				return err
			}
			if ok {
				uids = append(uids, row.UID)
			}
		}
		return nil
	}))
	return uids
}

func (w *world) finds(s *TextSearch, want ...UID) {
	w.Helper()
	if d := cmp.Diff(want, w.found(s)); d != "" {
		w.Errorf("%s", d)
	}
}

func (w *world) deliver(msgs ...string) {
	w.Helper()
	for _, m := range msgs {
		_, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content(m)})
		w.must(err)
	}
}

const mixed = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: Ann <ann@example.org>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\nX-Part: inside\r\n\r\nPHA+RGVyIDxiPlNjaDwvYj7DtG5lPC9wPg==\r\n" +
	"--b\r\nContent-Type: image/png; name=\"=?utf-8?q?Fr=C3=BChling.png?=\"\r\n\r\nAAAA\r\n--b--\r\n"

// TestTextSearch: what is found, before and after the index knows it.
func TestTextSearch(t *testing.T) {
	w := newWorld(t)
	w.deliver(mixed, "Subject: plain\r\n\r\nNothing of that, but 東京都 and words.\r\n", "just one line without any header or end")
	for range 2 {
		w.finds(SearchBody("schÔne"), 1)
		w.finds(SearchBody("der sch"), 1)
		w.finds(SearchBody("FRÜHLING"), 1)
		w.finds(SearchBody("fru"), 1) // the accent is a character of its own (RFC 5051)
		w.finds(SearchBody("inside"))
		w.finds(SearchAll("x-part: inside"), 1)
		w.finds(SearchAll("grüße"), 1)
		w.finds(SearchBody("grüße"))
		w.finds(SearchAll("from: ann <ann@"), 1)
		w.finds(SearchAll("京都"), 2)
		w.finds(SearchAll("without any"), 3)
		w.finds(SearchAll(""), 1, 2, 3)
		w.finds(SearchAll(", but"), 2)
		w.must(w.store.Index(w.ctx, ann, true))
	}
	if n := w.tail(); n != 0 {
		t.Errorf("%d contents are not indexed", n)
	}
}

func (w *world) expunge(which func(UID) bool) {
	w.Helper()
	v := w.view(w.inbox())
	uids := []UID{}
	for _, row := range v.All(0, v.Len()) {
		if which(row.UID) {
			uids = append(uids, row.UID)
		}
	}
	_, err := w.me.Expunge(w.ctx, w.inbox(), uids, false)
	w.must(err)
}

func (w *world) tail() (n int) {
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		ids, err := tailOf(r, 0, 1<<20)
		n = len(ids)
		return err
	}))
	return n
}

func (w *world) manifest() (m manifest) {
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) (err error) {
		m, _, _, err = readManifest(r)
		return err
	}))
	return m
}

func (w *world) segments() []segment { return w.manifest().segments }

// TestIndexOfManyMessages: segments are made and merged, and what is gone is left out of those that are made.
func TestIndexOfManyMessages(t *testing.T) {
	w := newWorld(t)
	const rounds = mergeMin + 1
	for round := range rounds {
		items := make([]Append, tailMin)
		for i := range items {
			items[i].Content = w.content(fmt.Sprintf("Subject: s\r\n\r\nround%d number%dx all\r\n", round, i))
		}
		_, err := w.me.Append(w.ctx, w.inbox(), items...)
		w.must(err)
		if round == mergeMin-1 {
			w.expunge(func(u UID) bool { return u <= 100 })
		}
		w.must(w.store.Index(w.ctx, ann, false))
	}
	m := w.segments()
	if len(m) != 2 || m[0].docs != mergeMin*tailMin-100 || m[1].docs != tailMin || w.tail() != 0 {
		t.Errorf("%+v, %d in the tail", m, w.tail())
	}
	if n := len(w.found(SearchBody("all"))); n != rounds*tailMin-100 {
		t.Errorf("%d found", n)
	}
	w.finds(SearchBody("round0 number100x"), 101)
	w.finds(SearchBody("round0 number99x"))
	if n := len(w.found(SearchBody("number200x"))); n != rounds {
		t.Errorf("%d found", n)
	}
}

// encoded ends the header of a message whose text has to be taken out, which is work if it is large.
const encoded = "Content-Transfer-Encoding: quoted-printable\r\n\r\n"

// TestLargeMessagesCallTheIndexer: few of them are indexed, where many small ones still wait.
func TestLargeMessagesCallTheIndexer(t *testing.T) {
	w := newWorld(t)
	w.deliver("Subject: x\r\n\r\nsmall")
	w.must(w.store.Index(w.ctx, ann, false))
	if w.tail() != 1 {
		t.Errorf("%d in the tail", w.tail())
	}
	pad := encoded + strings.Repeat("-\r\n", textInline/3)
	for i := range tailMin/(1+bareWeight) + 1 {
		w.deliver(fmt.Sprintf("Subject: x\r\n%slarge%d", pad, i))
	}
	w.must(w.store.Index(w.ctx, ann, false))
	if w.tail() != 0 {
		t.Errorf("%d in the tail", w.tail())
	}
	w.finds(SearchBody("large3"), 5)
}

// TestTextsTakenOutOnce: what a search had to take out of a large message it needs not take out again.
func TestTextsTakenOutOnce(t *testing.T) {
	w := newWorld(t)
	pad := encoded + strings.Repeat("-\r\n", textInline/3)
	w.deliver(pad+"needle one", pad+"two", "\r\nsmall")
	asked := func() bool {
		id, texts, _ := w.store.indexing.take()
		if texts {
			w.must(w.store.storeTexts(w.ctx, id))
		}
		return texts
	}
	for round, want := range []bool{true, false} {
		w.finds(SearchBody("needle"), 1)
		w.finds(SearchBody("two"), 2)
		if got := asked(); got != want {
			t.Errorf("round %d: texts were missing: %v", round, got)
		}
		if w.tail() != 3 {
			t.Errorf("round %d: %d in the tail", round, w.tail())
		}
		w.check()
	}
	w.must(w.store.Index(w.ctx, ann, true))
	w.finds(SearchBody("needle"), 1)
}

// TestTextsFromBefore: an account without texts is searched by its messages, until its texts are made.
func TestTextsFromBefore(t *testing.T) {
	w := newWorld(t)
	w.deliver(mixed, "A: b\r\n\r\n"+strings.Repeat("long text\r\n", 200_000)+"needle\r\n")
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		for p, err := range tx.Scan(all(keyContent)) {
			w.must(err)
			rec, err := decodeContent(p.Value)
			w.must(err)
			old := rec.encode()
			w.must(tx.Set(p.Key, old[:len(old)-1]))
		}
		w.must(tx.DeleteRange([]byte{keyText}, []byte{keyText + 1}))
		w.must(tx.DeleteRange([]byte{keyTail}, []byte{keyTail + 1}))
		return tx.Delete(indexKey())
	}))
	for range 2 {
		w.finds(SearchBody("schône"), 1)
		w.finds(SearchAll("needle"), 2)
		w.deliver("Subject: new\r\n\r\nnew needle\r\n")
		w.finds(SearchAll("new needle"), w.view(w.inbox()).At(w.view(w.inbox()).Len()-1).UID)
		w.expunge(func(u UID) bool { return u > 2 })
		w.must(w.store.Index(w.ctx, ann, true))
	}
	w.must(w.store.Reindex(w.ctx, ann))
	w.finds(SearchAll("needle"), 2)
	if w.tail() != 0 || len(w.segments()) != 1 {
		t.Errorf("%d in the tail, %+v", w.tail(), w.segments())
	}
}

// TestLargeTextsAreCut: a text of several records is searched as one.
func TestLargeTextsAreCut(t *testing.T) {
	w := newWorld(t)
	text := strings.Repeat("0123456789abcde\r\n", 3*textChunk/17)
	at := textChunk - 20
	w.deliver("Subject: x\r\n\r\n" + strings.ReplaceAll(text[:at], "\r\n", " \r\n")[:at] + " over the edge of the first record, far " + text)
	w.finds(SearchBody("over the edge of the first record, far"), 1)
	w.must(w.store.Index(w.ctx, ann, true))
	w.finds(SearchBody("over the edge of the first record, far"), 1)
	w.finds(SearchBody("over the edge of the second"))
	_, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content("A: b\r\n\r\n" + strings.Repeat("staged text\r\n", 200_000) + "stagedneedle")})
	w.must(err)
	w.finds(SearchBody("stagedneedle"), 2)
	w.expunge(func(UID) bool { return true })
}

// TestTextModel: whatever comes, goes and is indexed, a search finds what a look at the texts finds.
func TestTextModel(t *testing.T) {
	w := newWorld(t)
	words := []string{"alpha", "beta", "GAMMA", "delta", "épsilon", "zêta", "eta.", "the@ta"}
	texts := map[UID]string{}
	rapid.Check(t, func(rt *rapid.T) {
		switch rapid.IntRange(0, 3).Draw(rt, "what") {
		case 0, 1:
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 5).Draw(rt, "words"), " ")
			pad := rapid.SampledFrom([]string{"\r\n", encoded}).Draw(rt, "kind")
			if rapid.Bool().Draw(rt, "large") { // so that the text waits for the indexer, if it is encoded
				pad += strings.Repeat("-\r\n", textInline/3)
			}
			done, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content("Subject: x\r\n" + pad + text)})
			w.must(err)
			texts[done[0].UID] = text
		case 2:
			for u := range texts {
				w.expunge(func(x UID) bool { return x == u })
				delete(texts, u)
				break
			}
		case 3:
			w.must(w.store.Index(w.ctx, ann, true))
		}
		needle := rapid.SampledFrom(words).Draw(rt, "needle") + rapid.SampledFrom([]string{"", " ", " a", " b"}).Draw(rt, "more")
		needle = needle[rapid.IntRange(0, 2).Draw(rt, "from"):]
		var want []UID
		for u, text := range texts {
			if strings.Contains(strings.ToLower(text), strings.ToLower(strings.ToValidUTF8(needle, "\uFFFD"))) {
				want = append(want, u)
			}
		}
		slices.Sort(want)
		if d := cmp.Diff(want, w.found(SearchBody(needle))); d != "" {
			rt.Fatalf("%q: %s", needle, d)
		}
	})
}

// TestPlainTextIsStoredOnce: of a message whose body is its text, only the place is stored besides.
func TestPlainTextIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	plain := w.content("Subject: x\r\n\r\n\r\nA \u00c4pple\r\nand a b ananas\r\n\r\n")
	_, err := w.me.Append(w.ctx, w.inbox(), Append{Content: plain}, Append{Content: plain.Prefixed([]byte("Received: here\r\n"))}, Append{Content: w.content(mixed)},
		Append{Content: w.content("Subject: y\r\n\r\n" + strings.Repeat("many words\r\n", maxPlain/14) + "The last")})
	w.must(err)
	for range 2 {
		w.finds(SearchBody("a \u00c4PPLE\nand"), 1, 2)
		w.finds(SearchBody("words\nthe last"), 4)
		w.finds(SearchBody("Nas"), 1, 2)
		w.finds(SearchBody("here"))
		w.finds(SearchAll("here"), 2)
		w.finds(SearchBody("der sch"), 3)
		w.must(w.store.Index(w.ctx, ann, true))
	}
	id := w.view(w.inbox()).At(1).Content
	for range 2 { // also when it is made anew
		w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
			for _, row := range []int{1, 3} {
				v, _, err := r.Get(textKey(w.view(w.inbox()).At(row).Content, 0))
				if at, there, _ := decodePlaceOfText(v); err != nil || !there || at.n == 0 || len(v) > 16 {
					t.Errorf("stored is % x (%v), not a place", v, err)
				}
			}
			return nil
		}))
		w.must(w.store.Reindex(w.ctx, ann))
		w.finds(SearchBody("a \u00c4PPLE\nand"), 1, 2)
	}
	for _, value := range [][]byte{textPlace{1 << 20, 5}.appendTo(nil), textPlace{0, maxPlain + 1}.appendTo(nil), textPlace{0, 5}.appendTo(nil)[:6], append(textPlace{0, 5}.appendTo(nil), 0)} {
		problems, err := w.damagedOf(ann, func(tx kv.Tx) error { return tx.Set(textKey(id, 0), value) })
		if err != nil || len(problems) == 0 {
			t.Errorf("% x: not a word (%v)", value, err)
		}
	}
	w.expunge(func(UID) bool { return true })
}

func TestDamagedTextsAreReported(t *testing.T) {
	w := newWorld(t)
	w.deliver(mixed, mixed)
	w.must(w.store.Index(w.ctx, ann, true))
	id := w.view(w.inbox()).At(0).Content
	seg := w.segments()[0]
	for what, key := range map[string][]byte{
		"records of text":           textKey(id, 0),
		"is missing":                segmentKey(seg.id, segmentTerms, 0),
		"no list of contents":       segmentKey(seg.id, segmentDocs, 0),
		"0 times in the text index": segmentKey(seg.id, segmentDocs, 0),
	} {
		problems, err := w.damagedOf(ann, func(tx kv.Tx) error { return tx.Delete(key) })
		if err != nil || !strings.Contains(strings.Join(problems, "\n"), what) {
			t.Errorf("no word of %q in %q, %v", what, problems, err)
		}
	}
}

func BenchmarkTextOf(b *testing.B) {
	w := newWorld(b)
	text := "Subject: x\r\n\r\n" + strings.Repeat("0123456789 abcdef\r\n", 100)
	for b.Loop() {
		c := w.store.NewContent()
		_, _ = c.Write([]byte(text))
		done, _ := c.Finish()
		done.text.take()
		done.Close()
	}
}
