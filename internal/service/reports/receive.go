package reports

import (
	"context"
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/arf"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/message"
	"postroad/internal/format/record"
	"postroad/internal/format/reportmail"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/storage/kv"
)

// Limits of what is received in a day (UTC), and of what is kept of one report.
const (
	maxDayReceived = 5_000
	maxDayBytes    = 10 << 20
	maxKeptBytes   = 512 << 10
	maxKeptRecords = 2_000
)

// Arrived is a message for one of the addresses.
type Arrived struct {
	// ID names it in the log.
	ID string
	// Content is the message.
	Content reportmail.Content
	// Checked: the sender was looked into; Signers are the domains with valid DKIM signatures, Author the domain in From if DMARC
	// passed. Without Checked, whoever handed the message in is trusted.
	Checked bool
	Signers []string
	Author  string
}

// Takes reports whether an address's local part is one that reports come to.
func Takes(local string) bool {
	return strings.EqualFold(local, TLSAddress) || strings.EqualFold(local, DMARCAddress)
}

// Take reads a message for one of the addresses, and keeps the report in it. What is no report, isn't about us or can't be
// believed is passed over: that is no error, and the log tells. An error means that the message should come again.
func (s *Service) Take(ctx context.Context, a *Arrived) error {
	select { // one at a time, since each may take much memory
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, ctx.Err(), "")
	}
	got, err := s.read(ctx, a)
	if err == nil {
		err = s.keep(ctx, got)
	}
	switch kind := fault.KindOf(err); {
	case err == nil:
		s.count(got)
		s.log.Info("report received", "id", a.ID, "kind", got.kind.String(), "from", got.from, "by", got.by)
	case kind == fault.Unavailable || kind == fault.Canceled || kind == fault.Internal:
		return err
	default:
		s.stats.ignored.Add(1)
		s.log.Info("not a report that is kept", "id", a.ID, "err", err)
	}
	return nil
}

// count adds up what a report tells of.
func (s *Service) count(a *arrival) {
	s.stats.received.Add(1)
	if a.kind == Failure {
		s.stats.failuresReceived.Add(a.total)
		return
	}
	if a.kind == TLS {
		s.stats.tlsSessions.Add(a.total)
		s.stats.tlsFailures.Add(a.failed)
		return
	}
	s.stats.dmarcMessages.Add(a.total)
	s.stats.dmarcFailures.Add(a.failed)
}

func ignored(text string) error { return fault.New(fault.Invalid, "%s", text) }

// arrival is a report that came.
type arrival struct {
	kind Kind
	// from is who made it, id what they call it, by the domain that vouches for it ("": nobody was asked).
	from, id, by string
	file         []byte
	// total and failed count the sessions or messages that it tells of.
	total, failed uint64
}

// read finds the report and decides whether to keep it.
func (s *Service) read(ctx context.Context, a *Arrived) (*arrival, error) {
	failure, err := arf.Find(a.Content)
	if err == nil {
		return s.readFailure(ctx, a, failure)
	}
	if !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	file, err := reportmail.Find(a.Content)
	if err != nil {
		return nil, err
	}
	if file[0] == '{' {
		return s.readTLS(ctx, a, file)
	}
	return s.readDMARC(ctx, a, file)
}

// readTLS: RFC 8460 §3 wants a signature by the reporting domain.
func (s *Service) readTLS(ctx context.Context, a *Arrived, file []byte) (*arrival, error) {
	r, err := tlsrpt.Parse(file)
	if err != nil {
		return nil, err
	}
	by, ok := a.vouched(r.Contact)
	if !ok {
		return nil, ignored("no signature by the domain that reports")
	}
	var ours []tlsrpt.Policy
	for _, p := range r.Policies {
		is, err := s.ours(ctx, p.Domain)
		if err != nil {
			return nil, err
		}
		if is {
			ours = append(ours, p)
		}
	}
	if r.Policies = ours; len(ours) == 0 {
		return nil, ignored("the report is not about a domain of ours")
	}
	got := &arrival{kind: TLS, from: r.Organization, id: r.ID, by: by, file: r.JSON()}
	for _, p := range ours {
		got.total += p.Successes + p.Failures
		got.failed += p.Failures
	}
	return got, nil
}

// readDMARC: RFC 9990 wants such mail to pass DMARC.
func (s *Service) readDMARC(ctx context.Context, a *Arrived, file []byte) (*arrival, error) {
	r, err := dmarcxml.Parse(file)
	if err != nil {
		return nil, err
	}
	by, ok := a.Author, a.Author != ""
	if !ok {
		by, ok = a.vouched(r.Email)
	}
	if !ok {
		return nil, ignored("the sender of the report isn't authenticated")
	}
	is, err := s.ours(ctx, r.Policy.Domain)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, ignored("the report is not about a domain of ours")
	}
	slices.SortStableFunc(r.Records, func(a, b dmarcxml.Record) int { return int(b.Count) - int(a.Count) })
	r.Records = r.Records[:min(len(r.Records), maxKeptRecords)]
	got := &arrival{kind: DMARC, from: r.Organization, id: r.ID, by: by, file: r.XML()}
	for i := range r.Records {
		x := &r.Records[i]
		got.total += x.Count
		if x.DKIM != "pass" && x.SPF != "pass" {
			got.failed += x.Count
		}
	}
	return got, nil
}

func (s *Service) ours(ctx context.Context, domain string) (bool, error) {
	if s.o.Ours == nil || domain == "" {
		return false, nil
	}
	is, err := s.o.Ours(ctx, domain)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return is, err
}

// vouched finds the signature by the domain of who reports, or of From where contact is no address.
func (a *Arrived) vouched(contact string) (by string, ok bool) {
	if !a.Checked {
		return "", true
	}
	for _, reporter := range []string{domainOf(contact), a.author()} {
		for _, signer := range a.Signers {
			if related(strings.ToLower(signer), reporter) {
				return strings.ToLower(signer), true
			}
		}
	}
	return "", false
}

// author is the domain in From.
func (a *Arrived) author() string {
	const most = 64 << 10
	b, err := io.ReadAll(io.NewSectionReader(a.Content, 0, min(a.Content.Size(), most)))
	if err != nil {
		return ""
	}
	h := message.ParseHeader(string(b))
	from := message.ParseAddresses(h.Get("From"))
	if len(from) != 1 {
		return ""
	}
	return strings.ToLower(from[0].Host)
}

func domainOf(address string) string {
	return strings.ToLower(strings.TrimSuffix(address[strings.LastIndexByte(address, '@')+1:], "."))
}

// related reports whether one of two domains is the other or below it. Top-level domains are related to none.
func related(a, b string) bool {
	if !strings.Contains(a, ".") || !strings.Contains(b, ".") {
		return false
	}
	return a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a)
}

// keep stores a report. One that has come before that day takes the earlier one's place.
func (s *Service) keep(ctx context.Context, a *arrival) error {
	now := s.now()
	today := dayOf(now)
	v := binary.AppendUvarint([]byte{1}, unix(now))
	v = append(record.AppendString(v, a.by), reportmail.Gzip(a.file)...)
	if len(v) > maxKeptBytes {
		return fault.New(fault.TooLarge, "the report is too large to be kept")
	}
	key := append(append(dayKey(keyReceived, today), byte(a.kind)), hash(a.by+"\x00"+a.from+"\x00"+a.id)...)
	totals, most, mostBytes := dayKey(keyArrivals, today), uint64(maxDayReceived), uint64(maxDayBytes)
	if a.kind == Failure {
		totals, most, mostBytes = dayKey(keyFailures, today), maxFailuresReceived, maxFailureBytes
	}
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		reports, bytes, err := readTotals(tx, totals)
		if err != nil {
			return err
		}
		old, again, err := tx.Get(key)
		if err != nil {
			return err
		}
		if again {
			reports, bytes = reports-1, bytes-uint64(len(old))
		}
		if reports, bytes = reports+1, bytes+uint64(len(v)); reports > most || bytes > mostBytes {
			return fault.New(fault.TooLarge, "too many reports today")
		}
		if err := tx.Set(totals, encodeTotals(reports, bytes)); err != nil {
			return err
		}
		return tx.Set(key, v)
	})
}
