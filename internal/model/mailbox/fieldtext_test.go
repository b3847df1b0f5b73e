package mailbox

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/format/fulltext"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/storage/kv"
)

// headers are ways to write fields that are hard to compare.
var headers = []string{
	"From: Ann <ann@example.org>", "From:ann@example.org", "From: \"O\\\"Hara, Ma\\ry\" <mary@example.org>, ben@example.net (Ben Comment)",
	"From: =?utf-8?q?J=C3=B6?= =?utf-8?q?rg?= <joerg@example.org>", "From: =?iso-8859-1?q?J=F6rg?=\r\n =?iso-8859-1?q?_M=FCller?= <jm@example.org>",
	"FROM : odd@example.org", "From: J\xf6rg <joerg@example.de>", "From: team: ann@example.org, ben@example.net;", "From:=?utf-8?b?5p2x5Lqs?= <tokyo@example.jp>",
	"To: undisclosed-recipients:;", "To: a@b.example,\r\n\tc@d.example", "Cc: \"quoted \\\\ pair\" <q@example.org>", "Bcc: hidden@example.org", "To: x@[192.0.2.1]", "To: post@xn--bcher-kva.example",
	"Subject: plain words", "Subject:=?utf-8?q?tight?=", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and =?utf-8?q?more?=", "Subject: " + strings.Repeat("verylongword", 12), "Subject: fo\r\n lded",
	"Message-ID: <one.two+three@mail.example.org>", "X-Odd: \xe9\xe8 =?x", "X-Odd: second\r\n  line", "no field at all", "Received: from a by b; now",
}

// needles are pieces of what fields say, and of what they don't.
func aNeedle(t *rapid.T, texts [][]byte) string {
	text := rapid.SampledFrom(texts).Draw(t, "text")
	if len(text) == 0 || rapid.IntRange(0, 4).Draw(t, "foreign") == 0 {
		return rapid.SampledFrom([]string{"", "ann", "example", "nowhere", "@", "jörg", "東京", "ex ample", "verylongword"}).Draw(t, "needle")
	}
	i := rapid.IntRange(0, len(text)-1).Draw(t, "from")
	return string(text[i:rapid.IntRange(i, min(len(text), i+70)).Draw(t, "to")])
}

// TestFieldsInTheIndex: the index never rules out what a field says, whatever that is, and is sure only of what is so.
func TestFieldsInTheIndex(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		n := rapid.IntRange(1, 12).Draw(rt, "messages")
		for i := range n {
			h := rapid.SliceOfN(rapid.SampledFrom(headers), 0, 5).Draw(rt, "headers")
			w.deliver(strings.Join(append(h, "", "text ann@example.org"), "\r\n"))
			if i == n/2 {
				w.must(w.store.Index(w.ctx, ann, true))
			}
		}
		if rapid.Bool().Draw(rt, "all") {
			w.must(w.store.Index(w.ctx, ann, true))
		}
		v := w.view(w.inbox())
		w.must(w.me.Read(w.ctx, func(b *Batch) error {
			for f := FieldFrom; f <= lastField; f++ {
				text := func(r *Row) []byte { rec, h, err := b.header(r); w.must(err); return AppendField(nil, f, rec, h) }
				w.asks(rt, b, v, func(needle string) *TextSearch { return SearchField(needle, f) }, text)
			}
			for _, name := range []string{"from", "subject", "x-odd", "message-id", "received", ""} {
				text := func(r *Row) []byte { _, h, err := b.header(r); w.must(err); return AppendHeaderField(nil, h, name) }
				w.asks(rt, b, v, SearchHeader, text)
			}
			return nil
		}))
	})
}

// asks compares what the index says of pieces of texts with the texts.
func (w *world) asks(t *rapid.T, b *Batch, v *View, search func(string) *TextSearch, text func(*Row) []byte) {
	var texts [][]byte
	for _, r := range v.All(0, v.Len()) {
		texts = append(texts, text(r))
	}
	needle := aNeedle(t, texts)
	s := search(needle)
	some, err := s.Candidates(b, v.page(0))
	w.must(err)
	for i, r := range v.All(0, v.Len()) {
		has := bytes.Contains(texts[i], fulltext.AppendFolded(nil, needle))
		may, sure, err := s.May(b, r)
		w.must(err)
		if has && !may || sure && may && !has || may != (some.Next(i) == i) {
			t.Fatalf("%q in %q: may %v, sure %v, candidate %v", needle, texts[i], may, sure, some.Next(i) == i)
		}
	}
}

// TestOldIndexes: an index from before there were fields tells nothing of them, and is made anew by Reindex.
func TestOldIndexes(t *testing.T) {
	w := newWorld(t)
	w.deliver("From: ann@example.org\r\n\r\nhello", "From: ben@example.org\r\n\r\nhello")
	w.must(w.store.Index(w.ctx, ann, true))
	m := w.manifest()
	old := []byte{1}
	for _, s := range m.segments {
		old = append(old, byte(s.id), byte(s.docs), byte(s.chunks), byte(s.bytes&0x7f|0x80), byte(s.bytes>>7))
	}
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error { return tx.Set(indexKey(), old) }))
	w.finds(SearchBody("hello"), 1, 2)
	if got := w.mayBe(SearchField("ann", FieldFrom)); !slices.Equal(got, []UID{1, 2}) {
		t.Errorf("an old index rules out all but %v", got)
	}
	w.must(w.store.Reindex(w.ctx, ann))
	if got := w.mayBe(SearchField("ann", FieldFrom)); !slices.Equal(got, []UID{1}) {
		t.Errorf("a new index leaves %v", got)
	}
}

func (w *world) mayBe(s *TextSearch) (uids []UID) {
	w.Helper()
	v := w.view(w.inbox())
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		for _, r := range v.All(0, v.Len()) {
			may, _, err := s.May(b, r)
			if err != nil {
				return err
			}
			if may {
				uids = append(uids, r.UID)
			}
		}
		return nil
	}))
	return uids
}

// TestTailFloor: the tail begins where nothing can come any more, also if a message that is stored ahead comes late.
func TestTailFloor(t *testing.T) {
	w := newWorld(t)
	late := w.content("Subject: late\r\n\r\nlatecomer")
	staged, err := w.me.a.stage(w.ctx, late)
	w.must(err)
	for i := range 3 {
		w.deliver(fmt.Sprintf("\r\nearly %d", i))
	}
	w.must(w.store.Index(w.ctx, ann, true))
	if f := w.manifest().floor; f != staged {
		t.Errorf("the tail begins at %d, but %d may come", f, staged)
	}
	w.must(w.submitted(func(t *txn) error {
		f, err := t.folder(w.inbox())
		if err != nil {
			return err
		}
		_, err = t.append(f, &Append{Content: late}, staged, AllRights)
		return err
	}).wait())
	w.finds(SearchBody("latecomer"), 4)
	w.must(w.store.Index(w.ctx, ann, true))
	if f := w.manifest().floor; f <= staged {
		t.Errorf("the tail begins at %d, though all up to %d is indexed", f, staged)
	}
	w.finds(SearchBody("latecomer"), 4)
	w.finds(SearchBody("early"), 1, 2, 3)
	problems, err := w.damagedOf(ann, func(tx kv.Tx) error { return tx.Set(unindexedKey(staged), nil) })
	if all := strings.Join(problems, "\n"); err != nil || !strings.Contains(all, "which says that all before") {
		t.Errorf("no word of it: %q, %v", all, err)
	}
}

// What a record knows of where the fields are changes nothing of what is found.
func TestFieldsFoundByTheirPlaces(t *testing.T) {
	for _, header := range []string{
		"Received: x\r\nFrom: Ann <a@b>\r\nX-From: no\r\nTO : b@c,\r\n d@e\r\nto: =?utf-8?q?J=C3=B6rg?= <j@x>\r\ncc:\r\n\r\n",
		"from: a\r\nno field\r\nFrom : b\r\n 1: x\r\n\r\nFrom: body",
		" to: a\r\nTo: b\r\n\tc\r\n",
		strings.Repeat("Bcc: "+strings.Repeat("x", 500)+" <x@y>\n", 10) + "\n",
		"\xc6rom: a\n@rom: b\nFROM\t: c\n\n",
	} {
		s := message.Parse([]byte(header))
		rec := summary.Make(s, "")
		for f, name := range map[HeaderField]string{FieldFrom: "from", FieldTo: "to", FieldCc: "cc", FieldBcc: "bcc"} {
			want := AppendHeaderField(nil, []byte(s.Header.Raw), name)
			if got := AppendField(nil, f, rec, []byte(s.Header.Raw)); !bytes.HasSuffix(got, want) {
				t.Errorf("%s of %q: %q, not %q", name, header, got, want)
			}
		}
	}
}

// Text in several lines is what unfolding makes of it, though it isn't copied for that.
func TestFoldedFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"Ab", "z", " ", "\t", "\r", "\n", "\r\n", "=", "?", "=?x", "=?utf-8?q?=C3=9F?=", "\xe9", "\x00"})).Draw(t, "text"), "")
		text := v
		if strings.Contains(v, "\n") || strings.Contains(v, "=?") || !ascii([]byte(v)) {
			text = message.DecodeWords(message.DecodeText(message.Unfold(v)))
		}
		want := fulltext.AppendFolded([]byte("before "), text)
		if got := appendDecoded([]byte("before "), []byte(v)); !bytes.Equal(got, want) {
			t.Errorf("%q: %q, not %q", v, got, want)
		}
	})
}
