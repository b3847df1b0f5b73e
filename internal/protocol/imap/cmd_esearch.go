package imap

import (
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// esearch is ESEARCH: a search in any mailboxes (RFC 7377). What is found is told by UID.
func (s *session) esearch(ctx context.Context) (reply, error) {
	q := s.newSearch(ctx)
	q.byUID = true
	d := &s.dec
	sources := []mailboxFilter{{kind: "selected"}}
	d.sp()
	if d.tryKeyword("IN") {
		d.sp()
		sources = s.searchSources()
		d.sp()
	}
	if d.tryKeyword("RETURN") {
		d.sp()
		q.parseOptions(s)
		d.sp()
	} else {
		q.extended, q.all = true, true // RFC 7377 §2.1
	}
	if d.tryKeyword("CHARSET") {
		d.sp()
		q.charset = string(d.astring())
		d.sp()
	}
	alone := !slices.ContainsFunc(sources, func(f mailboxFilter) bool { return !f.selects() })
	if err := s.maySearch(q, sources, alone); err != nil {
		return reply{}, err
	}
	key, err := s.searchProgram(q)
	if err != nil {
		return reply{}, err
	}
	if alone {
		return s.esearchSelected(ctx, q, key)
	}
	return reply{text: "searched"}, s.searchFolders(ctx, q, key, sources)
}

// searchSources consumes "(" source-mbox ")". There are no scope options yet.
func (s *session) searchSources() (sources []mailboxFilter) {
	d := &s.dec
	d.list(func() {
		if d.peek() == '(' {
			d.fail("no such scope option")
			return
		}
		f := s.mailboxFilter()
		if f.kind == "selected-delayed" {
			d.fail("selected-delayed means nothing here") // RFC 7377 §2.2
		}
		if sources = append(sources, f); len(sources) > maxFilterNames {
			d.fail("too many mailboxes")
		}
	})
	if d.ok() && len(sources) == 0 {
		d.fail("search in what?")
	}
	return sources
}

// maySearch checks the sources before the keys, which may need a selected mailbox (RFC 7377 §2.2).
func (s *session) maySearch(q *searching, sources []mailboxFilter, alone bool) error {
	d := &s.dec
	switch {
	case !d.ok():
	case s.sel == nil && slices.ContainsFunc(sources, func(f mailboxFilter) bool { return f.selects() }):
		d.fail("no mailbox is selected")
	case q.save && !alone:
		d.fail("SAVE is for the selected mailbox alone")
	case q.update && !alone:
		d.fail("UPDATE is for the selected mailbox alone")
	}
	return d.err
}

func (s *session) esearchSelected(ctx context.Context, q *searching, key criterion) (reply, error) {
	if err := s.searchSelected(ctx, q, key); err != nil {
		return reply{}, err
	}
	if q.total > 0 { // RFC 7377 §2.1: nothing is said of mailboxes without matches
		s.sendFound(q, s.correlator(s.sel.path, s.sel.shown))
	}
	return s.watchSearch(ctx, q, key, "searched")
}

// correlator tells which mailbox a result is of.
func (s *session) correlator(path string, v *mailbox.View) []byte {
	b := s.appendName([]byte(" MAILBOX "), path)
	return appendUint(append(b, " UIDVALIDITY "...), v.Folder().UIDValidity)
}

// searchFolders searches one folder after the other, each once.
func (s *session) searchFolders(ctx context.Context, q *searching, key criterion, sources []mailboxFilter) error {
	q.several = true
	boxes, err := s.boxesOf(ctx, sources)
	if err != nil {
		return err
	}
	for i := range boxes {
		f := &boxes[i]
		meant := slices.ContainsFunc(sources, func(m mailboxFilter) bool {
			return m.selects() && s.selected(&f.box) || m.covers(f)
		})
		if !meant || f.rights()&mailbox.RightRead == 0 {
			continue
		}
		if err := s.searchFolder(ctx, q, key, f); err != nil {
			return err
		}
		s.out.sized()
	}
	return nil
}

func (s *session) searchFolder(ctx context.Context, q *searching, key criterion, f *placed) error {
	v, err := f.mail.View(ctx, f.ID)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Denied) {
		return nil // as if it had not been there
	}
	if err != nil {
		return err
	}
	sc := &scope{mail: f.mail, id: f.ID, shown: v, fresh: v}
	if s.selected(&f.box) {
		sc.sel, sc.shown = s.sel, s.sel.shown
	}
	q.found = found{}
	if err := s.runSearch(ctx, q, key, sc); err != nil {
		return err
	}
	if q.total > 0 {
		s.sendFound(q, s.correlator(f.path, v))
	}
	return nil
}
