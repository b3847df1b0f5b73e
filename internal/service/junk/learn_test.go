package junk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk/model"
	"postroad/internal/storage/kv"
)

func (w *world) folder(id ident.AccountID, role mailbox.Role) mailbox.FolderID {
	w.Helper()
	f, ok := w.open(id).FolderByRole(role)
	if !ok {
		w.Fatalf("no folder with role %d", role)
	}
	return f.ID
}

// put puts a message into a folder.
func (w *world) put(id ident.AccountID, role mailbox.Role, text string, flags mailbox.Flags, keywords ...string) mailbox.Appended {
	w.Helper()
	d, err := w.open(id).Append(w.ctx, w.folder(id, role), mailbox.Append{Content: w.content(text), Flags: flags, Keywords: keywords})
	w.must(err)
	return d[0]
}

// moveAll moves all that is in a folder.
func (w *world) moveAll(id ident.AccountID, from, to mailbox.Role) {
	w.Helper()
	box := w.open(id)
	v, err := box.View(w.ctx, w.folder(id, from))
	w.must(err)
	var uids []mailbox.UID
	for _, r := range v.All(0, v.Len()) {
		uids = append(uids, r.UID)
	}
	_, _, err = box.Move(w.ctx, w.folder(id, from), uids, w.folder(id, to))
	w.must(err)
}

// offer is a shop's message, the number of which makes its text.
func offer(number int) string {
	return letterFrom("shop.example", true, 7, "offer", junkText(number))
}

// bringJunk has an offer arrive in the inbox, from where somebody moves it, and all else there, to the junk.
func (w *world) bringJunk(id ident.AccountID, number int) {
	w.Helper()
	w.put(id, mailbox.Inbox, offer(number), 0)
	w.moveAll(id, mailbox.Inbox, mailbox.Junk)
}

// wantLearned compares what an account has learned.
func (w *world) wantLearned(id ident.AccountID, want string) {
	w.Helper()
	if got := w.learned(id); got != want {
		w.Errorf("learned %s, want %s", got, want)
	}
}

func (w *world) learned(id ident.AccountID) string {
	w.Helper()
	k, err := w.s.Knowledge(w.ctx, w.open(id))
	w.must(err)
	return fmt.Sprintf("%d junk, %d good", k.Junk, k.Good)
}

// fits makes sure that what is stored for learning goes with what is stored for judging.
func (w *world) fits(id ident.AccountID) {
	w.Helper()
	w.must(w.open(id).ReadSide(w.ctx, mailbox.JunkSide, func(r mailbox.SideReader) error {
		judging, ok, err := r.Get([]byte{keyDelta})
		if err != nil || !ok {
			return err
		}
		notes, _, err := r.Get([]byte{keyNotes})
		if err != nil {
			return err
		}
		d, err := model.Decode(judging)
		if err != nil {
			return err
		}
		junk, good := d.Learned()
		if d.DecodeNotes(notes); !bytes.Equal(d.EncodeNotes(nil), notes) || len(notes) < 2 && junk+good > 0 {
			w.Errorf("the notes are another delta's")
		}
		return nil
	}))
}

// TestFirstStart: what a version without us has put into the junk on arrival says nothing of what a person thinks; what was moved there does, and
// so does all that comes later.
func TestFirstStart(t *testing.T) {
	w := newWorld(t, 1)
	for n := range 3 {
		w.put(1, mailbox.Junk, offer(n), 0)
	}
	w.put(1, mailbox.Inbox, offer(3), 0)
	w.s.catchUp(w.ctx)
	if got := w.learned(1); got != "0 junk, 0 good" {
		t.Errorf("%s of what nobody has touched", got)
	}
	w.moveAll(1, mailbox.Inbox, mailbox.Junk)
	w.s.catchUp(w.ctx)
	w.put(1, mailbox.Junk, offer(4), 0)
	w.s.catchUp(w.ctx)
	w.wantLearned(1, "2 junk, 0 good")
	box := w.open(1)
	v, err := box.View(w.ctx, w.folder(1, mailbox.Junk))
	w.must(err)
	for i, want := range []bool{false, false, false, true, true} {
		if got := v.At(i).Keywords.Has("$Junk"); got != want {
			t.Errorf("message %d is marked: %v", i, got)
		}
	}
}

// TestFirstStartLooksAtActs: what was moved before counts.
func TestFirstStartLooksAtActs(t *testing.T) {
	w := newWorld(t, 1)
	w.bringJunk(1, 3)
	w.s.catchUp(w.ctx)
	w.wantLearned(1, "1 junk, 0 good")
}

// TestRestored: in a mailbox that was restored all counts as changed, which nobody has done.
func TestRestored(t *testing.T) {
	w := newWorld(t, 1)
	w.bringJunk(1, 1)
	for n := range 5 {
		w.put(1, mailbox.Inbox, letterFrom("friend.example", true, 8, "hello", goodText(n)), mailbox.Answered)
	}
	w.put(1, mailbox.Inbox, letterFrom("shop.example", true, 7, "old", junkText(7)), 0, "Junk")
	w.s.catchUp(w.ctx)
	w.must(w.store.Renumber(w.ctx, 1))
	w.s.catchUp(w.ctx)
	w.wantLearned(1, "1 junk, 0 good")
	w.put(1, mailbox.Sent, letterFrom("shop.example", true, 7, "x", junkText(8)), 0)
	w.moveAll(1, mailbox.Sent, mailbox.Junk)
	w.must(w.s.Learn(w.ctx, 1))
	w.wantLearned(1, "2 junk, 0 good")
}

// TestBreaks: a message at which learning breaks teaches nothing, once; and what comes behind it does.
func TestBreaks(t *testing.T) {
	w := newWorld(t, 1)
	w.bringJunk(1, 1)
	extract := w.s.extract
	w.s.extract = nil
	w.must(w.s.Learn(w.ctx, 1))
	w.s.extract = extract
	w.must(w.s.Learn(w.ctx, 1))
	w.wantLearned(1, "0 junk, 0 good")
	w.bringJunk(1, 2)
	w.must(w.s.Learn(w.ctx, 1))
	w.wantLearned(1, "1 junk, 0 good")
}

// TestPoisoning: one account, whatever it reports, changes nothing for others, and knows nothing of them; several that agree do.
func TestPoisoning(t *testing.T) {
	w := newWorld(t, 5)
	msg := func(n int) string {
		return letterFrom("shop.example", true, 7, fmt.Sprintf("offer %d", n), goodText(n))
	}
	before := w.judge(2, msg(0))
	for n := range 200 {
		w.put(1, mailbox.Inbox, msg(n), 0)
	}
	w.moveAll(1, mailbox.Inbox, mailbox.Junk)
	w.must(w.s.Learn(w.ctx, 1))
	if got := w.judge(1, msg(1000)); !got.Junk {
		t.Fatalf("%+v for the one who has said so", got)
	}
	if after := w.judge(2, msg(0)); after != before {
		t.Errorf("%+v, was %+v", after, before)
	}
	for day := range 10 { // nor if it goes on for days
		w.now = w.now.Add(24 * time.Hour)
		w.put(1, mailbox.Inbox, msg(300+day), 0)
		w.moveAll(1, mailbox.Inbox, mailbox.Junk)
		w.must(w.s.Learn(w.ctx, 1))
	}
	if after := w.judge(2, msg(0)); after != before {
		t.Errorf("after days: %+v, was %+v", after, before)
	}
	for id := ident.AccountID(3); id <= 5; id++ {
		w.put(id, mailbox.Inbox, msg(int(400+id)), 0)
		w.moveAll(id, mailbox.Inbox, mailbox.Junk)
		w.must(w.s.Learn(w.ctx, id))
	}
	agreed := w.judge(2, msg(0))
	if agreed.Score <= before.Score {
		t.Errorf("several agree: %+v, was %+v", agreed, before)
	}
	if junk, _, senders := w.s.Shared(); junk == 0 || senders != 2 {
		t.Errorf("the server has learned %d, and %d senders", junk, senders)
	}
	// The one who takes everything back leaves three that agree; one more, and two are too few.
	w.must(w.s.Forget(w.ctx, 1))
	w.must(w.s.Forget(w.ctx, 3))
	if _, _, senders := w.s.Shared(); senders != 0 {
		t.Errorf("%d senders", senders)
	}
	// Votes fade.
	w.put(3, mailbox.Inbox, msg(500), 0)
	w.moveAll(3, mailbox.Inbox, mailbox.Junk)
	w.must(w.s.Learn(w.ctx, 3))
	if _, _, senders := w.s.Shared(); senders != 2 {
		t.Errorf("%d senders", senders)
	}
	w.now = w.now.Add(voteLife * 24 * time.Hour)
	w.must(w.s.Tidy(w.ctx))
	if _, _, senders := w.s.Shared(); senders != 0 {
		t.Errorf("%d senders after %d days", senders, voteLife)
	}
}

// TestCartel: three accounts that agree on ever new domains of theirs teach the server little.
func TestCartel(t *testing.T) {
	w := newWorld(t, 3)
	for id := ident.AccountID(1); id <= 3; id++ {
		for n := range 40 {
			w.put(id, mailbox.Inbox, letterFrom(fmt.Sprintf("a%d.evil.example", n), true, n, fmt.Sprint("invoice ", n), goodText(n)), 0)
		}
		w.moveAll(id, mailbox.Inbox, mailbox.Junk)
		w.must(w.s.Learn(w.ctx, id))
	}
	if junk, _, _ := w.s.Shared(); junk == 0 || junk > mostTaught {
		t.Errorf("the server has learned %d", junk)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.put(3, mailbox.Inbox, letterFrom("a1.evil.example", true, 1, "invoice next", goodText(99)), 0)
	w.moveAll(3, mailbox.Inbox, mailbox.Junk)
	w.must(w.s.Learn(w.ctx, 3))
	if junk, _, _ := w.s.Shared(); junk != mostTaught+1 {
		t.Errorf("the server has learned %d on another day", junk)
	}
}

// TestVotesOfUnprovenDomainsDontCount: who forges a domain can't ruin its name.
func TestVotesOfUnprovenDomainsDontCount(t *testing.T) {
	w := newWorld(t, 5)
	for id := ident.AccountID(1); id <= 4; id++ {
		w.put(id, mailbox.Inbox, letterFrom("bank.example", false, int(id), "x", junkText(1)), 0)
		w.moveAll(id, mailbox.Inbox, mailbox.Junk)
		w.must(w.s.Learn(w.ctx, id))
	}
	if _, _, senders := w.s.Shared(); senders != 0 {
		t.Errorf("%d senders", senders)
	}
}

// TestKept: what was read and left for days is good, a few a day, once somebody has said what junk is.
func TestKept(t *testing.T) {
	w := newWorld(t, 1)
	for n := range 150 {
		flags := mailbox.Seen
		if n%3 == 0 {
			flags = 0
		}
		w.put(1, mailbox.Inbox, letterFrom("a.example", true, 1, fmt.Sprint("report ", n), goodText(n)), flags)
	}
	w.now = w.now.Add(4 * 24 * time.Hour)
	w.must(w.s.Tidy(w.ctx))
	if got := w.learned(1); got != "0 junk, 0 good" {
		t.Errorf("nobody has said anything: %s", got)
	}
	w.put(1, mailbox.Trash, letterFrom("b.example", true, 2, "pills", junkText(1)), 0)
	w.moveAll(1, mailbox.Trash, mailbox.Junk)
	w.must(w.s.Tidy(w.ctx))
	if got := w.learned(1); got != "1 junk, 100 good" {
		t.Errorf("%s", got)
	}
	for n := range 50 {
		w.put(1, mailbox.Inbox, letterFrom("a.example", true, 1, fmt.Sprint("more ", n), goodText(1000+n)), mailbox.Seen)
	}
	for _, days := range []time.Duration{1, 2, 1} { // too new, then 20 of them, then no more on the same day
		w.now = w.now.Add(days * 24 * time.Hour)
		w.must(w.s.Tidy(w.ctx))
		w.must(w.s.Tidy(w.ctx))
	}
	if got := w.learned(1); got != "1 junk, 120 good" {
		t.Errorf("%s", got)
	}
}

// TestQuietSigns: answers and filing count only beside what somebody has said aloud.
func TestQuietSigns(t *testing.T) {
	w := newWorld(t, 1)
	w.put(1, mailbox.Inbox, letterFrom("a.example", true, 1, "report", goodText(1)), mailbox.Seen)
	w.moveAll(1, mailbox.Inbox, mailbox.Archive)
	w.must(w.s.Learn(w.ctx, 1))
	if got := w.learned(1); got != "0 junk, 0 good" {
		t.Errorf("%s", got)
	}
	w.put(1, mailbox.Inbox, letterFrom("b.example", true, 1, "pills", junkText(1)), 0)
	w.moveAll(1, mailbox.Inbox, mailbox.Junk)
	d := w.put(1, mailbox.Inbox, letterFrom("a.example", true, 1, "report", goodText(2)), mailbox.Seen)
	_, err := w.open(1).SetFlags(w.ctx, w.folder(1, mailbox.Inbox), mailbox.FlagChange{UIDs: []mailbox.UID{d.UID}, Flags: mailbox.Answered})
	w.must(err)
	w.must(w.s.Learn(w.ctx, 1))
	if got := w.learned(1); got != "1 junk, 1 good" {
		t.Errorf("%s", got)
	}
}

// TestReportsAboutOnesOwnMail get through, and those about mail that the account hasn't sent don't.
func TestReportsAboutOnesOwnMail(t *testing.T) {
	w := newWorld(t, 1)
	report := func(to string) string {
		return "Return-Path: <>\r\nReceived: from mail.far.example (mail.far.example [203.0.7.9])\r\n\tby mx.example.test with ESMTP id 1; Sat, 14 Mar 2026 12:00:00 +0000\r\n" +
			"From: MAILER-DAEMON@far.example\r\nTo: ann@example.test\r\nSubject: Undelivered mail\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: text/plain\r\n\r\n" + junkText(1) + "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; far.example\r\n\r\nFinal-Recipient: rfc822; " + to + "\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
	}
	for n := range 30 {
		w.put(1, mailbox.Inbox, report(fmt.Sprintf("x%d@there.example", n)), 0)
	}
	w.moveAll(1, mailbox.Inbox, mailbox.Junk)
	w.s.Wrote(1, []string{"Bob@There.example"})
	w.must(w.s.Learn(w.ctx, 1))
	opinion := func(from, to string) bool {
		l := w.s.Letter(&envelope{From: from, Source: "smtp"}, w.content(report(to)))
		return l.For(w.ctx, w.open(1)).Junk
	}
	if opinion("", "bob@there.example") || !opinion("", "carol@there.example") || !opinion("x@far.example", "bob@there.example") {
		t.Errorf("known %v, unknown %v, from somebody %v", opinion("", "bob@there.example"), opinion("", "carol@there.example"), opinion("x@far.example", "bob@there.example"))
	}
	trap := strings.Replace(report("bob@there.example"), "Content-Type: text/plain\r\n\r\n", "Content-Type: text/html\r\n\r\n<form><input type=password></form>", 1)
	l := w.s.Letter(&envelope{Source: "smtp"}, w.content(trap))
	if got := l.For(w.ctx, w.open(1)); !got.Junk {
		t.Errorf("dangerous: %+v", got)
	}
	if s := w.s.Stats(); s.Reports == 0 {
		t.Errorf("%+v", s)
	}
}

// TestImpostor: somebody's name with another address weighs against a message.
func TestImpostor(t *testing.T) {
	w := newWorld(t, 1)
	msg := strings.Replace(letterFrom("evil.example", true, 1, "hello", goodText(1)), "From: Somebody Else", "From: Fred Friend", 1)
	before := w.judge(1, msg)
	w.put(1, mailbox.Sent, "From: ann@example.test\r\nTo: Friend Fred <fred@friend.example>\r\n\r\nHi\r\n", mailbox.Seen)
	w.must(w.s.Learn(w.ctx, 1))
	after := w.judge(1, msg)
	if after.Score <= before.Score || !strings.Contains(after.Field, "name-person") {
		t.Errorf("%+v, was %+v", after, before)
	}
	k, err := w.s.Knowledge(w.ctx, w.open(1))
	if w.must(err); k.Known != 1 {
		t.Errorf("%+v", k)
	}
}

// TestNotWrittenByOwner: whom programs have answered, and what was delivered among the sent messages, makes nobody known.
func TestNotWrittenByOwner(t *testing.T) {
	w := newWorld(t, 1)
	const msg = "From: ann@example.test\r\nTo: Eve <eve@evil.example>\r\n\r\nHi\r\n"
	for _, front := range []string{
		"Auto-Submitted: auto-replied\r\n", "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n",
		"Return-Path: <ann@example.test>\r\nX-Postroad-Junk: no; score=1\r\n", "Return-Path: <ann@example.test>\r\nAuthentication-Results: mx.example.test; spf=fail smtp.mailfrom=ann@example.test\r\n",
	} {
		w.put(1, mailbox.Sent, front+msg, mailbox.Seen)
	}
	w.must(w.s.Learn(w.ctx, 1))
	k, err := w.s.Knowledge(w.ctx, w.open(1))
	if w.must(err); k.Known != 0 {
		t.Errorf("%+v", k)
	}
	w.put(1, mailbox.Sent, "Return-Path: <ann@example.test>\r\nReceived: from x by y\r\nAuto-Submitted: no\r\n"+msg, mailbox.Seen) // by another server
	w.must(w.s.Learn(w.ctx, 1))
	if k, err = w.s.Knowledge(w.ctx, w.open(1)); err != nil || k.Known != 1 {
		t.Errorf("%+v, %v", k, err)
	}
}

// TestTraining: by an administrator; the same twice teaches once, and the other label takes it back.
func TestTraining(t *testing.T) {
	w := newWorld(t, 2)
	var mails [][]byte
	for n := range 6 {
		mails = append(mails, []byte(letterFrom("b.example", true, 1, "pills", junkText(n))))
	}
	for i, want := range []int{6, 0} {
		if n, err := w.s.Train(w.ctx, 1, true, mails...); err != nil || n != want {
			t.Errorf("%d: %d learned, %v", i, n, err)
		}
	}
	other := letterFrom("b.example", true, 1, "pills", junkText(9))
	if !w.judge(1, other).Junk || w.judge(2, other).Junk {
		t.Error("trained for the wrong account")
	}
	if n, err := w.s.Train(w.ctx, 1, false, mails...); err != nil || n != 6 || w.learned(1) != "0 junk, 6 good" || w.judge(1, other).Junk {
		t.Errorf("%d, %v, %s", n, err, w.learned(1))
	}
	for n := range 30 {
		w.must(w.s.TrainAll(w.ctx, true, []byte(letterFrom("b.example", true, 1, "pills", junkText(100+n)))))
	}
	if !w.judge(2, other).Junk {
		t.Error("trained for all, and one doesn't know")
	}
}

// TestBounds: what is remembered is bounded, and the oldest goes.
func TestBounds(t *testing.T) {
	w := newWorld(t, 1)
	for day := range 3 {
		for part := range 2 {
			var to []string
			for n := range 1000 {
				to = append(to, fmt.Sprintf("p%d.%d.%d@x.example", day, part, n))
			}
			w.s.Wrote(1, to)
			w.must(w.s.Learn(w.ctx, 1))
		}
		w.now = w.now.Add(24 * time.Hour)
	}
	k, err := w.s.Knowledge(w.ctx, w.open(1))
	w.must(err)
	if k.Known > mostKnown || k.Known < mostKnown/2 {
		t.Errorf("%+v", k)
	}
	for a, want := range map[string]bool{"p2.1.999": true, "p0.0.0": false} {
		if got, err := w.s.Knows(w.ctx, w.open(1), a, "X.example"); err != nil || got != want {
			t.Errorf("%s: %v, %v", a, got, err)
		}
	}
}

// TestMinds: the memory for what accounts know has a bound, and the latest stay.
func TestMinds(t *testing.T) {
	c := newMinds(10 * (&mind{}).weight())
	for i := range 100 {
		c.put(ident.AccountID(i+1), &mind{})
		if i > 0 && c.get(1) == nil {
			t.Fatalf("the one that is asked for again and again is gone after %d", i)
		}
	}
	if len(c.of) != 10 || c.lately.Len() != 10 || c.bytes != c.most || c.get(2) != nil || c.get(100) == nil {
		t.Errorf("%d, %d, %d bytes", len(c.of), c.lately.Len(), c.bytes)
	}
	c.put(100, &mind{head: head{revision: 5}})
	c.put(100, &mind{head: head{revision: 4}})
	if c.get(100).head.revision != 5 {
		t.Error("an older one has come in its place")
	}
}

// TestRecords: what is stored reads as it was written; what is damaged is told, or says nothing.
func TestRecords(t *testing.T) {
	h := head{7, 1 << 40, true, 3, 4, 20_000, 77}
	if got, err := decodeHead(h.encode()); err != nil || got != h {
		t.Errorf("%+v, %v", got, err)
	}
	l := labelled{labelGood, filed, 20_526}
	if got, ok := decodeLabelled(l.encode()); !ok || got != l {
		t.Errorf("%+v", got)
	}
	b := ballot{20_000, []vote{{1, 20_000, true}, {1<<32 - 1, 20_001, false}}}
	got, ok := decodeBallot(b.encode())
	if !ok || got.taught != b.taught || len(got.votes) != 2 || got.votes[0] != b.votes[0] || got.votes[1] != b.votes[1] {
		t.Errorf("%+v", got)
	}
	if a := (acquaintance{20_000, "friend fred"}); decodeAcquaintance(a.encode()) != a {
		t.Error(a)
	}
	for _, whole := range [][]byte{h.encode(), l.encode(), b.encode()} {
		for i := range whole {
			decodeHead(whole[:i])
			decodeLabelled(whole[:i])
			decodeBallot(whole[:i])
		}
	}
}

// broken fails at the n-th write.
type broken struct {
	kv.DB
	left int
}

var errBroken = errors.New("broken")

func (b *broken) fails() bool {
	b.left--
	return b.left < 0
}

func (b *broken) Update(ctx ctx, p kv.Partition, fn func(kv.Tx) error) error {
	if b.fails() {
		return errBroken
	}
	return b.DB.Update(ctx, p, fn)
}

func (b *broken) Submit(ctx ctx, p kv.Partition, fn func(kv.Tx) error) (kv.Commit, error) {
	if b.fails() {
		return nil, errBroken
	}
	return b.DB.Submit(ctx, p, fn)
}

func (b *broken) SubmitLazy(ctx ctx, p kv.Partition, fn func(kv.Tx) error) error {
	if b.fails() {
		return errBroken
	}
	return b.DB.SubmitLazy(ctx, p, fn)
}

// TestBrokenOff: wherever learning is broken off, it goes on from there, and teaches once: labels, votes, keywords and what was learned
// are as without.
func TestBrokenOff(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t, 3)
		for id := ident.AccountID(1); id <= 3; id++ {
			for i := range 3 {
				w.put(id, mailbox.Inbox, letterFrom("shop.example", true, 1, fmt.Sprint("offer ", id, i), junkText(i)), 0)
			}
			if id > 1 {
				w.moveAll(id, mailbox.Inbox, mailbox.Junk)
				w.must(w.s.Learn(w.ctx, id))
			}
		}
		w.moveAll(1, mailbox.Inbox, mailbox.Junk)
		whole := w.db
		bad := &broken{whole, n}
		w.over(bad)
		err := w.s.Learn(w.ctx, 1)
		w.over(whole)
		w.must(w.s.Learn(w.ctx, 1))
		w.fits(1)
		junk, good, senders := w.s.Shared()
		if got := fmt.Sprintf("%s; shared %d, %d; %d senders", w.learned(1), junk, good, senders); got != "3 junk, 0 good; shared 1, 0; 2 senders" {
			t.Fatalf("broken off at write %d: %s", n, got)
		}
		v, err2 := w.open(1).View(w.ctx, w.folder(1, mailbox.Junk))
		w.must(err2)
		for _, r := range v.All(0, v.Len()) {
			if !r.Keywords.Has("$Junk") {
				t.Fatalf("broken off at write %d: %v", n, r.Keywords.Names())
			}
		}
		if err == nil {
			if n < 4 {
				t.Errorf("only %d writes", n)
			}
			return
		}
	}
}

// TestLearnerModel: whatever people do, and whenever the server looks or restarts, each message is learned once, as what was said of it last.
func TestLearnerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 1)
		box := func() *mailbox.Session { return w.open(1) }
		want := map[mailbox.ItemID]label{} // by explicit acts
		at := map[mailbox.ItemID]mailbox.Role{}
		n := rapid.IntRange(1, 6).Draw(t, "messages")
		for i := range n {
			d := w.put(1, mailbox.Inbox, letterFrom("a.example", true, 1, fmt.Sprint("m", i), goodText(i)), 0)
			at[d.ID] = mailbox.Inbox
		}
		pick := func() (id mailbox.ItemID, uid mailbox.UID, in mailbox.FolderID) {
			i := rapid.IntRange(0, n-1).Draw(t, "which")
			v := []mailbox.ItemID{}
			for id := range at {
				v = append(v, id)
			}
			slicesSort(v)
			in, uid, err := box().Find(w.ctx, v[i])
			w.must(err)
			return v[i], uid, in
		}
		move := func(id mailbox.ItemID, uid mailbox.UID, in mailbox.FolderID, to mailbox.Role) {
			if at[id] == to {
				return
			}
			_, _, err := box().Move(w.ctx, in, []mailbox.UID{uid}, w.folder(1, to))
			w.must(err)
			w.must(w.s.Learn(w.ctx, 1))
			switch {
			case to == mailbox.Junk:
				want[id] = labelJunk
			case at[id] == mailbox.Junk && to == mailbox.Inbox:
				want[id] = labelGood
			}
			at[id] = to
		}
		t.Repeat(map[string]func(*rapid.T){
			"junk":  func(*rapid.T) { id, uid, in := pick(); move(id, uid, in, mailbox.Junk) },
			"inbox": func(*rapid.T) { id, uid, in := pick(); move(id, uid, in, mailbox.Inbox) },
			"trash": func(*rapid.T) { id, uid, in := pick(); move(id, uid, in, mailbox.Trash) },
			"mark": func(*rapid.T) {
				id, uid, in := pick()
				if at[id] != mailbox.Inbox {
					return
				}
				word, l := "$Junk", labelJunk
				if rapid.Bool().Draw(t, "good") {
					word, l = "NonJunk", labelGood
				}
				_, err := box().SetFlags(w.ctx, in, mailbox.FlagChange{UIDs: []mailbox.UID{uid}, Keywords: []string{word}})
				w.must(err)
				w.must(w.s.Learn(w.ctx, 1))
				want[id] = l
			},
			"read": func(*rapid.T) {
				_, uid, in := pick()
				_, err := box().SetFlags(w.ctx, in, mailbox.FlagChange{UIDs: []mailbox.UID{uid}, Flags: mailbox.Seen})
				w.must(err)
			},
			"look":    func(*rapid.T) { w.must(w.s.Learn(w.ctx, 1)) },
			"restart": func(*rapid.T) { w.over(w.db) },
			"": func(t *rapid.T) {
				w.must(w.s.Learn(w.ctx, 1))
				w.fits(1)
				junk, good := 0, 0
				for _, l := range want {
					if l == labelJunk {
						junk++
					} else {
						good++
					}
				}
				if got := w.learned(1); got != fmt.Sprintf("%d junk, %d good", junk, good) {
					t.Fatalf("learned %s, want %d junk, %d good", got, junk, good)
				}
			},
		})
	})
}

// TestOthersCount: the author's policy decides, a scanner does unless the author is known, and else moves the score.
func TestOthersCount(t *testing.T) {
	w := newWorld(t, 1)
	w.s.Wrote(1, []string{"x@known.example"})
	w.must(w.s.Learn(w.ctx, 1))
	opinion := func(domain string, v *delivery.Verdict) delivery.Opinion {
		l := w.s.Letter(&envelope{From: "x@y.example", Source: "smtp", Verdict: v}, w.content(letterFrom(domain, true, 1, "report", goodText(1))))
		return l.For(w.ctx, w.open(1))
	}
	plain := opinion("other.example", nil)
	if plain.Junk {
		t.Fatalf("%+v", plain)
	}
	for name, c := range map[string]struct {
		domain  string
		v       delivery.Verdict
		junk    bool
		because string
	}{
		"policy":                {"other.example", delivery.Verdict{Junk: true}, true, "because=policy"},
		"policy, of a friend":   {"known.example", delivery.Verdict{Junk: true}, true, "because=policy"},
		"scanner":               {"other.example", delivery.Verdict{Scanned: true, ScanJunk: true, ScanScore: 1.2}, true, "because=scanner"},
		"scanner, and a friend": {"known.example", delivery.Verdict{Scanned: true, ScanJunk: true, ScanScore: 1.2}, false, "because=known"},
	} {
		if o := opinion(c.domain, &c.v); o.Junk != c.junk || !strings.Contains(o.Field, c.because) {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if up, down := opinion("other.example", &delivery.Verdict{Scanned: true, ScanScore: 0.9}), opinion("other.example", &delivery.Verdict{Scanned: true, ScanScore: -3}); up.Score <= plain.Score || down.Score >= plain.Score {
		t.Errorf("%d, by scanners %d and %d", plain.Score, up.Score, down.Score)
	}
}

// TestNotJudged: our own people's mail, what we write, and what trusted hosts bring, unless that is wanted.
func TestNotJudged(t *testing.T) {
	w := newWorld(t, 1)
	who := ident.System()
	c := w.content(letterFrom("a.example", true, 1, "x", goodText(1)))
	for _, e := range []envelope{{Who: &who}, {Trusted: true}, {Source: "queue"}} {
		if w.s.Letter(&e, c) != nil {
			t.Errorf("%+v is judged", e)
		}
	}
	w.s.o.Trusted = true
	if w.s.Letter(&envelope{Trusted: true}, c) == nil {
		t.Error("what trusted hosts bring is to be judged")
	}
}

// TestAuthors: what is said twice of a proved author holds whatever they write, and is taken back by the other word; it says nothing of
// who only claims to be them.
func TestAuthors(t *testing.T) {
	w := newWorld(t, 1)
	for n := range 2 {
		w.put(1, mailbox.Inbox, letterFrom("shop.example", true, 1, fmt.Sprint("offer ", n), junkText(n)), 0)
	}
	other := letterFrom("shop.example", true, 1, "report", goodText(1))
	forged := letterFrom("shop.example", false, 1, "report", goodText(1))
	before, claimed := w.judge(1, other).Score, w.judge(1, forged).Score
	w.moveAll(1, mailbox.Inbox, mailbox.Junk)
	w.must(w.s.Learn(w.ctx, 1))
	after := w.judge(1, other).Score
	if after < before+30 || w.judge(1, forged).Score > claimed+40 && w.judge(1, forged).Score >= after {
		t.Errorf("%d, was %d; of one who isn't proved %d, was %d", after, before, w.judge(1, forged).Score, claimed)
	}
	w.moveAll(1, mailbox.Junk, mailbox.Inbox)
	w.must(w.s.Learn(w.ctx, 1))
	if got := w.judge(1, other).Score; got > before {
		t.Errorf("%d after all was taken back, was %d", got, before)
	}
}

// TestOtherVersion: what another version has learned keeps nobody from judging and learning.
func TestOtherVersion(t *testing.T) {
	w := newWorld(t, 1)
	_, err := w.s.Train(w.ctx, 1, true, []byte(letterFrom("a.example", true, 1, "x", junkText(1))))
	w.must(err)
	w.must(w.open(1).UpdateSide(w.ctx, mailbox.JunkSide, func(tx mailbox.SideTx) error { return tx.Set([]byte{keyDelta}, []byte{255, 1, 2, 3}) }))
	w.must(w.db.Update(w.ctx, Partition, func(tx kv.Tx) error { return tx.Set([]byte{keyShared}, []byte{255}) }))
	w.over(w.db)
	if o := w.judge(1, letterFrom("a.example", true, 1, "x", goodText(1))); !o.Judged {
		t.Errorf("%+v", o)
	}
	if n, err := w.s.Train(w.ctx, 1, true, []byte(letterFrom("a.example", true, 1, "x", junkText(2)))); err != nil || n != 1 || w.learned(1) != "1 junk, 0 good" {
		t.Errorf("%d, %v, %s", n, err, w.learned(1))
	}
}

// TestRenewed: what a version learned that knew less of a message, or wrote what nobody can read, is learned again from the messages that are there still, once.
func TestRenewed(t *testing.T) {
	for name, record := range map[string][]byte{
		"the first version": binary.AppendUvarint([]byte{1, 9, 9, 0}, 1<<15),                                                       // all weights are 0
		"the second":        append(binary.AppendUvarint([]byte{2, 0, 9, 9, 0}, 1<<13), 0, 0, 9, 9, 0, 1, 7),                       // and a tail, and counts
		"one with counts":   append(append(binary.AppendUvarint([]byte{3, 0, 9, 9, 0}, 1<<13), 0, 0, 9, 9), make([]byte, 4500)...), // and none of them
		"another":           {255, 1, 2, 3},
	} {
		w := newWorld(t, 1)
		for n := range 6 {
			w.put(1, mailbox.Inbox, letterFrom("shop.example", false, 7, "offer", junkText(n)), 0)
		}
		w.moveAll(1, mailbox.Inbox, mailbox.Junk)
		for n := range 6 {
			w.put(1, mailbox.Inbox, letterFrom("friend.example", false, 8, "hello", goodText(n)), mailbox.Seen)
		}
		w.moveAll(1, mailbox.Inbox, mailbox.Archive)
		w.must(w.s.Learn(w.ctx, 1))
		like := letterFrom("shop.example", false, 7, "offer", junkText(77))
		want := w.judge(1, like).Score
		w.must(w.open(1).UpdateSide(w.ctx, mailbox.JunkSide, func(tx mailbox.SideTx) error { return tx.Set([]byte{keyDelta}, record) }))
		w.over(w.db)
		if got := w.judge(1, like).Score; got >= want {
			t.Fatalf("%s: %d without what was learned, %d with it", name, got, want)
		}
		w.must(w.s.Learn(w.ctx, 1))
		if got := w.judge(1, like).Score; got < want-1 {
			t.Errorf("%s: %d when it was learned again, was %d", name, got, want)
		}
		counts := map[string]string{"the first version": "9 junk, 9 good", "the second": "9 junk, 9 good", "one with counts": "9 junk, 9 good", "another": "6 junk, 6 good"}[name]
		if got := w.learned(1); got != counts {
			t.Errorf("%s: %s, not %s", name, got, counts)
		}
		m, err := w.s.read(w.ctx, w.open(1))
		w.must(err)
		w.must(w.s.Learn(w.ctx, 1))
		if again, err := w.s.read(w.ctx, w.open(1)); err != nil || m.delta.Old() || again.head != m.head {
			t.Errorf("%s: renewed more than once: %v", name, err)
		}
	}
}
