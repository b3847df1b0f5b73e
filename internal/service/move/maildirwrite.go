package move

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
)

// maildirWriter writes a Maildir with Maildir++ folders. A file's name begins with the message's ID, so that a second
// run knows it again.
type maildirWriter struct {
	dir    string
	folder []string          // the one that is open
	path   string            // its folder of files
	there  map[string]string // file names in its cur, by their part before ":2,"
	names  []string          // of its keywords, by letter
	result Result
}

func (w *maildirWriter) give() Result { return w.result }

func (w *maildirWriter) take(m *Message) error {
	if w.there == nil || !slices.Equal(w.folder, m.Folder) {
		if err := w.begin(m.Folder); err != nil {
			return err
		}
	}
	if m.Body == nil {
		return nil
	}
	base := fmt.Sprintf("%d.%s.postroad", max(m.Received.Unix(), 0), strings.ReplaceAll(m.ID, ".", "_"))
	name := base + ":2," + w.info(m)
	if old, ok := w.there[base]; ok {
		w.result.Present++
		if old == name {
			return nil
		}
		if err := os.Rename(filepath.Join(w.path, "cur", old), filepath.Join(w.path, "cur", name)); err != nil {
			return unreadable(err)
		}
		w.there[base] = name
		return nil
	}
	if err := w.write(m, name); err != nil {
		return err
	}
	w.there[base] = name
	return nil
}

func (w *maildirWriter) finish() error { return w.sync() }

// sync has the open folder's names on disk.
func (w *maildirWriter) sync() error {
	if w.there == nil {
		return nil
	}
	d, err := os.Open(filepath.Join(w.path, "cur"))
	if err != nil {
		return unreadable(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return unreadable(err)
	}
	return nil
}

// begin opens a folder, and sees what an earlier run has left there.
func (w *maildirWriter) begin(folder []string) error {
	if err := w.sync(); err != nil {
		return err
	}
	w.folder, w.path = folder, filepath.Join(w.dir, maildirName(folder))
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(w.path, sub), 0o700); err != nil {
			return unreadable(err)
		}
	}
	if w.path != filepath.Clean(w.dir) { // Maildir++ wants it to lie in each folder but the outermost
		if err := os.WriteFile(filepath.Join(w.path, "maildirfolder"), nil, 0o600); err != nil {
			return unreadable(err)
		}
	}
	w.there = map[string]string{}
	entries, err := os.ReadDir(filepath.Join(w.path, "cur"))
	if err != nil {
		return unreadable(err)
	}
	for _, e := range entries {
		base, _, _ := strings.Cut(e.Name(), ":2,")
		w.there[base] = e.Name()
	}
	w.names = nil
	for letter, name := range readKeywords(w.path) {
		for len(w.names) <= int(letter-'a') {
			w.names = append(w.names, "")
		}
		w.names[letter-'a'] = name
	}
	w.result.Folders++
	return nil
}

// maildirName is the name of a folder's folder of files; the inbox is the Maildir itself.
func maildirName(folder []string) string {
	if len(folder) == 1 && strings.EqualFold(folder[0], "INBOX") {
		return ""
	}
	var b strings.Builder
	for _, part := range folder {
		b.WriteString("." + encodeUTF7(escapeName(part, ".")))
	}
	return b.String()
}

// info are the letters of a message's file, in the order of the alphabet, as the format wants them.
func (w *maildirWriter) info(m *Message) string {
	var all []byte
	for _, x := range maildirFlags {
		if m.Flags&x.flag != 0 {
			all = append(all, x.letter)
		}
	}
	for _, k := range m.Keywords {
		if strings.EqualFold(k, forwarded) {
			all = append(all, 'P')
		} else if n := w.letter(k); n >= 0 {
			all = append(all, byte('a'+n))
		} else {
			w.result.Keywords++
		}
	}
	slices.Sort(all)
	return string(all)
}

// letter gives a keyword its letter; -1 if there is none left.
func (w *maildirWriter) letter(keyword string) int {
	if n := slices.Index(w.names, keyword); n >= 0 {
		return n
	}
	if len(w.names) == mostLetters {
		return -1
	}
	w.names = append(w.names, keyword)
	var b strings.Builder
	for n, name := range w.names {
		fmt.Fprintf(&b, "%d %s\n", n, name)
	}
	if os.WriteFile(filepath.Join(w.path, keywordsFile), []byte(b.String()), 0o600) != nil {
		return -1 // counted as lost
	}
	return len(w.names) - 1
}

// write makes a file in tmp and moves it to cur when it is whole: so a name in cur is a whole message.
func (w *maildirWriter) write(m *Message, name string) (err error) {
	tmp := filepath.Join(w.path, "tmp", name)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return unreadable(err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	lf := &lfWriter{w: f}
	to := io.Writer(lf)
	if m.Exact {
		to = f
	}
	n, err := io.Copy(struct{ io.Writer }{to}, m.Body)
	if err != nil {
		return fileFault(err)
	}
	if err := errors.Join(lf.close(), f.Sync(), f.Close(), stamp(tmp, m.Received)); err != nil {
		return unreadable(err)
	}
	if err := os.Rename(tmp, filepath.Join(w.path, "cur", name)); err != nil {
		return unreadable(err)
	}
	w.result.Added++
	w.result.Bytes += n
	return nil
}

// fileFault tells a file's error from the source's.
func fileFault(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return fault.Wrap(fault.Unavailable, err, err.Error())
	}
	return err
}

// stamp gives a file the time at which its message was received, where programs look for it.
func stamp(name string, at time.Time) error {
	if at.IsZero() {
		return nil
	}
	return os.Chtimes(name, at, at)
}
