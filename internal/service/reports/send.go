package reports

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/message"
	"postroad/internal/format/reportmail"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/storage/kv"
)

// When reports are sent.
const (
	// spread is how long after the day's end the last ones are sent (RFC 8460 §4.1).
	spread = 4 * time.Hour
	// patience is for how long sending is tried (RFC 8460 §5.5), firstPause the time before the second attempt, which
	// doubles from then on.
	patience   = 24 * time.Hour
	firstPause = 10 * time.Minute
	maxPause   = 4 * time.Hour
	// perRound is how many reports are tried in one go, atOnce how many of them side by side.
	perRound = 500
	atOnce   = 8
)

// toSend is a report to be and how it stands.
type toSend struct {
	subject
	pending
}

// Send sends the reports for the days that are over: those whose time has come, or all that aren't sent yet. It returns how many
// left. One that can't be sent is tried again later, and is no error.
func (s *Service) Send(ctx context.Context, all bool) (sent int, err error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := s.Flush(ctx); err != nil || !s.o.SendTLS && !s.o.SendDMARC {
		return 0, err
	}
	who, err := s.o.Who(ctx)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	due, err := s.due(ctx, all)
	if err != nil {
		return 0, err
	}
	return s.tryAll(ctx, &who, due)
}

// tryAll tries several at a time, since those whom reports are for may be slow to answer. It ends early if ctx does.
func (s *Service) tryAll(ctx context.Context, who *Identity, due []toSend) (sent int, err error) {
	var all sync.WaitGroup
	var mu sync.Mutex // guards sent and err
	slots := make(chan struct{}, atOnce)
	for i := range due {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			left, e := s.try(ctx, who, &due[i])
			mu.Lock()
			defer mu.Unlock()
			if left {
				sent++
			}
			err = cmp.Or(err, e)
		})
	}
	all.Wait()
	return sent, cmp.Or(err, fault.Wrap(fault.Canceled, ctx.Err(), ""))
}

// due lists what is to be sent now.
func (s *Service) due(ctx context.Context, all bool) (due []toSend, err error) {
	now := s.now()
	r := kv.Range{Lo: []byte{keyReport}, Hi: dayKey(keyReport, dayOf(now))}
	err = s.db.View(ctx, Partition, func(reader kv.Reader) error {
		for pair, err := range reader.Scan(r) {
			if err != nil {
				return err
			}
			subject, ok := subjectOf(pair.Key)
			p, err := decodePending(pair.Value)
			if !ok || err != nil {
				continue // prune takes it away
			}
			if all || !now.Before(s.when(subject, p)) {
				due = append(due, toSend{subject, *p})
			}
			if len(due) == perRound {
				return nil
			}
		}
		return nil
	})
	return due, err
}

// when is the time of the next attempt.
func (s *Service) when(x subject, p *pending) time.Time {
	if !p.next.IsZero() {
		return p.next
	}
	h := fnv.New64a()
	h.Write(s.seed[:])
	h.Write(x.key())
	if s.seed == [8]byte{} {
		return x.day.end()
	}
	return x.day.end().Add(time.Duration(1+h.Sum64()%uint64(spread/time.Second)) * time.Second)
}

// try makes one attempt. left tells whether the report is on its way to all who want it.
func (s *Service) try(ctx context.Context, who *Identity, x *toSend) (left bool, err error) {
	to, err := s.destinations(ctx, x)
	if fault.Is(err, fault.NotFound) { // nobody wants it
		return false, s.forget(ctx, x.subject)
	}
	if err == nil && len(to) > 0 {
		err = s.submit(ctx, who, x, to)
	}
	switch {
	case ctx.Err() != nil:
		return false, fault.Wrap(fault.Canceled, ctx.Err(), "")
	case err == nil:
		s.stats.sent.Add(1)
		s.log.Info("report sent", "kind", x.kind.String(), "domain", x.domain, "day", x.day.begin().Format(time.DateOnly), "addresses", len(to))
		return true, s.forget(ctx, x.subject)
	}
	return false, s.putOff(ctx, x, err)
}

// putOff has it tried again, or gives up.
func (s *Service) putOff(ctx context.Context, x *toSend, why error) error {
	now := s.now()
	if x.first.IsZero() {
		x.first = now
	}
	if now.Sub(x.first) >= patience {
		s.stats.failed.Add(1)
		s.log.Warn("a report can't be sent and is dropped", "kind", x.kind.String(), "domain", x.domain, "err", why)
		return s.forget(ctx, x.subject)
	}
	s.log.Info("a report can't be sent for now", "kind", x.kind.String(), "domain", x.domain, "err", why)
	x.next = now.Add(min(firstPause<<min(x.attempts, 10), maxPause))
	x.attempts++
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Set(x.key(), x.encode()) })
}

// forget removes a report to be, with its rows.
func (s *Service) forget(ctx context.Context, x subject) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		rows := within(x.rows())
		if err := tx.DeleteRange(rows.Lo, rows.Hi); err != nil {
			return err
		}
		return tx.Delete(x.key())
	})
}

// submit sends the report to those who don't have it yet.
func (s *Service) submit(ctx context.Context, who *Identity, x *toSend, to []destination) error {
	m, err := s.compose(ctx, who, x)
	if err != nil {
		return err
	}
	packed := reportmail.Gzip(m.File)
	mail := Mail{ID: m.ReportID, From: who.Contact}
	var bits uint64
	for i, d := range to {
		switch bit := uint64(1) << min(i, 63); {
		case x.done&bit != 0, d.address == "", d.limit > 0 && int64(len(packed)) > d.limit: // RFC 7489 §6.2
		default:
			mail.To = append(mail.To, d.address)
			bits |= bit
		}
	}
	if len(mail.To) > 0 {
		m.To = mail.To
		mail.Text = reportmail.Compose(m)
		if err := s.o.Mail(ctx, mail); err != nil {
			return err
		}
		x.done |= bits
	}
	return s.postAll(ctx, x, to, packed)
}

// compose puts the report together.
func (s *Service) compose(ctx context.Context, who *Identity, x *toSend) (*reportmail.Mail, error) {
	id := fmt.Sprintf("%s.%s.%s@%s", x.kind, x.day.begin().Format(time.DateOnly), x.domain, who.Domain)
	m := &reportmail.Mail{Organization: who.Organization, From: who.Contact, Date: s.now(), Domain: x.domain, Submitter: who.Domain,
		Begin: x.day.begin(), End: lastSecond(x.day), ReportID: id}
	if x.kind == TLS {
		var r tlsReport
		err := s.eachRow(ctx, x.subject, r.add)
		m.File, m.MediaType, m.Extension, m.ReportType = r.file(who, id, x.day), tlsrpt.MediaType, "json", tlsrpt.ReportType
		m.Text = "This is a report on the TLS connections from " + who.Domain + " to " + x.domain + ",\nfor programs that read such (RFC 8460).\n"
		m.Fields = []message.DraftField{
			{Name: tlsrpt.HeaderDomain, Value: x.domain}, {Name: tlsrpt.HeaderSubmitter, Value: who.Domain},
			// RFC 8460 §3: it has to arrive even where TLS fails; RFC 8689 §5 tells others so.
			{Name: "TLS-Required", Value: "No"},
		}
		return m, err
	}
	var r dmarcReport
	err := s.eachRow(ctx, x.subject, r.add)
	published, ok := decodePublished(x.domain, x.policy)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "reports: a published policy can't be read")
	}
	m.File, m.MediaType, m.Extension = r.file(who, id, x.day, published.Policy, s.o.Generator), dmarcxml.MediaType, "xml"
	m.Text = "This is a DMARC report from " + who.Domain + " about mail in the name of " + x.domain + ",\nfor programs that read such (RFC 9990).\n"
	return m, err
}

// eachRow visits a report's rows.
func (s *Service) eachRow(ctx context.Context, x subject, visit func(n uint64, what []byte)) error {
	return s.db.View(ctx, Partition, func(r kv.Reader) error {
		for pair, err := range r.Scan(within(x.rows())) {
			if err != nil {
				return err
			}
			n, what, err := decodeRow(pair.Value)
			if err != nil {
				return err
			}
			visit(n, slices.Clone(what))
		}
		return nil
	})
}

// prune forgets what is too old: counts that were never sent, and reports that came long ago.
func (s *Service) prune(ctx context.Context) error {
	today := dayOf(s.now())
	unsent, received := max(today, keepCounts)-keepCounts, max(today, keepReceived)-keepReceived
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		for prefix, before := range map[byte]day{keyRow: unsent, keyReport: unsent, keyTotals: unsent, keyReceived: received, keyArrivals: received, keyFailures: received, keyTold: unsent} {
			if err := tx.DeleteRange([]byte{prefix}, dayKey(prefix, before)); err != nil {
				return err
			}
		}
		return nil
	})
}

// How many days are kept.
const (
	keepCounts   = 4
	keepReceived = 60
)
