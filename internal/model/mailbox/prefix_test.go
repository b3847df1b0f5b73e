package mailbox

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

// TestPrefixedContents: a message with fields in front is stored as if it had come so, wherever its bytes wait.
func TestPrefixedContents(t *testing.T) {
	w := newWorld(t)
	const front = "Return-Path: <a@b>\r\n"
	for _, n := range []int{0, 100, littleMemory, 3 << 20} {
		msg := "Received: x\r\nSubject: s\r\n\r\n" + strings.Repeat("0123456789\r\n", n/12)
		c := w.content(msg)
		twice := c.Prefixed([]byte("X: y\r\n")).Prefixed([]byte(front))
		want := []byte(front + "X: y\r\n" + msg)
		if err := iotest.TestReader(twice.NewReader(), want); err != nil {
			t.Errorf("%d octets: %v", n, err)
		}
		got, err := w.me.Append(w.ctx, w.inbox(), Append{Content: twice}, Append{Content: c})
		w.must(err)
		for i, want := range [][]byte{want, []byte(msg)} {
			w.holds(got[i].UID, want)
		}
		w.must(twice.Close()) // it holds nothing
		if _, err := c.ReadAt(make([]byte, 1), 0); err != nil {
			t.Error(err)
		}
	}
	if c := w.content("x: y\r\n"); c.Prefixed(nil) != c {
		t.Error("nothing in front makes another content")
	}
}

// holds checks the bytes and the summary of a message in the inbox.
func (w *world) holds(uid UID, want []byte) {
	w.Helper()
	v := w.view(w.inbox())
	i, ok := v.Find(uid)
	if !ok {
		w.Fatalf("no message %d", uid)
	}
	row := v.At(i)
	if got := w.body(row); got != string(want) {
		w.Errorf("message %d has %d octets, want %d", uid, len(got), len(want))
	}
	st := message.Parse(want)
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		sum, err := b.Summary(row)
		if made := summary.Make(st, message.Preview(st, bytes.NewReader(want))); err == nil && !bytes.Equal(sum, made) {
			w.Errorf("message %d: summary\n%q\nwant\n%q", uid, sum, made)
		}
		return err
	}))
}

// TestEndedContent: a message that has ended can be looked at before it is finished, and nothing comes after it.
func TestEndedContent(t *testing.T) {
	w := newWorld(t)
	c := w.store.NewContent()
	defer c.Discard()
	_, err := c.Write([]byte("Subject: s\r\n\r\nbody\r\n"))
	w.must(err)
	st := c.End()
	if st.Envelope.Subject != "s" || st.Root.BodySize != 6 {
		t.Errorf("%+v", st.Root)
	}
	if _, err := c.Write([]byte("x")); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	done, err := c.Finish()
	w.must(err)
	defer done.Close()
	if parsed, _ := done.Parsed(); parsed != st || c.End() != st || done.Summary().Subject() != "s" {
		t.Error("it was parsed again")
	}
}
