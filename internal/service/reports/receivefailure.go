package reports

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/arf"
	"postroad/internal/format/message"
)

// What is received of failure reports in a day (UTC) has limits of its own: a flood of them keeps no other reports out.
const (
	maxFailuresReceived = 1_000
	maxFailureBytes     = 4 << 20
	maxKeptHeader       = 8 << 10
)

// keptFailure is what is kept of a failure report, as JSON.
type keptFailure struct {
	arf.Feedback
	Contact      string `json:"contact,omitempty"`
	Organization string `json:"organization,omitempty"`
	ID           string `json:"id,omitempty"`
	Header       string `json:"header,omitempty"`
}

// readFailure: such mail should pass DMARC (RFC 9991 "Transport"), and nobody else is believed.
func (s *Service) readFailure(ctx context.Context, a *Arrived, r *arf.Report) (*arrival, error) {
	if r.Type != arf.AuthFailure {
		return nil, ignored("a report of another type: " + r.Type)
	}
	by, ok := a.Author, a.Author != ""
	if !ok {
		by, ok = a.vouched(r.From)
	}
	if !ok {
		return nil, ignored("the sender of the report isn't authenticated")
	}
	is, err := s.ours(ctx, r.Domain)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, ignored("the report is not about a domain of ours")
	}
	kept := keptFailure{Feedback: r.Feedback, Contact: r.From, Organization: cmp.Or(r.Organization, domainOf(r.From)), ID: r.ID, Header: r.Header[:min(len(r.Header), maxKeptHeader)]}
	file, err := json.Marshal(kept)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the report can't be kept")
	}
	id := kept.ID
	if id == "" {
		id = string(file)
	}
	return &arrival{kind: Failure, from: kept.Contact, id: id, by: by, file: file, total: r.Incidents}, nil
}

// FailureReport tells of a message in the name of a domain of ours that somebody couldn't authenticate.
type FailureReport struct {
	// Head's Begin and End are when the message arrived, or when the report did if that isn't told.
	Head
	arf.Feedback
	// From, Subject and MessageID are the message's; they may be redacted, or "".
	From, Subject, MessageID string
	// Header is the message's, as far as it was kept.
	Header string
}

// FailureSource sums up what reports tell of messages that failed in the same way.
type FailureSource struct {
	failureKey
	Incidents uint64
	Reports   int
	// Reporters are a few of those who tell of it.
	Reporters []string
}

// failureKey is a way to fail.
type failureKey struct {
	// Domain is the author's, IP whose message it was; Failure and Delivery are as in arf.Feedback.
	Domain            string
	IP                netip.Addr
	Failure, Delivery string
}

// FailureSummary is what failure reports say.
type FailureSummary struct {
	// Sources are sorted by Incidents, the largest first; Reports are the newest first.
	Sources []FailureSource
	Reports []FailureReport
	// More: there are more reports, or sources, than the limit.
	More bool
}

// FailureReports tells of messages in our name that others could not authenticate.
func (s *Service) FailureReports(ctx context.Context, f Filter) (sum FailureSummary, err error) {
	sources := map[failureKey]*FailureSource{}
	err = s.received(ctx, Failure, &f, func(h Head, file []byte) bool {
		var k keptFailure
		if json.Unmarshal(file, &k) != nil || h.Received.Before(f.Since) || !f.about(k.Domain) {
			return true
		}
		addFailure(sources, &k)
		if len(sum.Reports) < f.limit() {
			sum.Reports = append(sum.Reports, failureReport(h, &k))
		} else {
			sum.More = true
		}
		return true
	})
	for _, x := range sources {
		sum.Sources = append(sum.Sources, *x)
	}
	slices.SortFunc(sum.Sources, func(a, b FailureSource) int {
		return cmp.Or(cmp.Compare(b.Incidents, a.Incidents), cmp.Compare(a.Domain, b.Domain), a.IP.Compare(b.IP), cmp.Compare(a.Failure+a.Delivery, b.Failure+b.Delivery))
	})
	if len(sum.Sources) > f.limit() {
		sum.Sources, sum.More = sum.Sources[:f.limit()], true
	}
	return sum, err
}

func addFailure(all map[failureKey]*FailureSource, k *keptFailure) {
	key := failureKey{k.Domain, k.Source, k.Failure, k.Delivery}
	x := all[key]
	if x == nil {
		if len(all) >= maxSources {
			return
		}
		x = &FailureSource{failureKey: key}
		all[key] = x
	}
	x.Incidents += k.Incidents
	x.Reports++
	if len(x.Reporters) < maxReporters && !slices.Contains(x.Reporters, k.Organization) {
		x.Reporters = append(x.Reporters, k.Organization)
	}
}

func failureReport(h Head, k *keptFailure) FailureReport {
	h.Organization, h.Contact, h.ID, h.Begin = k.Organization, k.Contact, k.ID, k.Arrival
	if h.Begin.IsZero() {
		h.Begin = h.Received
	}
	h.End = h.Begin
	m := message.ParseHeader(k.Header)
	return FailureReport{Head: h, Feedback: k.Feedback, From: message.DecodeWords(m.Get("From")), Subject: message.DecodeWords(m.Get("Subject")),
		MessageID: m.Get("Message-ID"), Header: k.Header}
}
