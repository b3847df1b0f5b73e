package reports

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/record"
	"postroad/internal/format/reportmail"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/storage/kv"
)

// Filter chooses reports that were received. Empty fields match all.
type Filter struct {
	// Domain is whom a report is about, or a domain above.
	Domain string
	// Since is when the time that a report covers ended, at the earliest.
	Since time.Time
	// Limit is how many lines at most; 0: 1,000.
	Limit int
}

const defaultLimit = 1000

func (f *Filter) limit() int {
	if f.Limit <= 0 {
		return defaultLimit
	}
	return f.Limit
}

// about reports whether a domain matches.
func (f *Filter) about(domain string) bool {
	want := strings.ToLower(f.Domain)
	return want == "" || domain == want || strings.HasSuffix(domain, "."+want)
}

// Head is what all reports have.
type Head struct {
	Received time.Time
	// By is the domain that vouches for the report; "" if nobody was asked.
	By string
	// Organization, Contact and ID are the sender's words.
	Organization, Contact, ID string
	Begin, End                time.Time
}

// TLSReport is a report on TLS about policies of ours.
type TLSReport struct {
	Head
	Policies []tlsrpt.Policy
}

// TLSReports lists the reports on TLS, the newest first.
func (s *Service) TLSReports(ctx context.Context, f Filter) (all []TLSReport, err error) {
	err = s.received(ctx, TLS, &f, func(h Head, file []byte) bool {
		r, err := tlsrpt.Parse(file)
		if err != nil || r.End.Before(f.Since) {
			return true
		}
		h.Organization, h.Contact, h.ID, h.Begin, h.End = r.Organization, r.Contact, r.ID, r.Begin, r.End
		policies := slices.DeleteFunc(r.Policies, func(p tlsrpt.Policy) bool { return !f.about(p.Domain) })
		if len(policies) > 0 {
			all = append(all, TLSReport{h, policies})
		}
		return len(all) < f.limit()
	})
	return all, err
}

// Source is who sent in the name of a domain of ours: what all reports together say of messages from one address with the same results.
type Source struct {
	// Domain is the author's.
	Domain string
	IP     netip.Addr
	Count  uint64
	// Disposition is what the receivers did. DKIM and SPF are pass or fail, with regard to alignment.
	Disposition, DKIM, SPF string
	// Signers and Sender are the domains that signed (with the results), and that of the reverse-path.
	Signers []string
	Sender  string
	// Reporters are the organizations that tell of it, a few of them; Reports is how many reports do.
	Reporters []string
	Reports   int
}

// DMARCReport is a DMARC report in short.
type DMARCReport struct {
	Head
	Policy dmarcxml.Policy
	// Messages is how many it tells of, Passed how many of them passed DMARC.
	Messages, Passed uint64
}

// DMARCSummary is what DMARC reports say.
type DMARCSummary struct {
	// Sources are sorted by Count, the largest first; Reports are the newest first.
	Sources []Source
	Reports []DMARCReport
	// More: there are more sources than the limit.
	More bool
}

// maxSources bounds the memory for sources of one question, maxReporters the names kept for each.
const (
	maxSources   = 50_000
	maxReporters = 5
)

// sourceKey tells sources apart.
type sourceKey struct {
	domain                 string
	ip                     netip.Addr
	disposition, dkim, spf string
	signers, sender        string
}

// DMARCReports tells who sent in our name, and what passed.
func (s *Service) DMARCReports(ctx context.Context, f Filter) (sum DMARCSummary, err error) {
	sources := map[sourceKey]*Source{}
	err = s.received(ctx, DMARC, &f, func(h Head, file []byte) bool {
		r, err := dmarcxml.Parse(file)
		if err != nil || r.End.Before(f.Since) {
			return true
		}
		h.Organization, h.Contact, h.ID, h.Begin, h.End = r.Organization, r.Email, r.ID, r.Begin, r.End
		short := DMARCReport{Head: h, Policy: r.Policy}
		for i := range r.Records {
			if f.about(r.Records[i].HeaderFrom) {
				short.count(&r.Records[i])
				addSource(sources, &r.Records[i], h.Organization)
			}
		}
		if short.Messages > 0 && len(sum.Reports) < f.limit() {
			sum.Reports = append(sum.Reports, short)
		}
		return true
	})
	for _, x := range sources {
		sum.Sources = append(sum.Sources, *x)
	}
	slices.SortFunc(sum.Sources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Domain, b.Domain), a.IP.Compare(b.IP), cmp.Compare(a.Disposition+a.DKIM+a.SPF, b.Disposition+b.DKIM+b.SPF))
	})
	if len(sum.Sources) > f.limit() {
		sum.Sources, sum.More = sum.Sources[:f.limit()], true
	}
	return sum, err
}

func (r *DMARCReport) count(x *dmarcxml.Record) {
	r.Messages += x.Count
	if x.DKIM == "pass" || x.SPF == "pass" {
		r.Passed += x.Count
	}
}

func addSource(all map[sourceKey]*Source, x *dmarcxml.Record, reporter string) {
	var signers []string
	for _, g := range x.Signatures {
		signers = append(signers, g.Domain+" ("+g.Result+")")
	}
	slices.Sort(signers)
	signers = slices.Compact(signers)
	k := sourceKey{x.HeaderFrom, x.IP, x.Disposition, x.DKIM, x.SPF, strings.Join(signers, " "), x.Sender.Domain}
	have := all[k]
	if have == nil {
		if len(all) >= maxSources {
			return
		}
		have = &Source{Domain: k.domain, IP: k.ip, Disposition: k.disposition, DKIM: k.dkim, SPF: k.spf, Signers: signers, Sender: k.sender}
		all[k] = have
	}
	have.Count += x.Count
	have.Reports++
	if len(have.Reporters) < maxReporters && !slices.Contains(have.Reporters, reporter) {
		have.Reporters = append(have.Reporters, reporter)
	}
}

// received visits the reports of a kind, the newest first, until visit returns false.
func (s *Service) received(ctx context.Context, kind Kind, f *Filter, visit func(h Head, file []byte) bool) error {
	lo := day(0)
	if !f.Since.IsZero() && f.Since.Unix() > 0 {
		lo = dayOf(f.Since) // a report comes after what it tells of
	}
	r := kv.Range{Lo: dayKey(keyReceived, lo), Hi: []byte{keyReceived + 1}, Reverse: true}
	return s.db.View(ctx, Partition, func(reader kv.Reader) error {
		for pair, err := range reader.Scan(r) {
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return fault.Wrap(fault.Canceled, ctx.Err(), "")
			}
			if len(pair.Key) < 6 || Kind(pair.Key[5]) != kind {
				continue
			}
			d := record.Decode(pair.Value, 1)
			h := Head{Received: instant(d.Uint()), By: d.String()}
			if d.Bad() {
				return fault.New(fault.Corrupt, "reports: a report that was received can't be read")
			}
			file, err := reportmail.Unpack(pair.Value[len(pair.Value)-d.Rest():])
			if err == nil && !visit(h, file) {
				return nil
			}
		}
		return nil
	})
}
