package move

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/maildrop"
)

// Options say how files are to be read. The zero value is what most want.
type Options struct {
	// Folder is where the messages go that have no folder by their place: the Maildir's own, EML files' at the
	// top, those of a single mbox. Empty: the inbox; for a single mbox the folder that is called as the file.
	Folder []string
	// Mbox is the dialect; empty: AnyMbox.
	Mbox Dialect
	// Seen marks all messages as read.
	Seen bool
	// UniqueIDs says how the server whose Maildir it is made unique IDs of POP3, where Dovecot's dovecot-uidlist doesn't name
	// them; "": only those that it names come along.
	UniqueIDs maildrop.IDFormat
	// Warn is told what was left out; nil: nobody is.
	Warn func(text string)
}

func (o *Options) inbox() []string {
	if len(o.Folder) > 0 {
		return o.Folder
	}
	return []string{"INBOX"}
}

func (o *Options) dialect() Dialect {
	if o.Mbox == "" {
		return AnyMbox
	}
	return o.Mbox
}

func (o *Options) warn(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

// Open gives the messages of a file (mbox or EML) or a folder: a Maildir, or one with EML files, mbox files and
// Maildirs in it, at any depth. Nothing is changed there. Errors: fault.NotFound, fault.Invalid if it is neither.
func Open(name string, o Options) (Source, error) {
	switch o.dialect() {
	case AnyMbox, MboxO, MboxRD, MboxCL, MboxCL2:
	default:
		return nil, fault.New(fault.Invalid, "mbox dialect %q: want auto, mboxo, mboxrd, mboxcl or mboxcl2", o.Mbox)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, unreadable(err)
	}
	from, err := open(name, info, o)
	if err != nil || !o.Seen {
		return from, err
	}
	return func(ctx context.Context, yield func(*Message) error) error {
		return from(ctx, func(m *Message) error {
			m.Flags |= mailbox.Seen
			return yield(m)
		})
	}, nil
}

func open(name string, info fs.FileInfo, o Options) (Source, error) {
	switch {
	case info.IsDir():
		return readAny(name, nil, o), nil
	case isEML(name):
		return func(ctx context.Context, yield func(*Message) error) error { return giveEML(ctx, name, nil, o, yield) }, nil
	case info.Size() > 0 && !startsAsMbox(name):
		return nil, fault.New(fault.Invalid, "%s is neither an mbox nor an EML file nor a folder", name)
	}
	folder := o.Folder
	if len(folder) == 0 {
		folder = []string{mboxName(filepath.Base(name))}
	}
	if len(o.Folder) == 0 && strings.EqualFold(folder[0], "mbox") {
		folder = o.inbox() // where people's read mail lay on Unix
	}
	return func(ctx context.Context, yield func(*Message) error) error {
		return giveMbox(ctx, name, folder, o, yield)
	}, nil
}

// unreadable says whose fault it is that a file can't be read, or written.
func unreadable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, err.Error())
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Denied, err, err.Error())
	}
	return fault.Wrap(fault.Unavailable, err, err.Error())
}
