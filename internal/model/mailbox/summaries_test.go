package mailbox

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/storage/kv"
)

// TestSummariesInPieces: what is read of summaries is what was made of the messages, in whatever order, whether their headers are apart or not.
func TestSummariesInPieces(t *testing.T) {
	w := newWorld(t)
	var texts []string
	var rows []Row
	add := func(n int) {
		items := make([]Append, n)
		for i := range items {
			texts = append(texts, fmt.Sprintf("To: ann\r\n%sSubject: s%d\r\n%s\r\ntext", trace(len(texts)), len(texts), trace(len(texts)/2)))
			items[i].Content = w.content(texts[len(texts)-1])
		}
		_, err := w.me.Append(w.ctx, w.inbox(), items...)
		w.must(err)
	}
	for range 5 {
		add(1)
	}
	add(20) // they are gathered
	for _, r := range w.view(w.inbox()).All(0, len(texts)) {
		rows = append(rows, *r)
	}
	set, _ := summary.FieldsOf([][]byte{[]byte("subject"), []byte("to")})
	apart := 0
	look := func(b *Batch, i int) {
		want := w.content(texts[i]).Summary()
		brief, err := b.Brief(&rows[i])
		w.must(err)
		header, err := b.Header(&rows[i], brief)
		w.must(err)
		if string(header) != string(want.Header()) || brief.Subject() != want.Subject() || brief.Apart() != (want.Header() != nil && strings.Contains(texts[i], "Received")) {
			t.Errorf("message %d: %q, the header is apart: %v, %q", i, brief.Subject(), brief.Apart(), header)
		}
		fields, ok, err := b.Fields(&rows[i])
		w.must(err)
		if ok != brief.Apart() {
			t.Errorf("message %d: its fields are apart: %v", i, ok)
		}
		if ok {
			apart++
			got, _ := fields.Append(nil, set)
			if is, _ := want.AppendFields(nil, set); !bytes.Equal(got, is) {
				t.Errorf("message %d: the fields %q", i, got)
			}
		}
		if whole, err := b.Summary(&rows[i]); err != nil || !bytes.Equal(whole, want) {
			t.Errorf("message %d: the summary\n%q\nnot\n%q, %v", i, whole, want, err)
		}
	}
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		for i := range rows {
			look(b, i)
		}
		for i := len(rows) - 1; i >= 0; i -= 2 {
			look(b, i)
			look(b, i/2)
		}
		return nil
	}))
	if apart < 20 || apart > 45 {
		t.Errorf("%d were apart", apart)
	}
	_, err := w.me.Expunge(w.ctx, w.inbox(), []UID{rows[0].UID, rows[1].UID, rows[3].UID}, false)
	w.must(err)
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		for _, r := range []*Row{&rows[0], &rows[1]} {
			_, err := b.Summary(r)
			w.fails(fault.NotFound, err)
			if _, ok, err := b.Fields(r); ok || err != nil {
				t.Error("fields of a message that is gone", err)
			}
		}
		return nil
	})) // and w.check sees that nothing is left
}

// TestSummariesFromBefore: summaries that were stored whole are read as they were, and go with their messages.
func TestSummariesFromBefore(t *testing.T) {
	w := newWorld(t)
	text := trace(0) + "Subject: s\r\n\r\nx\r\n"
	done, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content(text)})
	w.must(err)
	row := *w.view(w.inbox()).At(0)
	st := message.Parse([]byte(text))
	old := summary.Make(st, message.Preview(st, strings.NewReader(text)))
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		rec := contentRecord{size: row.Size, refs: 1, texts: 1}
		for _, err := range []error{tx.Set(summaryKey(row.Content), old), tx.Set(contentKey(row.Content), rec.encode()), tx.Delete(fieldsKey(row.Content)), tx.Delete(restKey(row.Content))} {
			w.must(err)
		}
		return nil
	}))
	w.check()
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		brief, err := b.Brief(&row)
		w.must(err)
		if _, ok, err := b.Fields(&row); ok || err != nil || !bytes.Equal(brief, old) {
			t.Errorf("%v, %v, %q", ok, err, brief)
		}
		header, err := b.Header(&row, brief)
		if string(header) != text[:len(text)-3] {
			t.Errorf("the header is %q", header)
		}
		return err
	}))
	_, err = w.me.Expunge(w.ctx, w.inbox(), []UID{done[0].UID}, false)
	w.must(err)
}

// TestPiecesOfWhichAnEarlierVersionWrote: such a one counts a content's references without telling any more that its header is apart. All is read as it
// was, and goes with the message.
func TestPiecesOfWhichAnEarlierVersionWrote(t *testing.T) {
	w := newWorld(t)
	_, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content(trace(0) + "Subject: s\r\n\r\nx\r\n")})
	w.must(err)
	row := *w.view(w.inbox()).At(0)
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		return tx.Set(contentKey(row.Content), contentRecord{size: row.Size, refs: 1, texts: 1}.encode())
	}))
	w.check()
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		rec, err := b.Summary(&row)
		if !strings.HasPrefix(string(rec.Header()), trace(0)) {
			t.Errorf("the header is %q", rec.Header())
		}
		return err
	}))
	w.expunge(func(UID) bool { return true })
	w.check()
}

// TestDamagedPieces: a header whose pieces are missing or don't belong together is that of the message itself, for searches too.
func TestDamagedPieces(t *testing.T) {
	w := newWorld(t)
	text := trace(0) + "X-Rare: platypus\r\nSubject: s\r\n\r\nx\r\n"
	_, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content(text)})
	w.must(err)
	row := w.view(w.inbox()).At(0)
	kept := map[string][]byte{}
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		for _, key := range [][]byte{fieldsKey(row.Content), restKey(row.Content)} {
			v, _, err := r.Get(key)
			w.must(err)
			kept[string(key)] = bytes.Clone(v)
		}
		return nil
	}))
	for _, damage := range []func(tx kv.Tx) error{
		func(tx kv.Tx) error { return tx.Set(restKey(row.Content), []byte("short")) },
		func(tx kv.Tx) error { return tx.Delete(restKey(row.Content)) },
		func(tx kv.Tx) error { return tx.Set(fieldsKey(row.Content), []byte("short")) },
		func(tx kv.Tx) error { return tx.Delete(fieldsKey(row.Content)) },
	} {
		w.must(w.db.Update(w.ctx, partition(ann), damage))
		w.must(w.me.Read(w.ctx, func(b *Batch) error {
			rec, err := b.Summary(row)
			if root, ok := rec.Root(); err != nil || rec.Header() != nil || rec.Apart() || !ok || root.Header.Size != int64(len(text)-3) || rec.Subject() != "s" {
				t.Errorf("the summary: %q, %v", rec, err)
			}
			_, header, err := b.header(row)
			if err != nil || string(header) != text[:len(text)-3] {
				t.Errorf("the header: %q, %v", header, err)
			}
			_, ok, err := b.HeaderApart(row)
			if ok || err != nil {
				t.Errorf("there is one apart: %v, %v", ok, err)
			}
			return nil
		}))
		w.must(w.store.Reindex(w.ctx, ann))
		w.finds(SearchHeader("platypus"), 1)
		w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
			for k, v := range kept {
				w.must(tx.Set([]byte(k), v))
			}
			return nil
		}))
	}
}
