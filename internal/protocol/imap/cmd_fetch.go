package imap

import (
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// fetching is a FETCH command (RFC 9051 §6.4.5) on its way through the messages.
type fetching struct {
	s     *session
	msgs  messages
	atts  []attribute
	since mailbox.ModSeq // CHANGEDSINCE; only newer ones
	gones bool           // VANISHED: those expunged since then too
	part  *partialRange  // PARTIAL: only these of the messages (RFC 9394 §3.3)
	fresh *mailbox.View  // the newest; rows are taken from here, numbers from the client's view

	sets    bool // \Seen is set by what is fetched
	records bool // summaries or contents are needed

	// Where we are.
	span, at int            // next message: place at of span
	rows     []mailbox.Row  // of the client's view, from there on; none: not looked up
	row      *mailbox.Row   // the message at hand; nil between messages
	att      int            // its next attribute
	mark     int            // where its response begins in the buffer; -1 if that has been sent already
	batch    *mailbox.Batch // while reading
	rec      summary.Record // of the row, if recOf is its content
	recOf    mailbox.ContentID
	stream   func() error // what must be sent outside of the batch
	scratch  []byte

	gone   bool  // some message was expunged meanwhile
	failed error // the first failure of a single message
}

const (
	batchBytes    = 256 << 10 // a batch ends when it has as many bytes to send
	batchMessages = 2000      // or as many messages
	largeContent  = 256 << 10 // contents larger than this stream past the buffer
)

// fetch: RFC 9051 §6.4.5, with CHANGEDSINCE (RFC 7162 §3.1.4.1).
func (s *session) fetch(ctx context.Context) (reply, error) {
	f := &fetching{s: s}
	d := &s.dec
	d.sp()
	set := s.messageSet()
	d.sp()
	f.parseAttributes(d)
	if d.trySP() {
		f.modifiers(d)
	}
	if err := d.end(); err != nil {
		return reply{}, err
	}
	if f.wants("MODSEQ") {
		s.enableCondstore()
	}
	var err error
	if f.msgs, err = s.resolve(set); err != nil {
		return reply{}, err
	}
	if f.part != nil {
		f.msgs = f.msgs.part(f.part)
	}
	if f.fresh, err = s.fresh(ctx); err != nil {
		return reply{}, err
	}
	if err := f.limit(); err != nil {
		return reply{}, err
	}
	if f.gones {
		if err := s.tellVanished(ctx, s.wholeSet(set), f.since, 0); err != nil {
			return reply{}, err
		}
	}
	if err := f.setSeen(ctx); err != nil {
		return reply{}, err
	}
	s.tellKeywords(f.fresh) // before they are seen on messages (RFC 9051 §7.3.5)
	if err := f.run(ctx); err != nil {
		return reply{}, err
	}
	switch {
	case f.failed != nil:
		return reply{}, f.failed
	case f.gone && !s.byUID:
		return someGone, nil
	}
	return reply{text: "fetched"}, nil
}

// modifiers consumes fetch-modifiers (RFC 4466 §2.4).
func (f *fetching) modifiers(d *decoder) {
	changed := false
	d.list(func() {
		switch d.keyword() {
		case "CHANGEDSINCE": // RFC 7162 §3.1.4.1
			d.sp()
			f.since, changed = mailbox.ModSeq(d.number64()), true
			f.want(attribute{name: "MODSEQ", write: writeModSeq})
		case "VANISHED": // RFC 7162 §3.2.6
			f.gones = true
		case "PARTIAL": // RFC 9394 §3.3
			d.sp()
			f.part = d.partialRange()
		default:
			d.fail("no such modifier of FETCH")
		}
	})
	if f.part != nil && !f.s.byUID {
		d.fail("PARTIAL is for UID FETCH")
	}
	switch {
	case !d.ok() || !f.gones:
	case !f.s.qresync:
		d.err = errNotEnabled
	case !f.s.byUID || !changed:
		d.fail("VANISHED is for UID FETCH with CHANGEDSINCE")
	}
}

// want adds an attribute unless it is there.
func (f *fetching) want(a attribute) {
	if !f.wants(a.name) {
		f.atts = append(f.atts, a)
	}
}

func (f *fetching) wants(name string) bool {
	return slices.ContainsFunc(f.atts, func(a attribute) bool { return a.name == name })
}

// setSeen sets \Seen on the messages whose content will be read (RFC 9051 §6.4.5), all in one go. That
// their flags have changed is told with the other news.
func (f *fetching) setSeen(ctx context.Context) error {
	if !f.sets || f.s.sel.readOnly {
		return nil
	}
	var uids []mailbox.UID
	for i, shown := range f.msgs.rows(f.s.sel.shown) {
		if row := f.newest(i, shown); row.Flags&mailbox.Seen == 0 && row.ModSeq() > f.since {
			uids = append(uids, row.UID)
		}
	}
	if len(uids) == 0 {
		return nil
	}
	res, err := f.s.sel.mail.SetFlags(ctx, f.s.sel.id, mailbox.FlagChange{UIDs: uids, Op: mailbox.AddFlags, Flags: mailbox.Seen})
	if fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) {
		return nil // it may read all the same
	}
	if err == nil {
		was := f.fresh
		f.fresh = res.View
		f.s.flagged(ctx, was, res)
	}
	return err
}

// newest is the row of the client's message i as it is now; as it was if it is gone.
func (f *fetching) newest(i int, shown *mailbox.Row) *mailbox.Row {
	if f.fresh != f.s.sel.shown {
		if j, ok := f.fresh.Find(shown.UID); ok {
			return f.fresh.At(j)
		}
	}
	return shown
}

// run sends the responses: it reads what fills a buffer, sends it outside of the store's
// snapshot, and goes on. So a slow client holds up nobody, and memory is bounded.
func (f *fetching) run(ctx context.Context) error {
	f.records = f.records || f.s.sel.mail.HasOrigins() && f.wants("EMAILID")
	for {
		done, err := f.fill(ctx)
		if err != nil {
			return err
		}
		if done && !f.s.out.large() {
			return nil // the completion goes along
		}
		if err := f.s.out.flush(); err != nil {
			return lost(err)
		}
		f.mark = -1
		if done {
			return nil
		}
		if f.stream != nil {
			if err := f.streamOut(); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil && f.row == nil {
			return err
		}
	}
}

// fill appends responses to the output until it holds enough.
func (f *fetching) fill(ctx context.Context) (done bool, err error) {
	if !f.records {
		done = f.fillBatch(nil)
		return done, nil
	}
	err = f.s.sel.mail.Read(ctx, func(b *mailbox.Batch) error {
		done = f.fillBatch(b)
		return nil
	})
	f.batch, f.rec, f.recOf = nil, nil, 0
	return done, err
}

func (f *fetching) fillBatch(b *mailbox.Batch) (done bool) {
	f.batch = b
	dst := f.s.out.buf()
	for n := 0; n < batchMessages && len(dst) < batchBytes && f.stream == nil; n++ {
		if f.row == nil && !f.next() {
			done = true
			break
		}
		dst = f.message(dst)
	}
	f.s.out.set(dst)
	return done
}

// next goes to the next message that is wanted; false if there is none.
func (f *fetching) next() bool {
	for f.span < len(f.msgs) {
		sp := f.msgs[f.span]
		if f.at < sp.lo {
			f.at, f.rows = sp.lo, nil
		}
		if f.at == sp.hi {
			f.span++
			continue
		}
		if len(f.rows) == 0 {
			f.rows = f.s.sel.shown.From(f.at)
		}
		row := f.newest(f.at, &f.rows[0])
		f.at, f.rows = f.at+1, f.rows[1:]
		if row.ModSeq() > f.since {
			f.row, f.att, f.mark = row, 0, -1
			return true
		}
	}
	return false
}

// message appends the response for the message at hand, or as much of it as the buffer should take.
func (f *fetching) message(dst []byte) []byte {
	if f.att == 0 {
		f.mark = len(dst)
		dst = f.s.appendFetch(dst, f.at, f.row)
	}
	for f.att < len(f.atts) {
		a := &f.atts[f.att]
		start := len(dst)
		if f.att > 0 {
			dst = append(dst, ' ')
		}
		out, err := a.write(f, append(append(dst, a.name...), ' '), f.row)
		if err != nil {
			var dropped bool
			if dst, dropped = f.fail(dst[:start], a, err); dropped {
				return dst
			}
		} else {
			dst = out
		}
		f.att++
		if f.stream != nil || len(dst) > 4*batchBytes && f.att < len(f.atts) {
			return dst
		}
	}
	return f.endMessage(dst)
}

func (f *fetching) endMessage(dst []byte) []byte {
	f.row = nil
	return append(dst, ")\r\n"...)
}

// fail deals with an attribute that can't be had. If nothing of the message has been sent, it is left
// out altogether; else the attribute is NIL.
func (f *fetching) fail(dst []byte, a *attribute, err error) (_ []byte, dropped bool) {
	if fault.Is(err, fault.NotFound) {
		f.gone = true
	} else if f.failed == nil {
		f.failed = err
	}
	if f.mark >= 0 {
		f.row = nil
		return dst[:f.mark], true
	}
	if f.att > 0 {
		dst = append(dst, ' ')
	}
	return append(append(dst, a.name...), " NIL"...), false
}

// streamOut sends what the last attribute left to be sent, and then what is left of its message.
func (f *fetching) streamOut() error {
	err := f.stream()
	f.stream = nil
	if err != nil {
		// Its size has been announced: nothing that we could say now would be understood.
		return lost(err)
	}
	if f.att == len(f.atts) {
		f.s.out.set(f.endMessage(f.s.out.buf()))
	}
	return nil
}

// record returns the summary of the message at hand, a brief one if its header is apart.
func (f *fetching) record(r *mailbox.Row) (summary.Record, error) {
	if f.recOf == r.Content && r.Content != 0 {
		return f.rec, nil
	}
	rec, err := f.batch.Brief(r)
	if err == nil {
		f.rec, f.recOf = rec, r.Content
	}
	return rec, err
}
