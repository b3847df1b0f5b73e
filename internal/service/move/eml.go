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

	"postroad/internal/model/mailbox"
)

// readTree gives the messages of files in a folder and those below it: EML files are messages of the folder that
// they lie in, files that begin like an mbox are folders of their own (Thunderbird keeps those inside "Work" in "Work.sbd").
func readTree(dir string, at []string, o Options) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return unreadable(err)
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			switch {
			case strings.HasPrefix(e.Name(), "."):
			case isDir(name):
				if len(at) < mailbox.MaxDepth {
					err = readAny(name, slices.Concat(at, []string{unescapeName(strings.TrimSuffix(e.Name(), ".sbd"))}), o)(ctx, yield)
				}
			case !e.Type().IsRegular():
				o.warn("%s is no file: left out", name)
			case isEML(e.Name()):
				err = giveEML(ctx, name, at, o, yield)
			case startsAsMbox(name), isEmptyMbox(name):
				err = giveMbox(ctx, name, slices.Concat(at, []string{mboxName(e.Name())}), o, yield)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// readAny gives what is in a folder, be it a Maildir or a tree.
func readAny(dir string, at []string, o Options) Source {
	if isMaildir(dir) {
		return readMaildir(dir, at, o)
	}
	return readTree(dir, at, o)
}

func isEML(name string) bool { return strings.EqualFold(filepath.Ext(name), ".eml") }

// mboxName is the folder that a file is.
func mboxName(file string) string {
	for _, suffix := range []string{".mbox", ".mbx"} {
		if n := len(file) - len(suffix); n > 0 && strings.EqualFold(file[n:], suffix) {
			file = file[:n]
		}
	}
	return unescapeName(file)
}

func startsAsMbox(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var room [2048]byte
	n, _ := io.ReadFull(f, room[:])
	return fromLine(bytes.TrimLeft(room[:n], "\r\n"))
}

// isEmptyMbox reports whether a file is a folder without messages: by its name, there is nothing else.
func isEmptyMbox(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0 && strings.EqualFold(filepath.Ext(name), ".mbox")
}

func giveMbox(ctx context.Context, name string, folder []string, o Options, yield func(*Message) error) error {
	f, err := os.Open(name)
	if err != nil {
		return unreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unreadable(err)
	}
	if len(o.Folder) == 0 && isTakeout(name) {
		folder = nil
	}
	return readMbox(f, info.Size(), o.dialect(), folder)(ctx, yield)
}

// giveEML gives a message that is a file, with the date and the marks in its header: the file's own date is often that of a copy.
func giveEML(ctx context.Context, name string, at []string, o Options, yield func(*Message) error) error {
	if len(at) == 0 {
		at = o.inbox()
	}
	m := &Message{Folder: at}
	if header, err := headerOf(name); err == nil {
		marks, _ := readMarks(header, false)
		m.Flags, m.Received = marks.flags, marks.received
	}
	return giveFile(ctx, name, m, o, yield)
}

// headerOf reads a file's header, as far as maxHeader.
func headerOf(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHeader))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, end := range []string{"\n\n", "\n\r\n"} {
		if i := bytes.Index(b, []byte(end)); i >= 0 {
			b = b[:i+1]
		}
	}
	return b, nil
}
