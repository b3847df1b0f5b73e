package move

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// mboxWriter writes a file for each folder: "Work.mbox", and "Work/2024.mbox" for the folder in it.
type mboxWriter struct {
	dir    string
	folder []string
	file   *os.File // nil: none is open
	buf    *bufio.Writer
	size   int64 // of the file, as far as messages are whole
	result Result
}

func (w *mboxWriter) give() Result { return w.result }

func (w *mboxWriter) take(m *Message) error {
	if w.file == nil || !slices.Equal(w.folder, m.Folder) {
		if err := w.begin(m.Folder); err != nil {
			return err
		}
	}
	if m.Body == nil {
		return nil
	}
	out := &counter{w: w.buf}
	if err := writeMbox(out, m); err != nil {
		return w.undo(err)
	}
	w.size += out.n
	w.result.Added++
	w.result.Bytes += out.n
	return nil
}

// undo takes back a message that couldn't be read or written whole.
func (w *mboxWriter) undo(cause error) error {
	if !fault.Is(cause, fault.NotFound) {
		return cause
	}
	if err := w.buf.Flush(); err != nil {
		return unreadable(err)
	}
	if err := w.file.Truncate(w.size); err != nil {
		return unreadable(err)
	}
	if _, err := w.file.Seek(w.size, io.SeekStart); err != nil {
		return unreadable(err)
	}
	return cause
}

// begin opens the file of a folder, under another name until it is whole.
func (w *mboxWriter) begin(folder []string) error {
	if err := w.finish(); err != nil {
		return err
	}
	name := w.nameOf(folder)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return unreadable(err)
	}
	f, err := os.OpenFile(name+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return unreadable(err)
	}
	w.folder, w.file, w.buf, w.size = folder, f, bufio.NewWriterSize(f, 256<<10), 0
	w.result.Folders++
	return nil
}

func (w *mboxWriter) nameOf(folder []string) string {
	name := w.dir
	for _, part := range folder {
		escaped := escapeName(part, "")
		if strings.HasPrefix(escaped, ".") {
			escaped = "%2e" + escaped[1:]
		}
		name = filepath.Join(name, escaped)
	}
	return name + ".mbox"
}

// finish gives the open file its name.
func (w *mboxWriter) finish() error {
	if w.file == nil {
		return nil
	}
	part := w.file.Name()
	err := w.buf.Flush()
	if err == nil {
		err = w.file.Sync()
	}
	w.drop()
	if err == nil {
		err = os.Rename(part, strings.TrimSuffix(part, ".part"))
	}
	if err != nil {
		return unreadable(err)
	}
	return nil
}

// drop closes the open file as it is.
func (w *mboxWriter) drop() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}

type counter struct {
	w *bufio.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writeMbox writes one message with its From_ line. Its marks lie in fields in front of its own, always all of them, so
// that who reads them knows whose is whose.
func writeMbox(w io.Writer, m *Message) error {
	fmt.Fprintf(w, "From MAILER-DAEMON %s\nStatus: %s\nX-Status: %s\nX-Keywords: %s\n", m.Received.UTC().Format("Mon Jan _2 15:04:05 2006"),
		letters(m.Flags, "RO", mailbox.Seen), letters(m.Flags, "AFTD", mailbox.Answered, mailbox.Flagged, mailbox.Draft, mailbox.Deleted),
		strings.Join(m.Keywords, " "))
	q := &quoter{w: w}
	lf := &lfWriter{w: q}
	if _, err := io.Copy(struct{ io.Writer }{lf}, m.Body); err != nil {
		return err
	}
	if err := lf.close(); err != nil {
		return unreadable(err)
	}
	if err := q.close(); err != nil {
		return unreadable(err)
	}
	return nil
}

// letters are those of the flags that are set. "O" means that a program has seen that the message is there, which is always so.
func letters(f mailbox.Flags, all string, flags ...mailbox.Flags) string {
	var b []byte
	for i := range len(all) {
		if i >= len(flags) || f&flags[i] != 0 {
			b = append(b, all[i])
		}
	}
	return string(b)
}

// quoter writes lines with ">" in front of those that are "From " behind any number of ">" (mboxrd), and an empty one at the end.
type quoter struct {
	w     io.Writer
	start []byte // a line's first bytes, while they may be such; lines go on without
	inner bool   // a line's start is written
	last  byte
}

func (q *quoter) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if q.inner {
			n := len(p)
			if i := bytes.IndexByte(p, '\n'); i >= 0 {
				n, q.inner = i+1, false
			}
			q.last = p[n-1]
			if _, err := q.w.Write(p[:n]); err != nil {
				return 0, unreadable(err)
			}
			p = p[n:]
			continue
		}
		q.start = append(q.start, p[0])
		p = p[1:]
		if err := q.decide(); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// decide writes a line's start as soon as it is known what it is.
func (q *quoter) decide() error {
	rest := bytes.TrimLeft(q.start, ">")
	switch {
	case string(rest) == "From ":
		return q.put(">")
	case !strings.HasPrefix("From ", string(rest)), len(q.start) > 4096:
		return q.put("")
	}
	return nil
}

func (q *quoter) put(front string) error {
	if len(q.start) > 0 {
		q.last = q.start[len(q.start)-1]
	}
	q.inner = q.last != '\n'
	_, err := io.WriteString(q.w, front+string(q.start))
	q.start = q.start[:0]
	if err != nil {
		return unreadable(err)
	}
	return nil
}

// close ends the last line, and writes an empty one.
func (q *quoter) close() error {
	if err := q.put(""); err != nil {
		return err
	}
	end := "\n"
	if q.last != '\n' {
		end = "\n\n"
	}
	_, err := io.WriteString(q.w, end)
	return err
}
