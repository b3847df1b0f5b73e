package fetch

import (
	"encoding/json"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// A source comes back for another account: its password is known, and what had come before the copy doesn't come again.
func TestCopyAndRestore(t *testing.T) {
	w, m := newWorld(t), &maildrop{letters: []int{1, 2, 3}}
	w.serve = m.serve
	src := w.add(func(*Source) {})
	other := w.add(func(s *Source) { s.Account = 3 })
	w.run(src)
	taken, err := Copies(t.Context(), w.db, 1)
	w.must(err)
	text, err := json.Marshal(taken)
	w.must(err)
	var all []Copy
	w.must(json.Unmarshal(text, &all))
	if len(all) != 1 || all[0].ID != src.ID {
		t.Fatalf("%+v", all)
	}
	if err := w.service.Restore(t.Context(), 2, all[0]); !fault.Is(err, fault.Exists) {
		t.Errorf("while it is there: %v", err)
	}
	w.must(w.service.Forget(t.Context(), 1))
	w.must(w.boxes.Create(t.Context(), 2, mailbox.Usage{}))
	w.must(w.service.Restore(t.Context(), 2, all[0]))
	m.letters = append(m.letters, 4)
	if r := w.run(src); r.Fetched != 1 {
		t.Errorf("%+v", r)
	}
	if list, err := w.service.List(t.Context(), 2); err != nil || len(list) != 1 || list[0].Source.Account != ident.AccountID(2) {
		t.Errorf("%+v %v", list, err)
	}
	if n := w.add(func(*Source) {}); n.ID <= other.ID {
		t.Errorf("the number %d was given twice", n.ID)
	}

	for what, c := range map[string]Copy{
		"nothing":              {ID: 9},
		"half a pair":          {ID: 9, Records: all[0].Records[:3]},
		"another's":            {ID: 9, Records: all[0].Records},
		"of no source":         {ID: 9, Records: [][]byte{{'n'}, {0, 0, 0, 0}}},
		"only what came":       {ID: 9, Records: [][]byte{messageKey(9, digest{}), known{state: done}.encode()}},
		"a source of nobody's": {ID: 9, Records: [][]byte{sourceKey(keySource, 9), []byte("\x01{}")}},
	} {
		if err := w.service.Restore(t.Context(), 2, c); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
}
