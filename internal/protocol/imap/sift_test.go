package imap

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/model/mailbox"
)

// aKey draws a search key, of those that sift pages, those that don't, and what joins them.
func aKey(t *rapid.T, depth int) string {
	plain := []string{
		"ALL", "SEEN", "UNSEEN", "FLAGGED", "UNFLAGGED", "DELETED", "UNANSWERED", "DRAFT", "RECENT", "OLD", "NEW",
		"KEYWORD $a", "UNKEYWORD $a", "KEYWORD none", "LARGER 250", "SMALLER 250", "MODSEQ 500", "YOUNGER 1000000", "OLDER 1000000",
		"SINCE 2-Jan-2026", "BEFORE 2-Jan-2026", "ON 2-Jan-2026", "SINCE 3-Jan-2026", "SAVEDSINCE 1-Jan-1990", "SUBJECT 7", "BODY 1", "TEXT 33", "BODY nowhere", "FUZZY BODY text",
		"FROM 7", "FROM nobody", "TO ben", "CC \"\"", "SUBJECT \"\"", "HEADER message-id 3", "HEADER x-none \"\"", "HEADER \"\" subject",
	}
	i := rapid.IntRange(0, len(plain)+8).Draw(t, "key")
	if i < len(plain) {
		return plain[i]
	}
	n := rapid.IntRange(1, 500).Draw(t, "n")
	if depth > 3 {
		return "SEEN"
	}
	switch i - len(plain) {
	case 0:
		return fmt.Sprintf("%d:%d,300", n, n+50)
	case 1:
		return fmt.Sprintf("UID %d:%d,1,3:5,%d:*", n, n+200, n+400)
	case 2, 3:
		return "NOT " + aKey(t, depth+1)
	case 4, 5:
		return "OR " + aKey(t, depth+1) + " " + aKey(t, depth+1)
	}
	return "(" + aKey(t, depth+1) + " " + aKey(t, depth+1) + ")"
}

// TestSiftedGroups is TestSiftedSearches in a folder that is so large that groups of pages are passed.
func TestSiftedGroups(t *testing.T) {
	w := newWorld(t)
	const n = 9_000
	c := w.store.NewContent()
	fmt.Fprint(c, "Subject: same 7\r\n\r\ntext 33\r\n")
	content, err := c.Finish()
	must(t, err)
	defer content.Close()
	ctx := context.Background()
	other := w.open("ann")
	must(t, w.store.SetLimit(ctx, w.accounts["ann"], mailbox.Usage{}))
	f, err := other.CreateFolder(ctx, mailbox.NewFolder{Name: "big"})
	must(t, err)
	items := make([]mailbox.Append, n)
	for i := range items {
		items[i] = mailbox.Append{Content: content, Received: testTime.Add(time.Duration(i) * time.Minute)}
	}
	_, err = other.Append(ctx, f.ID, items...)
	must(t, err)
	s := w.bench("SELECT big")
	rapid.Check(t, func(rt *rapid.T) {
		lo := rapid.IntRange(1, n).Draw(rt, "lo")
		var uids []mailbox.UID
		for u := lo; u <= min(lo+rapid.SampledFrom([]int{0, 100, 8_500, n}).Draw(rt, "many"), n); u++ {
			uids = append(uids, mailbox.UID(u))
		}
		switch rapid.IntRange(0, 9).Draw(rt, "change") {
		case 0:
			_, err := other.Expunge(ctx, f.ID, uids[:1], false)
			must(t, err)
		case 1:
			_, err = other.Append(ctx, f.ID, items[:rapid.SampledFrom([]int{1, 300}).Draw(rt, "new")]...)
			must(t, err)
		case 2:
			s.do(t, "NOOP")
		case 3:
			must(t, w.store.Index(ctx, w.accounts["ann"], true))
		default:
			c := mailbox.FlagChange{UIDs: uids, Op: mailbox.FlagOp(rapid.IntRange(0, 2).Draw(rt, "op")), Flags: mailbox.Flags(rapid.IntRange(0, 31).Draw(rt, "flags"))}
			c.Keywords = [][]string{nil, {"$a"}}[rapid.IntRange(0, 1).Draw(rt, "keywords")]
			_, err := other.SetFlags(ctx, f.ID, c)
			must(t, err)
		}
		text := aKey(rt, 0)
		sifted := s.searchFor(t, text, func(*criterion, *searching) {})
		pages := s.searchFor(t, text, func(k *criterion, _ *searching) { k.judge = nil })
		if !reflect.DeepEqual(sifted.found, pages.found) {
			rt.Fatalf("%s: found\n%+v\nwant\n%+v", text, sifted.found, pages.found)
		}
		counted := s.searchFor(t, text, func(_ *criterion, q *searching) { q.extended, q.count, q.modseq = true, true, false })
		if counted.total != pages.total || counted.first != pages.first || counted.last != pages.last {
			rt.Fatalf("%s: counted %+v, want %+v", text, counted.found, pages.found)
		}
	})
	problems, err := w.store.Check(ctx, w.accounts["ann"])
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// TestSiftedSearches: what is found by pages is what is found by looking at each message, whatever else has changed since the client was
// told of the folder.
func TestSiftedSearches(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "big", 400, 0)
	s := w.bench("SELECT big")
	other := w.open("ann")
	ctx := context.Background()
	id := s.sel.id
	rapid.Check(t, func(rt *rapid.T) {
		uid := mailbox.UID(rapid.IntRange(1, 700).Draw(rt, "uid"))
		var uids []mailbox.UID
		for u := uid; u < uid+mailbox.UID(rapid.IntRange(1, 300).Draw(rt, "many")); u++ {
			uids = append(uids, u)
		}
		switch rapid.IntRange(0, 9).Draw(rt, "change") {
		case 0:
			_, err := other.Expunge(ctx, id, uids[:1], false)
			must(t, err)
		case 1, 2, 3:
			c := w.store.NewContent()
			fmt.Fprintf(c, "Subject: new %d\r\n\r\ntext %d\r\n", uid, uid)
			content, err := c.Finish()
			must(t, err)
			at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.FixedZone("", 3600*rapid.IntRange(-99, 99).Draw(rt, "zone"))).Add(time.Duration(uid) * time.Minute)
			_, err = other.Append(ctx, id, mailbox.Append{Content: content, Received: at, Flags: mailbox.Flagged})
			must(t, err)
			must(t, content.Close())
		case 4, 5:
			s.do(t, "NOOP")
		case 6:
			must(t, w.store.Index(ctx, w.accounts["ann"], rapid.Bool().Draw(rt, "all")))
		default:
			c := mailbox.FlagChange{UIDs: uids, Op: mailbox.FlagOp(rapid.IntRange(0, 2).Draw(rt, "op")), Flags: mailbox.Flags(rapid.IntRange(0, 31).Draw(rt, "flags"))}
			c.Keywords = [][]string{nil, {"$a"}, {"$a", "b"}}[rapid.IntRange(0, 2).Draw(rt, "keywords")]
			_, err := other.SetFlags(ctx, id, c)
			must(t, err)
		}
		text := aKey(rt, 0)
		sifted := s.searchFor(t, text, func(*criterion, *searching) {})
		each := s.searchFor(t, text, func(k *criterion, _ *searching) { k.sift, k.exact = nil, false })
		if sc := s.selectedScope(); s.upToDate(t) && !slices.Equal(s.oneByOne(t, text), placesOf(sifted.numbers)) {
			rt.Fatalf("%s: found %v, one by one %v of %d", text, sifted.numbers, s.oneByOne(t, text), sc.shown.Len())
		}
		if a, b := sifted.found, each.found; !reflect.DeepEqual(a, b) {
			rt.Fatalf("%s: found\n%+v\nwant\n%+v", text, a, b)
		}
		counted := s.searchFor(t, text, func(_ *criterion, q *searching) { q.extended, q.count, q.modseq = true, true, false })
		if counted.total != each.total || counted.first != each.first || counted.last != each.last {
			rt.Fatalf("%s: counted %+v, want %+v", text, counted.found, each.found)
		}
	})
}

func (b *benchSession) upToDate(t testing.TB) bool {
	v, err := b.fresh(context.Background())
	must(t, err)
	return v == b.sel.shown
}

// oneByOne looks at some messages at a time, so few that the index isn't asked about headers, and returns the places of those found.
func (b *benchSession) oneByOne(t testing.TB, text string) (found []int) {
	q := b.newSearch(context.Background())
	key := b.parseKey(t, q, text)
	sc := b.selectedScope()
	for at := 0; at < sc.shown.Len(); {
		var places []int
		for ; at < sc.shown.Len() && len(places) < fewMessages-1; at++ {
			places = append(places, at)
		}
		hits, err := b.evaluate(context.Background(), &searchContext{key: key}, sc, places)
		must(t, err)
		for _, h := range hits {
			found = append(found, h.place)
		}
	}
	return found
}

func placesOf(set numSet) (places []int) {
	for _, r := range set {
		for n := r.lo; n <= r.hi; n++ {
			places = append(places, int(n)-1)
		}
	}
	return places
}

// parseKey reads a search program.
func (b *benchSession) parseKey(t testing.TB, q *searching, text string) criterion {
	b.in.WriteString("t " + text + "\r\n")
	must(t, b.session.hear(context.Background()))
	must(t, b.dec.begin())
	b.dec.tag()
	b.dec.sp()
	b.removed, b.numbered = false, false
	key, err := b.searchProgram(q)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return key
}

// searchFor runs a search in the selected folder.
func (b *benchSession) searchFor(t testing.TB, text string, change func(*criterion, *searching)) *searching {
	ctx := context.Background()
	q := b.newSearch(ctx)
	key := b.parseKey(t, q, text)
	change(&key, q)
	sc := b.selectedScope()
	must(t, sc.refresh(ctx, b.session))
	must(t, b.runSearch(ctx, q, key, sc))
	return q
}
