package reports

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"postroad/internal/format/record"
	"postroad/internal/format/tlsrpt"
)

// Session is what came of protecting a connection to another server.
type Session struct {
	// Domain is whose record says who wants reports, as A-labels.
	Domain string
	// Policy was applied, Failure is what failed, its Type "" for a success. Neither has counts.
	Policy  tlsrpt.Policy
	Failure tlsrpt.Failure
}

// Observe counts a session. It doesn't wait.
func (s *Service) Observe(o Session) {
	if s.o.SendTLS && !s.tally.add(subject{dayOf(s.now()), TLS, o.Domain}, encodeSession(&o), "") {
		s.stats.dropped.Add(1)
	}
}

// encodeSession writes what is counted: the policy's type, domain, strings and hosts; the failure's type and, unless that is "", the
// addresses, names and reason.
func encodeSession(o *Session) string {
	b := make([]byte, 0, 256)
	b = record.AppendString(record.AppendString(b, o.Policy.Type), o.Policy.Domain)
	b = appendAll(appendAll(b, o.Policy.Strings), o.Policy.MX)
	f := &o.Failure
	b = record.AppendString(b, f.Type)
	if f.Type != "" {
		b = record.AppendString(record.AppendString(b, f.Sending.AsSlice()), f.Receiving.AsSlice())
		for _, s := range []string{f.Host, f.Helo, f.Reason} {
			b = record.AppendString(b, s[:min(len(s), maxText)])
		}
	}
	return string(b)
}

// maxText is how much is kept of a text that others chose.
const maxText = 255

func decodeSession(v []byte) (o Session, ok bool) {
	d := record.Read(v)
	o.Policy.Type, o.Policy.Domain = d.String(), d.String()
	o.Policy.Strings, o.Policy.MX = readAll(&d), readAll(&d)
	f := &o.Failure
	if f.Type = d.String(); f.Type != "" {
		f.Sending, _ = netip.AddrFromSlice(d.Bytes())
		f.Receiving, _ = netip.AddrFromSlice(d.Bytes())
		f.Host, f.Helo, f.Reason = d.String(), d.String(), d.String()
	}
	return o, !d.Bad()
}

func appendAll(b []byte, all []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = record.AppendString(b, s)
	}
	return b
}

func readAll(d *record.Decoder) (all []string) {
	for range d.Count() {
		all = append(all, d.String())
	}
	return all
}

// tlsReport puts a domain's rows together (RFC 8460 §4).
type tlsReport struct{ policies []tlsrpt.Policy }

// add takes a row; one that can't be read is left out.
func (r *tlsReport) add(n uint64, what []byte) {
	o, ok := decodeSession(what)
	if !ok {
		return
	}
	p := r.policy(&o.Policy)
	if o.Failure.Type == "" {
		p.Successes += n
		return
	}
	p.Failures += n
	o.Failure.Count = n
	p.Details = append(p.Details, o.Failure)
}

func (r *tlsReport) policy(like *tlsrpt.Policy) *tlsrpt.Policy {
	for i := range r.policies {
		p := &r.policies[i]
		if p.Type == like.Type && p.Domain == like.Domain && slices.Equal(p.Strings, like.Strings) && slices.Equal(p.MX, like.MX) {
			return p
		}
	}
	r.policies = append(r.policies, *like)
	return &r.policies[len(r.policies)-1]
}

// file is the report's JSON.
func (r *tlsReport) file(who *Identity, id string, d day) []byte {
	slices.SortStableFunc(r.policies, func(a, b tlsrpt.Policy) int { return int(b.Successes+b.Failures) - int(a.Successes+a.Failures) })
	for i := range r.policies {
		slices.SortStableFunc(r.policies[i].Details, func(a, b tlsrpt.Failure) int { return int(b.Count) - int(a.Count) })
	}
	report := tlsrpt.Report{Organization: who.Organization, Contact: who.Contact, ID: id, Begin: d.begin(), End: lastSecond(d), Policies: r.policies}
	return report.JSON()
}

// lastSecond is how reports say when a day ends (RFC 8460 appendix B).
func lastSecond(d day) time.Time { return d.end().Add(-time.Second) }
