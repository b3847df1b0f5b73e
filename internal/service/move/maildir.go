package move

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/model/mailbox"
)

// maildirFlags are the letters after ":2," in a message's file name. P ("passed") is the keyword $Forwarded.
var maildirFlags = []struct {
	letter byte
	flag   mailbox.Flags
}{{'D', mailbox.Draft}, {'F', mailbox.Flagged}, {'R', mailbox.Answered}, {'S', mailbox.Seen}, {'T', mailbox.Deleted}}

const (
	forwarded    = "$Forwarded"
	keywordsFile = "dovecot-keywords" // names the keywords that the letters a to z stand for
	mostLetters  = 26
)

// isMaildir reports whether a folder of files is a Maildir. "tmp" may be missing from a copy.
func isMaildir(dir string) bool {
	return isDir(filepath.Join(dir, "cur")) && isDir(filepath.Join(dir, "new"))
}

// isDir: a symbolic link is none. People could point one in their Maildir to what only the administrator may read, who imports it.
func isDir(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.IsDir()
}

// readMaildir gives the messages of a Maildir, of the Maildir++ folders in it (".Work.2024"), and
// of Maildirs in plain folders below it (Dovecot's LAYOUT=fs, mbsync's "Verbatim").
func readMaildir(dir string, at []string, o Options) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		if isMaildir(dir) {
			path := at
			if len(path) == 0 {
				path = o.inbox()
			}
			if err := maildirFolder(ctx, dir, path, o, yield); err != nil {
				return err
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return unreadable(err)
		}
		for _, e := range entries {
			below := slices.Concat(at, maildirPath(e.Name()))
			if len(below) == len(at) || !isDir(filepath.Join(dir, e.Name())) || len(below) > mailbox.MaxDepth {
				continue
			}
			if err := readMaildir(filepath.Join(dir, e.Name()), below, o)(ctx, yield); err != nil {
				return err
			}
		}
		return nil
	}
}

// maildirPath is what the name of a folder inside a Maildir says; nothing if it isn't a folder of mail.
func maildirPath(name string) (path []string) {
	if slices.Contains([]string{"cur", "new", "tmp"}, name) {
		return nil
	}
	parts, found := strings.CutPrefix(name, ".")
	if !found {
		return []string{unescapeName(decodeUTF7(name))}
	}
	for part := range strings.SplitSeq(parts, ".") {
		if part != "" {
			path = append(path, unescapeName(decodeUTF7(part)))
		}
	}
	return path
}

func maildirFolder(ctx context.Context, dir string, path []string, o Options, yield func(*Message) error) error {
	if err := yield(&Message{Folder: path}); err != nil {
		return err
	}
	keywords := readKeywords(dir)
	ids := readUIDList(dir, o.UniqueIDs)
	for _, sub := range []string{"cur", "new"} {
		files, err := os.ReadDir(filepath.Join(dir, sub)) // sorted: by time of arrival, as the names begin with it
		if err != nil {
			return unreadable(err)
		}
		for _, f := range files {
			if strings.HasPrefix(f.Name(), ".") || f.IsDir() {
				continue
			}
			if !f.Type().IsRegular() {
				o.warn("%s is no file: left out", filepath.Join(dir, sub, f.Name()))
				continue
			}
			base, info, _ := strings.Cut(f.Name(), ":2,")
			m := &Message{Folder: path, UniqueID: ids[base]}
			if sub == "cur" {
				m.Flags, m.Keywords = readInfo(info, keywords)
			}
			if err := giveFile(ctx, filepath.Join(dir, sub, f.Name()), m, o, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// readInfo reads the letters of a file's name.
func readInfo(info string, names map[byte]string) (flags mailbox.Flags, keywords []string) {
	info, _, _ = strings.Cut(info, ",") // some programs go on
	for i := range len(info) {
		for _, x := range maildirFlags {
			if info[i] == x.letter {
				flags |= x.flag
			}
		}
		if info[i] == 'P' {
			keywords = append(keywords, forwarded)
		}
		if name := names[info[i]]; name != "" {
			keywords = append(keywords, name)
		}
	}
	return flags, keywords
}

// readKeywords reads Dovecot's file of lines like "0 $Label1": the keyword of letter a.
func readKeywords(dir string) map[byte]string {
	f, err := os.Open(filepath.Join(dir, keywordsFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	names := map[byte]string{}
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		number, name, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < mostLetters {
			names[byte('a'+n)] = strings.TrimSpace(name)
		}
	}
	return names
}

// giveFile gives a message that is a file. What m doesn't say is taken from the file. A file that has gone
// since it was listed, as when a program that still uses the Maildir sets a flag, is told to o.Warn.
func giveFile(ctx context.Context, name string, m *Message, o Options, yield func(*Message) error) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		o.warn("%v: left out", err)
		return nil
	}
	if err != nil {
		return unreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unreadable(err)
	}
	if !info.Mode().IsRegular() {
		o.warn("%s is no file: left out", name)
		return nil
	}
	if info.Size() > MaxMessage {
		o.warn("%s is larger than %d bytes: left out", name, int64(MaxMessage))
		return nil
	}
	if m.Received.IsZero() {
		m.Received = info.ModTime().Truncate(time.Second)
	}
	if m.Body, err = withCRLF(f); err != nil {
		return unreadable(err)
	}
	return yield(m)
}
