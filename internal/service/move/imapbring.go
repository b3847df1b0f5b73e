package move

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"postroad/internal/service/imapclient"
)

// bringFolder brings what is missing of the folder.
func (s *imapSource) bringFolder(context.Context) error {
	status, err := s.c.Examine(s.folder.name)
	if err != nil {
		return err
	}
	s.mailbox, s.known = mailboxID(s.Account, s.folder.name, status.UIDValidity), status.UIDValidity != 0
	s.validity = status.UIDValidity
	if status.Messages == 0 {
		return nil
	}
	if err := s.bringMissing(); err != nil {
		return err
	}
	if s.Skipped != nil {
		s.Skipped(s.skipped)
	}
	return nil
}

// bringMissing brings what is missing of the mailbox that is open.
func (s *imapSource) bringMissing() error {
	if err := s.listMissing(); err != nil {
		return err
	}
	for len(s.uids) > 0 {
		n := min(len(s.uids), imapBatch)
		if s.tries >= doubtAfter {
			n = 1
		}
		if err := s.bringOrDoubt(s.uids[:n]); err != nil {
			return err
		}
		s.uids = s.uids[n:]
	}
	return s.updateFlags()
}

// bringOrDoubt brings some messages; a single one not, where the connection broke again and again: there are servers that fall at some
// message.
func (s *imapSource) bringOrDoubt(uids []uint32) error {
	uid, alone := uids[0], len(uids) == 1
	if alone && s.broke[uid] >= doubtTries {
		s.leaveOut(uid, "the connection breaks at message %d in %s: left out", uid, s.folderName())
		return nil
	}
	err := s.bringBatch(uids)
	if alone && isBreak(err) {
		s.broke[uid]++
	}
	return err
}

func (s *imapSource) folderName() string { return strings.Join(s.folder.path, "/") }

// leaveOut notes that a message doesn't come.
func (s *imapSource) leaveOut(uid uint32, format string, args ...any) {
	s.warn(format, args...)
	if s.LeftOut != nil {
		s.LeftOut()
	}
	s.deal(uid)
}

// mailboxID names a mailbox for ever.
func mailboxID(account, name string, uidValidity uint32) (id MailboxID) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00", account, name)
	binary.Write(h, binary.BigEndian, uidValidity)
	copy(id[:], h.Sum(nil))
	return id
}

// listMissing finds the UIDs that are to be brought.
func (s *imapSource) listMissing() error {
	gmail := s.c.Has("X-GM-EXT-1")
	s.uids, s.there, s.skipped = s.uids[:0], s.there[:0], 0
	total := 0
	err := s.c.UIDs(gmail, func(uid uint32, id uint64) {
		total++
		elsewhere := gmail && id != 0 && s.gmail[id]
		if gmail && id != 0 && !s.folder.all {
			s.gmail[id] = true
		}
		switch had := s.known && s.Have.has(s.mailbox, uid); {
		case had && s.UpdateFlags:
			s.there = append(s.there, uid)
		case had:
			s.skipped++
		case !s.done[uid] && (!s.folder.all || !elsewhere):
			s.uids = append(s.uids, uid)
		}
	})
	slices.Sort(s.uids)
	s.uids = slices.Compact(s.uids)
	slices.Sort(s.there)
	s.there = slices.Compact(s.there)
	s.folder.of = total
	return err
}

// bringBatch brings some messages: first what is known of them, then themselves.
func (s *imapSource) bringBatch(uids []uint32) error {
	about := make(map[uint32]*imapclient.Message, len(uids))
	if err := s.describe(uids, about); err != nil {
		return err
	}
	want := make([]uint32, 0, len(uids))
	for _, uid := range uids {
		m := about[uid]
		if m != nil && m.Size > MaxMessage {
			s.leaveOut(uid, "message %d in %s is larger than %d bytes: left out", uid, s.folderName(), int64(MaxMessage))
			continue
		}
		want = append(want, uid)
	}
	return s.bringBodies(want, about)
}

// describe asks what is known of messages. If the server refuses to tell it of all, it is asked about each: it may be one that is damaged.
func (s *imapSource) describe(uids []uint32, about map[uint32]*imapclient.Message) error {
	err := s.c.Describe(uids, func(m *imapclient.Message) error {
		if _, asked := slices.BinarySearch(uids, m.UID); asked && m.Size >= 0 {
			about[m.UID] = m
		}
		return nil
	})
	switch {
	case err == nil || !isFinal(err):
		return err
	case len(uids) == 1:
		s.warn("message %d in %s comes without flags and date: %v", uids[0], s.folderName(), err)
		return nil
	}
	for i, uid := range uids {
		if about[uid] == nil {
			if err := s.describe(uids[i:i+1], about); err != nil {
				return err
			}
		}
	}
	return nil
}

// bringBodies brings messages. If the server refuses one of them it may refuse all: then they are asked for one by one.
func (s *imapSource) bringBodies(uids []uint32, about map[uint32]*imapclient.Message) error {
	if len(uids) == 0 {
		return nil
	}
	err := s.c.Bodies(uids, func(m *imapclient.Message) error { return s.bring(m, uids, about) })
	if err != nil && !isFinal(err) {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(uids), func(uid uint32) bool { return s.done[uid] })
	if err != nil && len(uids) > 1 {
		for _, uid := range left {
			if err := s.bringBodies([]uint32{uid}, about); err != nil {
				return err
			}
		}
		return nil
	}
	for _, uid := range left { // expunged meanwhile, or damaged there
		switch {
		case err != nil:
			s.leaveOut(uid, "message %d in %s doesn't come (%v): left out", uid, s.folderName(), err)
		case about[uid] != nil:
			s.leaveOut(uid, "message %d in %s doesn't come: left out", uid, s.folderName())
		default:
			s.deal(uid)
		}
	}
	return nil
}

// deal notes that a message needs no further thought, and that the connection is of use.
func (s *imapSource) deal(uid uint32) {
	s.done[uid] = true
	s.tries = 0
	if s.Progress != nil {
		s.Progress(s.folderName(), len(s.done), s.folder.of)
	}
}

// bring yields a message.
func (s *imapSource) bring(m *imapclient.Message, asked []uint32, about map[uint32]*imapclient.Message) error {
	if _, ok := slices.BinarySearch(asked, m.UID); !ok || s.done[m.UID] || m.Body == nil {
		return nil
	}
	out := &Message{Folder: s.folder.path, Body: &watchedBody{r: m.Body}}
	if a := about[m.UID]; a != nil {
		out.Flags, out.Keywords = ReadFlags(a.Flags)
		out.Received = a.Received
	}
	if s.known {
		out.Source = s.mailbox.message(m.UID)
	}
	if s.UniqueIDs != "" && strings.EqualFold(s.folder.name, "INBOX") {
		out.UniqueID = s.UniqueIDs.ID(m.UID, s.validity)
	}
	err := s.yield(out)
	if broke := out.Body.(*watchedBody).err; broke != nil && broke != io.EOF {
		return broke // the connection did: whoever took the message knows
	}
	if err != nil {
		return fatal{err}
	}
	s.deal(m.UID)
	return nil
}

// watchedBody notes how a body ended.
type watchedBody struct {
	r   io.Reader
	err error
}

func (w *watchedBody) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// flagsBatch is of how many messages the flags are asked for at once.
const flagsBatch = 2000

// updateFlags tells the flags of messages that were brought before.
func (s *imapSource) updateFlags() error {
	for uids := range slices.Chunk(s.there, flagsBatch) {
		err := s.c.Flags(uids, func(m *imapclient.Message) error {
			if _, asked := slices.BinarySearch(uids, m.UID); !asked {
				return nil
			}
			out := &Message{Folder: s.folder.path, Source: s.mailbox.message(m.UID), Update: true}
			out.Flags, out.Keywords = ReadFlags(m.Flags)
			if err := s.yield(out); err != nil {
				return fatal{err}
			}
			return nil
		})
		if err != nil && !isFinal(err) {
			return err
		}
		s.tries = 0
	}
	return nil
}
