package reports

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/record"
)

// Evaluated is what DMARC made of one message.
type Evaluated struct {
	// Policy is the policy as it was published; Policy.Domain is where its record was found.
	Policy dmarcxml.Policy
	// RUA are the addresses for reports, Limits how large these may be in bytes; 0: any size.
	RUA    []string
	Limits []int64
	// Record is the row, without count: it counts once.
	Record dmarcxml.Record
}

// Limits of what is kept of one message.
const (
	maxSignatures = 10
	maxReasons    = 5
)

// Evaluated counts a message. It doesn't wait. Without addresses for reports nothing happens.
func (s *Service) Evaluated(e *Evaluated) {
	if !s.o.SendDMARC || len(e.RUA) == 0 {
		return
	}
	if !s.tally.add(subject{dayOf(s.now()), DMARC, e.Policy.Domain}, encodeEvaluated(&e.Record), encodePublished(e)) {
		s.stats.dropped.Add(1)
	}
}

// encodeEvaluated writes what is counted: the client's address; disposition, the results of the two alignment tests, domains of
// From and the reverse-path; reasons (type, comment); signatures (domain, selector, result, words); SPF (domain,
// scope, result, words).
func encodeEvaluated(r *dmarcxml.Record) string {
	b := make([]byte, 0, 256)
	b = record.AppendString(b, r.IP.AsSlice())
	for _, s := range []string{r.Disposition, r.DKIM, r.SPF, r.HeaderFrom, r.EnvelopeFrom} {
		b = record.AppendString(b, cut(s))
	}
	reasons := r.Reasons[:min(len(r.Reasons), maxReasons)]
	b = binary.AppendUvarint(b, uint64(len(reasons)))
	for _, x := range reasons {
		b = record.AppendString(record.AppendString(b, x.Type), cut(x.Comment))
	}
	signatures := r.Signatures[:min(len(r.Signatures), maxSignatures)]
	b = binary.AppendUvarint(b, uint64(len(signatures)))
	for _, x := range signatures {
		for _, s := range []string{x.Domain, x.Selector, x.Result, x.Human} {
			b = record.AppendString(b, cut(s))
		}
	}
	for _, s := range []string{r.Sender.Domain, r.Sender.Scope, r.Sender.Result, r.Sender.Human} {
		b = record.AppendString(b, cut(s))
	}
	return string(b)
}

func cut(s string) string { return s[:min(len(s), maxText)] }

func decodeEvaluated(v []byte) (r dmarcxml.Record, ok bool) {
	d := record.Read(v)
	r.IP, _ = netip.AddrFromSlice(d.Bytes())
	r.Disposition, r.DKIM, r.SPF, r.HeaderFrom, r.EnvelopeFrom = d.String(), d.String(), d.String(), d.String(), d.String()
	for range d.Count() {
		r.Reasons = append(r.Reasons, dmarcxml.Reason{Type: d.String(), Comment: d.String()})
	}
	for range d.Count() {
		r.Signatures = append(r.Signatures, dmarcxml.Signature{Domain: d.String(), Selector: d.String(), Result: d.String(), Human: d.String()})
	}
	r.Sender = dmarcxml.Sender{Domain: d.String(), Scope: d.String(), Result: d.String(), Human: d.String()}
	return r, !d.Bad()
}

// encodePublished writes the policy: its values in the order below, then addresses with their limits.
func encodePublished(e *Evaluated) string {
	p := &e.Policy
	b := make([]byte, 0, 256)
	for _, s := range []string{p.P, p.SP, p.NP, p.DKIM, p.SPF, p.FO, p.Discovery, p.Testing} {
		b = record.AppendString(b, cut(s))
	}
	b = binary.AppendUvarint(b, uint64(len(e.RUA)))
	for i, uri := range e.RUA {
		limit := int64(0)
		if i < len(e.Limits) {
			limit = e.Limits[i]
		}
		b = binary.AppendUvarint(record.AppendString(b, uri), uint64(limit))
	}
	return string(b)
}

func decodePublished(domain, v string) (e Evaluated, ok bool) {
	d := record.Read([]byte(v))
	e.Policy = dmarcxml.Policy{Domain: domain, P: d.String(), SP: d.String(), NP: d.String(), DKIM: d.String(), SPF: d.String(), FO: d.String(),
		Discovery: d.String(), Testing: d.String()}
	for range d.Count() {
		e.RUA = append(e.RUA, d.String())
		e.Limits = append(e.Limits, int64(d.Uint()))
	}
	return e, !d.Bad()
}

// dmarcReport puts a domain's rows together (RFC 9990).
type dmarcReport struct{ records []dmarcxml.Record }

// add takes a row; one that can't be read is left out.
func (r *dmarcReport) add(n uint64, what []byte) {
	if x, ok := decodeEvaluated(what); ok {
		x.Count = n
		r.records = append(r.records, x)
	}
}

// file is the report's XML.
func (r *dmarcReport) file(who *Identity, id string, d day, published dmarcxml.Policy, generator string) []byte {
	slices.SortStableFunc(r.records, func(a, b dmarcxml.Record) int { return int(b.Count) - int(a.Count) })
	report := dmarcxml.Report{Organization: who.Organization, Email: who.Contact, ID: id, Begin: d.begin(), End: lastSecond(d),
		Generator: generator, Policy: published, Records: r.records}
	return report.XML()
}
