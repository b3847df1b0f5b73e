package reports

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/arf"
	"postroad/internal/format/message"
	"postroad/internal/format/reportmail"
	"postroad/internal/storage/kv"
)

// Failed is a message of which its author's domain wants to be told at once (RFC 9991).
type Failed struct {
	// PolicyDomain is where the policy record was found, RUF are the addresses in it.
	PolicyDomain string
	RUF          []string
	// Wanted are the reports that the record asks for: arf.DMARC, arf.Signature, arf.SPF.
	Wanted []string
	// Feedback tells of the message. Type, Failure, UserAgent, SPFRecord and Incidents are not looked at; the record is looked up at SPFDomain,
	// unless that is "".
	Feedback arf.Feedback
	// To are the recipients, Header is the message's.
	To     []string
	Header string
}

// Limits of failure reports. Anybody can cause them, with messages in the name of whom they are to hit (RFC 9991 "Denial of Service").
const (
	// maxWaiting is how many wait to be sent.
	maxWaiting = 100
	// DefaultFailuresPerDay is how many go to one address in a day (UTC), maxDayFailures to all together.
	DefaultFailuresPerDay = 100
	maxDayFailures        = 2_000
	// alike is for how long messages that fail alike are only counted, after one that was told; maxAlike is how many such are known.
	alike    = time.Hour
	maxAlike = 10_000
)

// failures are those that wait, and what has been told lately. It is safe for concurrent use.
type failures struct {
	waiting chan *Failed

	mu     sync.Mutex
	known  map[string]*told // guarded by mu
	tidied time.Time        // guarded by mu: when room was made last
}

// told is when a failure was reported last, and how many like it have come since then.
type told struct {
	at    time.Time
	since uint64
}

// Failed reports a message. It doesn't wait. Of messages that fail in the same way, one an hour is told, with the number of those before it
// that weren't. Nothing is told of messages that may be somebody's answer to a report: loops end here (RFC 9991 "Transport").
func (s *Service) Failed(f *Failed) {
	if !s.o.SendFailures || len(f.RUF) == 0 || len(f.Wanted) == 0 {
		return
	}
	f.Header = arf.ClipHeader(f.Header)
	if answers(f) {
		return
	}
	n, ok := s.failures.admit(f, s.now())
	if !ok {
		return
	}
	f.Feedback.Incidents = n
	f.Header = strings.Clone(f.Header) // the whole may be large, and many wait
	select {
	case s.failures.waiting <- f:
	default:
		s.stats.dropped.Add(1)
	}
}

// answers reports whether a message is a report or a notification, or is only for the addresses that reports come to.
func answers(f *Failed) bool {
	if f.Feedback.MailFrom == "" {
		return true
	}
	h := message.ParseHeader(f.Header)
	if strings.Contains(strings.ToLower(h.Get("Content-Type")), "multipart/report") {
		return true
	}
	for _, to := range f.To {
		if local, _, _ := strings.Cut(to, "@"); !Takes(local) {
			return false
		}
	}
	return len(f.To) > 0
}

// admit counts a failure, and tells whether to report it, as how many.
func (x *failures) admit(f *Failed, now time.Time) (n uint64, ok bool) {
	r := &f.Feedback
	key := string(hash(strings.Join([]string{f.PolicyDomain, r.Domain, strings.Join(f.Wanted, " "), strings.Join(r.NotAligned, " "), r.Delivery, r.DKIMDomain,
		domainOf(r.MailFrom), r.Source.String()}, "\x00")))
	x.mu.Lock()
	defer x.mu.Unlock()
	had := x.known[key]
	switch {
	case had != nil && now.Sub(had.at) < alike:
		had.since++
		return 0, false
	case had == nil:
		x.tidy(now)
		if len(x.known) >= maxAlike {
			return 0, false
		}
		had = &told{}
		x.known[key] = had
	}
	n = had.since + 1
	*had = told{at: now}
	return n, true
}

// tidy makes room, if there is none; once a minute, since it costs.
func (x *failures) tidy(now time.Time) {
	if len(x.known) < maxAlike || now.Sub(x.tidied) < time.Minute {
		return
	}
	x.tidied = now
	for key, had := range x.known {
		if now.Sub(had.at) >= alike {
			delete(x.known, key)
		}
	}
}

// sendFailures sends those that wait until ctx ends.
func (s *Service) sendFailures(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-s.failures.waiting:
			if err := s.tell(ctx, f); err != nil && ctx.Err() == nil {
				s.stats.failed.Add(1)
				s.log.Info("a failure report can't be sent and is dropped", "domain", f.PolicyDomain, "err", err)
			}
		}
	}
}

// tellTime bounds the lookups for one report.
const tellTime = time.Minute

// tell sends what is wanted to those who want it. It is tried once: what came of a failure report is no reason to keep it for long.
func (s *Service) tell(ctx context.Context, f *Failed) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	who, err := s.o.Who(ctx)
	if fault.Is(err, fault.NotFound) {
		return nil // nothing of ours would be believed
	}
	if err != nil {
		return err
	}
	to, err := s.failureDestinations(ctx, f)
	if err != nil || len(to) == 0 {
		return err
	}
	s.findSPF(ctx, f)
	for i, failure := range f.Wanted {
		some, err := s.allow(ctx, to)
		if err != nil || len(some) == 0 {
			return err
		}
		r := s.failureReport(&who, f, failure, i)
		r.To = some
		if err := s.o.Mail(ctx, Mail{ID: r.ID, From: who.Contact, To: some, Text: arf.Compose(r)}); err != nil {
			return err
		}
		s.stats.failuresSent.Add(1)
		s.log.Info("failure report sent", "domain", f.PolicyDomain, "failure", failure, "addresses", len(some))
	}
	return nil
}

// failureDestinations are those of the policy record that agree (RFC 9991 "Verifying External Destinations").
func (s *Service) failureDestinations(ctx context.Context, f *Failed) (to []string, err error) {
	for _, uri := range f.RUF {
		address, err := reportmail.Mailto(uri)
		if err != nil {
			continue
		}
		agreed, err := s.agrees(ctx, f.PolicyDomain, address, ruf)
		if err != nil {
			return nil, err
		}
		to = append(to, agreed...)
	}
	return to, nil
}

// findSPF looks up the record that failed. Without an answer the report goes without it.
func (s *Service) findSPF(ctx context.Context, f *Failed) {
	if f.Feedback.SPFDomain == "" {
		return
	}
	a, err := s.o.DNS.LookupTXT(ctx, f.Feedback.SPFDomain)
	if err == nil {
		for _, txt := range a.Records {
			if txt == "v=spf1" || strings.HasPrefix(txt, "v=spf1 ") {
				f.Feedback.SPFRecord = txt
				return
			}
		}
	}
	f.Feedback.SPFDomain = ""
}

// allow counts a report for each of some addresses, and returns those that have not had enough today.
func (s *Service) allow(ctx context.Context, to []string) (some []string, err error) {
	today := dayOf(s.now())
	err = s.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		some = nil
		for _, address := range to {
			ok, err := s.allowOne(tx, today, strings.ToLower(address))
			if err != nil {
				return err
			}
			if ok {
				some = append(some, address)
			}
		}
		return nil
	})
	s.stats.dropped.Add(uint64(len(to) - len(some)))
	return some, err
}

func (s *Service) allowOne(tx kv.Tx, today day, address string) (bool, error) {
	one, all := append(dayKey(keyTold, today), address...), dayKey(keyTold, today)
	n, _, err := readTotals(tx, one)
	if err != nil || n >= uint64(s.o.FailuresPerDay) {
		return false, err
	}
	total, _, err := readTotals(tx, all)
	if err != nil || total >= maxDayFailures {
		return false, err
	}
	if err := tx.Set(one, encodeTotals(n+1, 0)); err != nil {
		return false, err
	}
	return true, tx.Set(all, encodeTotals(total+1, 0))
}

// failureReport puts a report together.
func (s *Service) failureReport(who *Identity, f *Failed, failure string, i int) *arf.Report {
	now := s.now()
	r := &arf.Report{Organization: who.Organization, From: who.Contact, Date: now, Feedback: f.Feedback, Header: f.Header}
	r.Type, r.Failure, r.UserAgent = arf.AuthFailure, failure, s.o.Generator
	r.ID = fmt.Sprintf("failure.%d.%d.%s@%s", now.UnixNano(), i, hex.EncodeToString(hash(f.PolicyDomain + "\x00" + f.Header)[:6]), who.Domain)
	r.Subject = "Failure report: mail in the name of " + r.Domain
	if x := s.o.Redact; x != nil {
		r.Results, r.MailFrom, r.Header = x.Text(r.Results, true), x.Address(r.MailFrom), x.Header(r.Header)
		if r.DKIMIdentity != "" {
			r.DKIMIdentity = x.Text(r.DKIMIdentity, false)
		}
	}
	r.Text = fmt.Sprintf("This is a report on a message that says it is from %s, and of which\n%s asks to be told (RFC 9991). It came from %s\non %s. %s\n"+
		"Details for programs are in the next part, and then comes its header.\n",
		r.Domain, f.PolicyDomain, r.Source, message.FormatDate(r.Arrival), whatFailed(failure))
	return r
}

func whatFailed(failure string) string {
	switch failure {
	case arf.Signature:
		return "One of its DKIM signatures doesn't hold."
	case arf.SPF:
		return "SPF doesn't permit that address to send it."
	}
	return "It could not be authenticated."
}
