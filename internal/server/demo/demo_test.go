package demo

import (
	"bytes"
	"context"
	"image/png"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"

	"postroad/internal/format/charset"
	"postroad/internal/format/message"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

func TestLettersAreWhole(t *testing.T) {
	all := letters()
	keys := map[string]bool{}
	for _, l := range all {
		if keys[l.key] {
			t.Errorf("two letters are called %s", l.key)
		}
		keys[l.key] = true
		if len(l.copies) == 0 || len(l.to) == 0 {
			t.Errorf("%s goes nowhere", l.key)
		}
	}
	for _, l := range all {
		if l.replyTo != "" && !keys[l.replyTo] {
			t.Errorf("%s answers %s, which isn't there", l.key, l.replyTo)
		}
	}
	if len(all) < 80 {
		t.Errorf("only %d letters", len(all))
	}
}

func TestLettersAreGoodMail(t *testing.T) {
	all, again := letters(), letters()
	w, second := newWriter(now, all), newWriter(now, again)
	for i, l := range all {
		b := w.bytes(l)
		if !bytes.Equal(b, second.bytes(again[i])) {
			t.Errorf("%s differs each time", l.key)
		}
		m, err := mail.ReadMessage(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", l.key, err)
			continue
		}
		if got := message.DecodeWords(m.Header.Get("Subject")); got != l.subject {
			t.Errorf("%s: subject %q, want %q", l.key, got, l.subject)
		}
		if from, err := m.Header.AddressList("From"); err != nil || from[0].Name != l.from.name || from[0].Address != l.from.address {
			t.Errorf("%s: from %v %v", l.key, from, err)
		}
		if date, err := m.Header.Date(); err != nil || !date.Equal(now.Add(-l.age)) {
			t.Errorf("%s: date %v %v", l.key, date, err)
		}
		checkLines(t, l.key, b)
		checkText(t, l, b)
	}
}

// checkLines looks for bare line ends and lines that no server need take (RFC 5321 §4.5.3.1.6).
func checkLines(t *testing.T, key string, b []byte) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSuffix(b, []byte("\r\n")), []byte("\r\n")) {
		if bytes.ContainsAny(line, "\r\n\x00") || len(line) > 998 {
			t.Errorf("%s: bad line %.60q", key, line)
			return
		}
	}
}

// checkText decodes the first text part and compares it with what was written.
func checkText(t *testing.T, l letter, b []byte) {
	t.Helper()
	var first *message.Part
	message.Parse(b).Root.Walk(func(p *message.Part) bool {
		if first == nil && strings.EqualFold(p.Type, "text") {
			first = p
		}
		return first == nil
	})
	if first == nil {
		t.Errorf("%s has no text", l.key)
		return
	}
	raw, err := io.ReadAll(first.Body(bytes.NewReader(b)))
	text, ok := charset.Decode(first.Charset(), raw)
	want := l.text
	if want == "" {
		want = l.html
	}
	if err != nil || !ok || strings.ReplaceAll(text, "\r\n", "\n") != want {
		t.Errorf("%s: text %q %v %v, want %q", l.key, text, ok, err, want)
	}
}

func TestFiles(t *testing.T) {
	if _, err := png.Decode(bytes.NewReader(picture(64, 48, 3))); err != nil {
		t.Error(err)
	}
	if n := len(melody()); n < 3<<20 {
		t.Errorf("the large mail has only %d bytes", n)
	}
}

func TestFillOnlyWhatIsEmpty(t *testing.T) {
	ctx := context.Background()
	db := pebbletest.Open(t)
	dir, err := directory.Open(ctx, db, directory.Options{Hash: directorytest.Cheap()})
	if err != nil {
		t.Fatal(err)
	}
	store := mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir()})
	w := World{dir, store, now}
	if err := w.MakeAccounts(ctx, 3); err != nil {
		t.Fatal(err)
	}
	var states []mailbox.State
	for range 2 {
		if err := w.Fill(ctx); err != nil {
			t.Fatal(err)
		}
		if err := w.MakeAccounts(ctx, 5); err != nil {
			t.Fatal(err)
		}
		states = append(states, stateOf(t, w, alice), stateOf(t, w, bob))
	}
	if states[0].Used.Items < 60 || states[1].Used.Items < 40 || states[0].Used.Bytes < 3<<20 {
		t.Errorf("Alice has %v, Bob %v", states[0].Used, states[1].Used)
	}
	if states[0].Change != states[2].Change || states[1].Change != states[3].Change {
		t.Error("a second start changed what was there")
	}
	if keys, err := w.Directory.SigningKeys(ctx, Domain); err != nil || len(keys) != 2 {
		t.Errorf("%d keys sign: %v", len(keys), err)
	}
	if used := stateOf(t, w, person{address: "user4@" + Domain}).Used; used.Items != 0 {
		t.Errorf("user4 has mail: %v", used)
	}
}

func stateOf(t *testing.T, w World, p person) mailbox.State {
	t.Helper()
	ctx := context.Background()
	a, err := w.Directory.AccountByAddress(ctx, p.address)
	if err != nil {
		t.Fatal(err)
	}
	box, err := w.Mailboxes.Open(ctx, a.ID, ident.System())
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if problems, err := w.Mailboxes.Check(ctx, a.ID); err != nil || len(problems) > 0 {
		t.Errorf("%s: %v %v", p.address, problems, err)
	}
	return box.State()
}
