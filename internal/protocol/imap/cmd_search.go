package imap

import (
	"bytes"
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/charset"
	"postroad/internal/model/mailbox"
)

// searching is a SEARCH command (RFC 9051 §6.4.4), or one that begins with a search: SORT, THREAD, ESEARCH.
type searching struct {
	returnOptions
	sort   []sortKey // SORT: the order of what is found
	thread threading // THREAD: nil if it is none
	byUID  bool      // what is found is told by UID

	charset string
	whole   int                               // BODY and TEXT keys so far
	modseq  bool                              // MODSEQ was among the keys (RFC 7162 §3.1.5)
	fuzzy   int                               // how many FUZZY keys we are inside of
	scored  bool                              // there was such a key
	filters int                               // FILTER keys so far
	filter  func(name string) ([]byte, error) // gives a filter's text (RFC 5466)

	several bool // in several folders
	looked  int  // at how many messages, of the folders before; counted where there is a limit

	found
}

// returnOptions are search-return-opts (RFC 9051 §9, RFC 5267 §4, RFC 9394 §3.1, RFC 6203 §4).
type returnOptions struct {
	extended  bool // answered by ESEARCH (RFC 4731)
	min, max  bool
	all       bool
	count     bool
	save      bool          // RFC 5182
	partial   *partialRange // RFC 9394
	relevancy bool          // RFC 6203
	update    bool          // RFC 5267 §4.3
	news      []attribute   // what is told of new messages with UPDATE (RFC 5465 §7)
	newsRead  bool          // that needs their summaries
}

// search: RFC 9051 §6.4.4.
func (s *session) search(ctx context.Context) (reply, error) {
	q := s.newSearch(ctx)
	d := &s.dec
	d.sp()
	if d.tryKeyword("RETURN") {
		d.sp()
		q.parseOptions(s)
		d.sp()
	}
	if d.tryKeyword("CHARSET") {
		d.sp()
		q.charset = string(d.astring())
		d.sp()
	}
	key, err := s.searchProgram(q)
	if err != nil {
		return reply{}, err
	}
	if s.rev2 && !q.extended { // RFC 9051 §6.4.4: as if RETURN (ALL) had been given
		q.extended, q.all = true, true
	}
	if err := s.searchSelected(ctx, q, key); err != nil {
		return reply{}, err
	}
	s.sendFound(q, nil)
	return s.watchSearch(ctx, q, key, "searched")
}

// searchProgram consumes the keys, to the end of the command. The character set has been consumed.
func (s *session) searchProgram(q *searching) (criterion, error) {
	d := &s.dec
	key := s.searchKeys(q, d.atEnd)
	if d.ok() && q.relevancyNeeded() && !q.scored { // RFC 6203 §4
		d.fail("RELEVANCY needs a FUZZY key")
	}
	err := d.end()
	if err == nil && q.charset != "" && !charset.Known(q.charset) {
		err = no("BADCHARSET (UTF-8 US-ASCII)", "that character set is not known")
	}
	if err != nil {
		if q.save && !isSyntax(err) {
			s.saved = nil // RFC 5182 §2.1
		}
		return key, err
	}
	if q.modseq {
		s.enableCondstore()
	}
	return key, nil
}

// searchSelected searches the selected folder, and keeps what is asked to be kept.
func (s *session) searchSelected(ctx context.Context, q *searching, key criterion) error {
	sc := s.selectedScope()
	err := sc.refresh(ctx, s)
	if err == nil {
		err = s.runSearch(ctx, q, key, sc)
	}
	if q.save {
		s.saved = nil // RFC 5182 §2.1
		if err == nil {
			s.saved = q.toSave()
		}
	}
	return err
}

// parseOptions consumes search-return-opts.
func (q *searching) parseOptions(s *session) {
	d := &s.dec
	q.extended = true
	d.list(func() {
		switch d.keyword() {
		case "MIN":
			q.min = true
		case "MAX":
			q.max = true
		case "ALL":
			q.all = true
		case "COUNT":
			q.count = true
		case "SAVE":
			q.save = true
		case "PARTIAL":
			if q.partial != nil {
				d.fail("PARTIAL twice")
			}
			d.sp()
			q.partial = d.partialRange()
		case "RELEVANCY":
			q.relevancy = true
		case "CONTEXT": // RFC 5267 §4.2: a hint; what is fast needs none
		case "UPDATE":
			q.update = true
			q.newsAttributes(s)
			if s.sel != nil && s.sel.context(string(s.tag)) >= 0 { // RFC 5267 §4.3
				d.fail("another search with UPDATE has that tag")
			}
		default:
			d.fail("no such return option of SEARCH")
		}
	})
	if q.all && q.partial != nil { // RFC 9394 §3.1
		d.fail("ALL or PARTIAL, not both")
	}
	if !q.min && !q.max && !q.count && !q.save && q.partial == nil && !q.relevancy && !q.update {
		q.all = true // RFC 4731 §3.1: () is (ALL)
	}
}

// newsAttributes consumes what UPDATE is to tell of new messages, if anything.
func (q *searching) newsAttributes(s *session) {
	d := &s.dec
	if !d.tryText(" (") {
		return
	}
	d.pos-- // the parenthesis is the list's
	f := &fetching{s: s}
	f.parseAttributes(d)
	q.news, q.newsRead = f.atts, f.records
}

// relevancyNeeded reports whether scores are told, or order what is found.
func (q *searching) relevancyNeeded() bool {
	return q.relevancy || slices.ContainsFunc(q.sort, func(k sortKey) bool { return k.name == "RELEVANCY" })
}

// searchBatch is how many messages are looked at in one snapshot, or with contents how many bytes.
const (
	searchBatch = 1000
	searchBytes = 8 << 20
)

// fewMessages is up to how many messages are looked at one by one rather than looked up in the index of headers.
const fewMessages = 100

// scope is a folder that is searched.
type scope struct {
	mail  *mailbox.Session // on its account
	id    mailbox.FolderID
	sel   *selected     // the selected one; nil if it is another
	shown *mailbox.View // whose places are the numbers
	fresh *mailbox.View // whose rows are looked at
}

func (s *session) selectedScope() *scope {
	return &scope{mail: s.sel.mail, id: s.sel.id, sel: s.sel, shown: s.sel.shown, fresh: s.sel.shown}
}

// refresh takes the newest rows.
func (sc *scope) refresh(ctx context.Context, s *session) (err error) {
	sc.fresh, err = s.fresh(ctx)
	return err
}

// row is the message at a place as it is now; nil if it is gone.
func (sc *scope) row(at int) *mailbox.Row {
	row := sc.shown.At(at)
	if sc.fresh != sc.shown {
		i, ok := sc.fresh.Find(row.UID)
		if !ok {
			return nil
		}
		row = sc.fresh.At(i)
	}
	return row
}

// runSearch looks at every message of a folder, as far as nothing is known of its page.
func (s *session) runSearch(ctx context.Context, q *searching, key criterion, sc *scope) error {
	m := &matching{s: s, now: s.srv.now().Unix(), scope: sc, few: sc.shown.Len() < fewMessages}
	q.listing = q.sort != nil || q.thread != nil || q.partial != nil || q.relevancy
	q.counting = q.extended && !q.all && !q.save && !q.update && !q.modseq && !q.listing
	from, err := q.limitSearch(s, &key, sc)
	if err != nil {
		return err
	}
	f := &sifting{m: m, key: &key, q: q, from: from}
	n := sc.shown.Len()
	for at := from; at < n; {
		err := searchStep(ctx, sc.mail, key.cost, func(b *mailbox.Batch) (err error) {
			m.begin(b)
			at, err = f.step(at)
			return err
		})
		if err != nil {
			return err
		}
		if err := s.progress(at, n); err != nil {
			return err
		}
	}
	return s.order(ctx, q)
}

// searchStep runs a part of a search, in a snapshot if it needs one.
func searchStep(ctx context.Context, mail *mailbox.Session, c cost, step func(*mailbox.Batch) error) (err error) {
	if c == byRow {
		err = step(nil)
	} else {
		err = mail.Read(ctx, step)
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// matches is match, where a message that was expunged meanwhile doesn't.
func (m *matching) matches(key *criterion, at int, row *mailbox.Row) (bool, error) {
	hit, err := key.match(m, at, row)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return hit, err
}

// maxWholeKeys is how many keys of a SEARCH may look for text in whole messages: each goes through all of it again.
const maxWholeKeys = 200

// wholeText is text for such a key.
func (q *searching) wholeText(d *decoder) string {
	if q.whole++; q.whole > maxWholeKeys && d.ok() {
		d.err = &limitError{"LIMIT", "too many texts to look for in whole messages"}
	}
	return string(q.text(d))
}

// text consumes a string to be searched for and returns it folded, as searches compare it.
func (q *searching) text(d *decoder) []byte {
	raw := d.astring()
	text := string(raw)
	if q.charset != "" {
		text, _ = charset.Decode(q.charset, bytes.Clone(raw))
	}
	return slices.Clip(appendFolded(nil, text))
}
