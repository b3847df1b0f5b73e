package move

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"postroad/internal/fault"
)

// Format is what Write writes.
type Format string

// Formats of files.
const (
	Mbox    Format = "mbox"    // a file for each folder, in the dialect MboxRD
	Maildir Format = "maildir" // a Maildir with Maildir++ folders
)

// noteFile tells what an earlier Write has put into a folder, so that none overwrites what is another's.
const noteFile = ".postroad-export"

type note struct {
	Format  Format `json:"format"`
	Account string `json:"account"`
}

// Write puts a source's messages into the folder dir, which is made if it isn't there. Into a folder that is not
// empty it goes on with what an earlier Write of the same account and format began (else fault.Exists): what is there is kept, with
// new flags if they have changed, and what isn't comes in. Messages that were there and have left the account stay in a Maildir. Each mbox
// file is written anew and takes the old one's place when it is whole. Errors of files are told as they are.
func Write(ctx context.Context, dir string, format Format, account string, from Source) (Result, error) {
	if err := claim(dir, note{format, account}); err != nil {
		return Result{}, err
	}
	var w interface {
		take(m *Message) error
		finish() error
		give() Result
	}
	switch format {
	case Mbox:
		w = &mboxWriter{dir: dir}
	case Maildir:
		w = &maildirWriter{dir: dir}
	default:
		return Result{}, fault.New(fault.Invalid, "format %q: want mbox or maildir", format)
	}
	err := from(ctx, w.take)
	if err == nil {
		err = w.finish()
	} else {
		abandon(w)
	}
	return w.give(), err
}

// abandon gives back what a writer holds.
func abandon(w any) {
	if m, ok := w.(*mboxWriter); ok {
		m.drop()
	}
}

// claim makes the folder, or sees whether it is ours.
func claim(dir string, mine note) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unreadable(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, noteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return claimEmpty(dir, mine)
	}
	var theirs note
	if err != nil || json.Unmarshal(b, &theirs) != nil || theirs != mine {
		return fault.New(fault.Exists, "%s holds something else: an export of %s as %s", dir, theirs.Account, theirs.Format)
	}
	return nil
}

func claimEmpty(dir string, mine note) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return unreadable(err)
	}
	if len(entries) > 0 {
		return fault.New(fault.Exists, "%s is not empty, and not from an export that was interrupted", dir)
	}
	b, err := json.Marshal(mine)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, noteFile), append(b, '\n'), 0o600)
	}
	if err != nil {
		return unreadable(err)
	}
	return nil
}
