package move

import (
	"context"
	"fmt"
	"io"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// Outgoing gives all mail of a session's account, folder by folder, in the order of UIDs. Each folder is
// shown as it is when its turn comes; messages that are expunged meanwhile are left out.
func Outgoing(s *mailbox.Session) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		folders := s.Folders()
		for k := range folders {
			if folders[k].Kind != mailbox.Mail {
				continue
			}
			if err := outgoingFolder(ctx, s, folders[k].ID, pathOf(folders, &folders[k]), yield); err != nil {
				return err
			}
		}
		return nil
	}
}

func outgoingFolder(ctx context.Context, s *mailbox.Session, id mailbox.FolderID, path []string, yield func(*Message) error) error {
	view, err := s.View(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil // removed meanwhile
	}
	if err == nil {
		err = yield(&Message{Folder: path})
	}
	if err != nil {
		return err
	}
	for _, row := range view.All(0, view.Len()) {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Canceled, err, "interrupted")
		}
		body := &watched{r: s.Content(row).Section(0, row.Size)}
		err := yield(&Message{ID: idOf(row), Folder: path, Flags: row.Flags,
			Keywords: row.Keywords.Names(), Received: row.Received(), Exact: row.BareLines(), Body: body})
		if err != nil && !body.gone {
			return err
		}
	}
	return nil
}

// idOf is the ID of a message: that of the item, and, since an item may get another content, the content's.
func idOf(row *mailbox.Row) string { return fmt.Sprintf("%d.%d", row.ID, row.Content) }

// watched is a body that notes when it is gone.
type watched struct {
	r    io.Reader
	gone bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if fault.Is(err, fault.NotFound) {
		w.gone = true
	}
	return n, err
}

// pathOf is a folder's path. The inbox is INBOX in every language.
func pathOf(all []mailbox.Folder, f *mailbox.Folder) []string {
	var path []string
	for f != nil {
		name := f.Name
		if f.Role == mailbox.Inbox {
			name = "INBOX"
		}
		path = append(path, name)
		up := f.Parent
		at := slices.IndexFunc(all, func(o mailbox.Folder) bool { return o.ID == up })
		if up == 0 || at < 0 {
			break
		}
		f = &all[at]
	}
	slices.Reverse(path)
	return path
}
