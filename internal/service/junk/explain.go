package junk

import (
	"bytes"
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/signs"
)

// An Explanation tells why a message is where it is, for people.
type Explanation struct {
	// Junk, Score and Limit are what would be said of it now: the score from 0 to 100, and from where on it is junk.
	Junk         bool
	Score, Limit int
	// Because is what decides in the score's place: "known"; "": nothing does.
	Because string
	// Signs are what looks like phishing.
	Signs []signs.Sign
	// Proven is the author's domain, if it is proved; Author is what the From field says.
	Proven, Author string
	// Domain and Network are how the accounts here think of the sender, in log-odds: more than zero is bad.
	Domain, Network float64
	// Reasons are what matters most in the message, strongest first.
	Reasons []Reason
	// Arrived is what was said when it came; nil: it wasn't judged then.
	Arrived *Remark
	// Label is what the account has said of it: "junk" or "good"; By how: "moved", "marked", "answered", "kept", "filed".
	Label, By string
}

// Reason is something in a message that speaks for or against junk.
type Reason struct {
	Name   string  // in a sentence or a part of one, with words of the message
	Weight float64 // in log-odds: more than zero speaks for junk
}

// explained is how many reasons are told.
const explained = 15

// Explain tells what an account thinks of a message; box may be nil: what an account thinks that knows nothing.
func (s *Service) explain(m features.Message, box *mailbox.Session, mind *mind) Explanation {
	p := s.see(m)
	r := s.rule(&p, box, mind)
	e := Explanation{
		Junk: r.junk(), Score: r.points(), Limit: points(r.threshold), Because: r.because, Signs: r.signs, Proven: p.m.Facts.Proven,
	}
	if len(p.from.Host) > 0 {
		e.Author = string(p.from.Mailbox) + "@" + string(p.from.Host)
	}
	e.Domain, e.Network = s.town.vouch(&p.m.Facts)
	reasons := s.base.Reasons(explained, p.set, mind.delta, s.town.delta())
	want := make([]uint32, len(reasons))
	for i := range reasons {
		want[i] = reasons[i].Feature
	}
	for i, name := range s.extract.Tell(&p.m, want) {
		if name != "" {
			e.Reasons = append(e.Reasons, Reason{name, reasons[i].Weight})
		}
	}
	_, header := features.HeaderOf(&p.m)
	h := message.ParseHeader(string(header))
	for _, v := range h.All(delivery.JunkField) {
		if remark, ok := ParseField(v); ok {
			e.Arrived = &remark
			break
		}
	}
	return e
}

// Why explains a stored message.
func (s *Service) Why(ctx context.Context, box *mailbox.Session, row *mailbox.Row) (Explanation, error) {
	m, err := s.stored(ctx, box, row)
	if err != nil {
		return Explanation{}, err
	}
	known, err := s.mind(ctx, box)
	if err != nil {
		return Explanation{}, err
	}
	e := s.explain(*m, box, known)
	had, err := labelsOf(ctx, box, []mailbox.ItemAt{{Row: *row}}, nil)
	if err == nil && had[0].label != unlabelled {
		e.Label, e.By = had[0].label.String(), had[0].act.String()
	}
	return e, err
}

// Test judges a message that isn't stored, for an account, or for one that knows nothing if box is nil.
func (s *Service) Test(ctx context.Context, box *mailbox.Session, raw []byte) (Explanation, error) {
	m, err := s.parse(raw)
	if err != nil {
		return Explanation{}, err
	}
	known := &mind{}
	if box != nil {
		if known, err = s.mind(ctx, box); err != nil {
			return Explanation{}, err
		}
	}
	return s.explain(m, box, known), nil
}

// parse makes of a message's bytes what features want.
func (s *Service) parse(raw []byte) (features.Message, error) {
	w := s.o.Store.NewContent()
	defer w.Discard()
	if _, err := w.Write(raw); err != nil {
		return features.Message{}, err
	}
	c, err := w.Finish()
	if err != nil {
		return features.Message{}, err
	}
	defer c.Close()
	m := features.Message{Summary: bytes.Clone(c.Summary()), Body: bytes.NewReader(raw)}
	return m, nil
}

// mostFound is how many messages of each folder are looked through for a Message-ID, the newest first.
const mostFound = 20_000

// Find finds a message of an account: by its Message-ID, with or without brackets, or as FOLDER/UID. The folder for junk and the
// inbox come first. fault.NotFound.
func Find(ctx context.Context, box *mailbox.Session, what string) (row mailbox.Row, folder mailbox.Folder, err error) {
	missing := fault.New(fault.NotFound, "there is no such message")
	if at := strings.LastIndexByte(what, '/'); at > 0 && !strings.Contains(what, "@") {
		if uid, ok := number(what[at+1:]); ok {
			return findUID(ctx, box, what[:at], mailbox.UID(uid))
		}
	}
	id := strings.Trim(strings.TrimSpace(what), "<>")
	for _, f := range junkFirst(box.Folders()) {
		v, err := box.View(ctx, f.ID)
		if err != nil {
			return row, f, err
		}
		r, err := findID(ctx, box, v, id)
		if err != nil {
			return row, f, err
		}
		if r != nil {
			return *r, f, nil
		}
	}
	return row, folder, missing
}

func number(s string) (n uint32, ok bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' || n > (1<<32-1-9)/10 {
			return 0, false
		}
		n = n*10 + uint32(c-'0')
	}
	return n, s != ""
}

func junkFirst(all []mailbox.Folder) (sorted []mailbox.Folder) {
	for _, first := range []bool{true, false} {
		for _, f := range all {
			if (f.Role == mailbox.Junk) == first {
				sorted = append(sorted, f)
			}
		}
	}
	return sorted
}

func findUID(ctx context.Context, box *mailbox.Session, path string, uid mailbox.UID) (row mailbox.Row, folder mailbox.Folder, err error) {
	missing := fault.New(fault.NotFound, "there is no such message")
	at := mailbox.FolderID(0)
	for name := range strings.SplitSeq(path, "/") {
		f, ok := box.Child(at, name)
		if !ok && at == 0 && strings.EqualFold(name, "INBOX") {
			f, ok = box.FolderByRole(mailbox.Inbox)
		}
		if !ok {
			return row, folder, missing
		}
		folder, at = f, f.ID
	}
	v, err := box.View(ctx, folder.ID)
	if err != nil {
		return row, folder, err
	}
	i, ok := v.Find(uid)
	if !ok {
		return row, folder, missing
	}
	return *v.At(i), folder, nil
}

// findID looks through a view's newest messages.
func findID(ctx context.Context, box *mailbox.Session, v *mailbox.View, id string) (found *mailbox.Row, err error) {
	err = box.Read(ctx, func(b *mailbox.Batch) error {
		for _, r := range v.All(max(0, v.Len()-mostFound), v.Len()) {
			rec, err := b.Brief(r)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if rec.MessageID() == id {
				found = r
			}
		}
		return ctx.Err()
	})
	return found, err
}
