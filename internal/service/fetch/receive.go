package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/move"
)

// Receiver checks messages and puts them where they belong. It must be safe for concurrent use.
type Receiver interface {
	// Ready fails while it can't take any.
	Ready() error
	// Clean returns what a message is to be written to on its way to w: what strangers write in our name is left out. It is closed at the end.
	Clean(w io.Writer) io.WriteCloser
	// Take puts letters of a source into its account, or elsewhere, and returns what became of each when that is durable.
	Take(ctx context.Context, src *Source, letters []Letter) []Taken
}

// Letter is a message that came.
type Letter struct {
	ID     string           // names it, the same each time it comes
	Folder mailbox.FolderID // where it goes by itself
	Item   mailbox.Append
	// Kept: its owner has read it there, or said that it is no junk. Came is when it came there.
	Kept bool
	Came time.Time
}

// Taken is what became of one.
type Taken struct {
	Items []mailbox.ItemID // its copies; none without an error: nobody wants it
	Aside bool             // it is kept for an administrator
	Later bool             // it couldn't be checked: it is to come again
	Err   error
}

// Whether a source's mail is checked.
const (
	JudgeInbox  = ""    // what comes from an inbox is judged, and all is shown to scanners and policies
	JudgeAll    = "yes" // all is judged
	JudgeNobody = "no"  // it is taken as it is
)

// Checked reports whether a source's mail is shown to scanners and policies.
func (src *Source) Checked() bool { return src.Judge != JudgeNobody }

// Judged reports whether it is judged as junk, and goes through the account's filter.
func (src *Source) Judged() bool {
	return src.Judge == JudgeAll || src.Judge == JudgeInbox && (src.Mailbox == "" || strings.EqualFold(src.Mailbox, "INBOX"))
}

// SetReceiver gives s what checks messages. Without one they are stored as they are.
func (s *Service) SetReceiver(r Receiver) { s.receiver.Store(&r) }

// receiverOf is what checks a source's messages; nil: nothing does.
func (s *Service) receiverOf(src *Source) Receiver {
	r := s.receiver.Load()
	if r == nil || !src.Checked() {
		return nil
	}
	return *r
}

// original is the property of an item that says which bytes came, where others are stored: a digest of 16 bytes.
const original = "fetch.bytes"

// checked hands the batch to the receiver, which breaks off checking when ctx ends, and notes what became of it.
func (r *run) checked(ctx context.Context, to Receiver, folder mailbox.FolderID, notes map[digest]known) error {
	letters := make([]Letter, len(r.batch))
	for i := range r.batch {
		letters[i] = r.letter(&r.batch[i], folder)
	}
	var failed error
	for i, t := range to.Take(ctx, &r.src, letters) {
		g := &r.batch[i]
		k := notes[g.digest]
		switch {
		case t.Err != nil:
			if k = (known{}); failed == nil {
				failed = t.Err
			}
		case t.Later:
			k = known{}
			r.postpone(g.number)
		case t.Aside:
			k.state = aside
		default:
			if k.state = done; len(t.Items) > 0 {
				k.item = t.Items[0]
			}
		}
		if notes[g.digest] = k; k.state != 0 {
			r.result.Fetched++
			r.result.Bytes += g.content.Size()
		}
	}
	if err := r.note(context.WithoutCancel(ctx), notes); err != nil {
		return err
	}
	return failed
}

// letter is a message as the receiver gets it.
func (r *run) letter(g *got, folder mailbox.FolderID) Letter {
	item := r.itemOf(g)
	item.Bag[original] = g.sum[:16]
	keywords := strings.ToLower(strings.Join(g.keywords, " "))
	return Letter{ID: fmt.Sprintf("fetch%d-%x", r.src.ID, g.digest[:6]), Folder: folder, Item: item, Came: g.received,
		Kept: g.flags&(mailbox.Seen|mailbox.Answered|mailbox.Flagged) != 0 || strings.Contains(" "+keywords+" ", " $notjunk ")}
}

// itemOf is what is stored of a message.
func (r *run) itemOf(g *got) mailbox.Append {
	return mailbox.Append{Content: g.content, Flags: g.flags &^ mailbox.Deleted, Keywords: move.UsableKeywords(g.keywords), Received: g.received,
		Bag: map[string][]byte{came: append(binary.BigEndian.AppendUint32(nil, r.src.ID), g.digest[:]...)}}
}

// postpone has a message asked for again by the next run.
func (r *run) postpone(number uint32) {
	if r.postponed == 0 || number < r.postponed {
		r.postponed = number
	}
}

// short is what is compared of the bytes of messages.
func short(sum [sha256.Size]byte) (d [16]byte) {
	copy(d[:], sum[:])
	return d
}
