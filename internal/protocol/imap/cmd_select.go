package imap

import (
	"context"

	"postroad/internal/model/mailbox"
)

// selectCommand: RFC 9051 §6.3.2.
func (s *session) selectCommand(ctx context.Context) (reply, error) { return s.open(ctx, false) }

// examine: RFC 9051 §6.3.3.
func (s *session) examine(ctx context.Context) (reply, error) { return s.open(ctx, true) }

func (s *session) open(ctx context.Context, readOnly bool) (reply, error) {
	s.dec.sp()
	path, spelled := s.spelledName()
	condstore, known := s.selectParams()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if s.sel != nil { // also if what follows fails
		s.deselect()
		s.remark("OK", "CLOSED", "the previous mailbox is closed") // RFC 9051 §7.1
	}
	s.condstore = s.condstore || condstore
	sel, err := s.find(ctx, path, readOnly)
	if err != nil {
		return reply{}, err
	}
	s.sel = sel
	view, err := s.claimRecent(ctx, sel.shown)
	if err != nil {
		s.deselect()
		return reply{}, err
	}
	sel.shown = view
	s.introduce(spelled)
	if known != nil {
		if err := s.resynchronize(ctx, known); err != nil {
			s.deselect()
			return reply{}, err
		}
	}
	if sel.readOnly {
		return reply{"READ-ONLY", "mailbox open for looking"}, nil
	}
	return reply{"READ-WRITE", "mailbox open"}, nil
}

// selectParams consumes select-params (RFC 4466 §2.1): whether CONDSTORE is among them, and QRESYNC's, nil if it isn't.
func (s *session) selectParams() (condstore bool, known *resync) {
	if !s.dec.trySP() {
		return false, nil
	}
	s.dec.list(func() {
		switch s.dec.keyword() {
		case "CONDSTORE": // RFC 7162 §3.1.8
			condstore = true
		case "QRESYNC": // RFC 7162 §3.2.5
			known = s.qresyncParam()
		default:
			s.dec.fail("no such parameter of SELECT")
		}
	})
	return condstore, known
}

// find looks up a folder to be selected.
func (s *session) find(ctx context.Context, path string, readOnly bool) (*selected, error) {
	f, err := s.folder(ctx, path)
	if err != nil {
		return nil, err
	}
	view, err := f.mail.View(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	const changing = mailbox.RightSeen | mailbox.RightWrite | mailbox.RightInsert | mailbox.RightTrash | mailbox.RightExpunge
	if f.rights()&changing == 0 {
		readOnly = true // RFC 4314 §5.2
	}
	return &selected{mail: f.mail, id: f.ID, path: path, readOnly: readOnly, shown: view, use: view.Open(), keywords: -1}, nil
}

// introduce tells what the client must know of a folder it has selected, and has called by a name.
func (s *session) introduce(spelled string) {
	v := s.sel.shown
	f := v.Folder()
	s.tellKeywords(v)
	s.out.number(v.Len(), "EXISTS")
	if s.rev2 {
		s.tellName(&box{*f, s.sel.mail}, s.sel.path, spelled)
	} else {
		s.tellRecent()
		if i := v.FirstUnseen(); i >= 0 && !s.uidOnly {
			s.remarkNumber("UNSEEN", uint64(i+1), "first unread message")
		}
	}
	s.remarkNumber("UIDVALIDITY", uint64(f.UIDValidity), "UIDs are valid")
	s.remarkNumber("UIDNEXT", uint64(f.UIDNext), "predicted next UID")
	s.remarkNumber("HIGHESTMODSEQ", uint64(v.HighestModSeq()), "last change")    // RFC 7162 §3.1.2.1
	s.remark("OK", "MAILBOXID ("+s.folderID(s.sel.mail, f.ID)+")", "mailbox ID") // RFC 8474 §4.2
	s.remark("OK", "URLMECH "+urlMechanism, "URLs can be authorised")            // RFC 4467 §8
	s.sel.resets = s.srv.resets.n.Load()
}

// folderID is a folder's MAILBOXID (RFC 8474 §4).
func (s *session) folderID(mail *mailbox.Session, id mailbox.FolderID) string {
	return string(s.appendOwner(appendUint([]byte("F"), id), mail.Account()))
}

// closeMailbox is CLOSE: RFC 9051 §6.4.1.
func (s *session) closeMailbox(ctx context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if !s.sel.readOnly {
		if _, err := s.sel.mail.Expunge(ctx, s.sel.id, nil, true); err != nil {
			s.log.Debug("imap: expunge at CLOSE", "login", s.who.Login, "error", err) // the mailbox closes all the same
		}
	}
	s.deselect()
	return reply{text: "mailbox closed"}, nil
}

// unselect: RFC 9051 §6.4.2.
func (s *session) unselect(context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	s.deselect()
	return reply{text: "mailbox closed"}, nil
}
