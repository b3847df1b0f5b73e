package move

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

var sameKeywords = cmp.Options{cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b string) bool { return a < b })}

// What is exported and imported elsewhere is the same: bytes, flags, keywords, dates, folders; also if both are interrupted.
func TestMailIsTheSameAfterExportAndImport(t *testing.T) {
	for _, f := range []Format{Maildir, Mbox} {
		t.Run(string(f), func(t *testing.T) {
			w := newWorld(t)
			if r := w.bring(1, made(30)); r.Added != 6*30 || r.Present != 0 {
				t.Fatal(r)
			}
			if d := cmp.Diff(folderNames(all(t, made(30))), folderNames(all(t, Outgoing(w.session(1))))); d != "" {
				t.Error(d)
			}
			dir := filepath.Join(t.TempDir(), "out")
			if _, err := Write(w.ctx, dir, f, "ann", cut(Outgoing(w.session(1)), 77)); !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			r, err := Write(w.ctx, dir, f, "ann", Outgoing(w.session(1)))
			if err != nil || r.Added+r.Present != 6*30 || f == Maildir && r.Present == 0 {
				t.Fatal(r, err)
			}
			first, err := Import(w.ctx, w.store, w.session(2), nil, cut(w.open(dir, Options{}), 110))
			if !errors.Is(err, errCut) || first.Added == 0 {
				t.Fatal(first, err)
			}
			second := w.bring(2, w.open(dir, Options{}))
			if second.Present != first.Added || first.Added+second.Added != 6*30 {
				t.Errorf("%+v, then %+v", first, second)
			}
			if third := w.bring(2, w.open(dir, Options{})); third.Added != 0 {
				t.Errorf("again: %+v", third)
			}
			if d := cmp.Diff(byFolder(all(t, Outgoing(w.session(1)))), byFolder(all(t, Outgoing(w.session(2)))), sameKeywords); d != "" {
				t.Error(d)
			}
		})
	}
}

// folderNames counts the messages in each folder, as an account names it.
func folderNames(list []seen) map[string]int {
	out := map[string]int{}
	for _, x := range messages(list) {
		var path []string
		for _, name := range x.Folder {
			path = append(path, tidyName(name))
		}
		out[strings.Join(path, "/")]++
	}
	return out
}

// byFolder puts messages of a folder into an order of their own: files have the order of their names.
func byFolder(list []seen) map[string][]seen {
	out := map[string][]seen{}
	for _, x := range list {
		path := strings.Join(x.Folder, "\x00")
		if x.IsFolder {
			out[path] = append(out[path], seen{})
			continue
		}
		out[path] = append(out[path], x)
	}
	for _, l := range out {
		slices.SortStableFunc(l, func(a, b seen) int { return int(a.Received - b.Received) })
	}
	return out
}

// A message that was moved, or whose flags have changed, isn't imported again.
func TestImportKnowsWhatWasMoved(t *testing.T) {
	w := newWorld(t)
	w.bring(1, made(4))
	s := w.session(1)
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	trash, _ := s.FolderByRole(mailbox.Trash)
	if _, _, err := s.Move(w.ctx, inbox.ID, []mailbox.UID{1, 3}, trash.ID); err != nil {
		t.Fatal(err)
	}
	if r := w.bring(1, made(4)); r.Added != 0 || r.Present != 24 {
		t.Errorf("%+v", r)
	}
}

func TestImportUnderAFolder(t *testing.T) {
	w := newWorld(t)
	_, err := Import(w.ctx, w.store, w.session(1), []string{"Old"}, made(1))
	w.must(err)
	var paths []string
	for _, x := range messages(all(t, Outgoing(w.session(1)))) {
		paths = append(paths, strings.Join(x.Folder, "|"))
	}
	want := []string{"Old|INBOX", "Old|Sent", "Old|Work", "Old|Work|..", "Old|Work|a.b-%2e", "Old|Über & Co|日本"}
	slices.Sort(paths)
	if d := cmp.Diff(want, paths); d != "" {
		t.Error(d)
	}
}

func TestImportStopsAtTheQuota(t *testing.T) {
	w := newWorld(t)
	w.must(w.store.SetLimit(w.ctx, 1, mailbox.Usage{Items: 3}))
	if _, err := Import(w.ctx, w.store, w.session(1), nil, made(5)); !fault.Is(err, fault.OverQuota) {
		t.Error(err)
	}
}

// Export shows new flags, and goes into no folder of others.
func TestExportAgain(t *testing.T) {
	w := newWorld(t)
	w.bring(1, made(2))
	dir := t.TempDir()
	_, err := Write(w.ctx, dir, Maildir, "ann", Outgoing(w.session(1)))
	w.must(err)
	s := w.session(1)
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	_, err = s.SetFlags(w.ctx, inbox.ID, mailbox.FlagChange{UIDs: []mailbox.UID{1}, Flags: mailbox.Flagged | mailbox.Seen})
	w.must(err)
	r, err := Write(w.ctx, dir, Maildir, "ann", Outgoing(s))
	if err != nil || r.Added != 0 || r.Present != 12 {
		t.Error(r, err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "cur", "*:2,FPS")); len(names) != 1 {
		t.Error(names)
	}
	for _, n := range []struct {
		format  Format
		account string
	}{{Mbox, "ann"}, {Maildir, "ben"}} {
		if _, err := Write(w.ctx, dir, n.format, n.account, Outgoing(s)); !fault.Is(err, fault.Exists) {
			t.Error(n, err)
		}
	}
	if _, err := Write(w.ctx, files(t, map[string]string{"x": "y"}), Mbox, "ann", Outgoing(s)); !fault.Is(err, fault.Exists) {
		t.Error(err)
	}
	if _, err := Write(w.ctx, t.TempDir(), "tar", "ann", Outgoing(s)); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// A message that is expunged while it is written leaves no trace in the files.
func TestExpungedMeanwhile(t *testing.T) {
	for _, f := range []Format{Maildir, Mbox} {
		dir := t.TempDir()
		gone := io.MultiReader(strings.NewReader("Subject: half\r\n\r\n"), iotest.ErrReader(fault.New(fault.NotFound, "gone")))
		var stream bytes.Buffer
		err := Encode(context.Background(), &stream, func(_ context.Context, yield func(*Message) error) error {
			for i, body := range []io.Reader{strings.NewReader("a: b\r\n\r\n1\r\n"), gone, strings.NewReader("a: b\r\n\r\n2\r\n")} {
				if err := yield(&Message{ID: string(rune('a' + i)), Folder: []string{"INBOX"}, Body: body}); err != nil && i != 1 {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Write(context.Background(), dir, f, "ann", Decode(&stream))
		if err != nil || r.Added != 2 {
			t.Error(f, r, err)
		}
		from, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var bodies []string
		for _, x := range messages(all(t, from)) {
			bodies = append(bodies, x.Body)
		}
		if d := cmp.Diff([]string{"a: b\r\n\r\n1\r\n", "a: b\r\n\r\n2\r\n"}, bodies); d != "" {
			t.Error(f, d)
		}
		if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) > 0 {
			t.Error(left)
		}
	}
}

// A stream says the same at the other end, and one that is cut off anywhere says so.
func TestStream(t *testing.T) {
	var b bytes.Buffer
	if err := Encode(context.Background(), &b, made(2)); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	if d := cmp.Diff(all(t, made(2)), all(t, Decode(iotest.HalfReader(bytes.NewReader(whole)))), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	drain := func(*Message) error { return nil }
	for n := 0; n < len(whole); n += 1 + n/50 {
		if err := Decode(bytes.NewReader(whole[:n]))(context.Background(), drain); err == nil {
			t.Fatalf("cut at %d of %d: no error", n, len(whole))
		}
	}
	told := fault.New(fault.OverQuota, "full")
	b.Reset()
	_ = Encode(context.Background(), &b, func(context.Context, func(*Message) error) error { return told })
	if err := Decode(&b)(context.Background(), drain); !fault.Is(err, fault.OverQuota) || fault.TextOf(err) != "full" {
		t.Error(err)
	}
	for _, bad := range []string{"x\n", strings.Repeat("x", lineBytes+1), "{\"body\":true}\n\x00\x01\x00\x01" + strings.Repeat("x", 70000)} {
		if err := Decode(strings.NewReader(bad))(context.Background(), drain); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	_ = Encode(context.Background(), &b, made(1))
	f.Add(b.Bytes()[:300])
	f.Fuzz(func(t *testing.T, in []byte) {
		_ = Decode(bytes.NewReader(in))(context.Background(), func(m *Message) error {
			if m.Body != nil {
				_, err := io.Copy(io.Discard, m.Body)
				return err
			}
			return nil
		})
	})
}
