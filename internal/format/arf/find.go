package arf

import (
	"io"
	"net/netip"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
)

// Content is a message's bytes.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Limits of what is read: reports come from strangers.
const (
	maxSize     = 1 << 20 // of a message, as far as it is looked at
	maxFeedback = 64 << 10
	maxParts    = 20
)

var limits = message.Limits{Depth: 5, Parts: maxParts, HeaderBytes: 64 << 10, HeaderFields: 1000, KeptBytes: 64 << 10}

// Find reads the report in a message: its first part for programs, and of the last part, which is the message in question or its header, the
// header, up to MaxHeader. Of the frame only From, ID and Subject are told. Errors: fault.NotFound: there is none; fault.Invalid:
// it doesn't say what it is about; and what reading c fails with.
func Find(c Content) (*Report, error) {
	size := min(c.Size(), maxSize)
	p := message.NewParser(limits)
	if _, err := io.Copy(p, io.NewSectionReader(c, 0, size)); err != nil {
		return nil, err
	}
	s := p.Finish()
	machine, about := parts(s.Root)
	if machine == nil {
		return nil, fault.New(fault.NotFound, "the message has no report")
	}
	text, err := readText(c, machine, maxFeedback)
	if err != nil {
		return nil, err
	}
	r := &Report{Feedback: parse(text)}
	if r.Type == "" || r.Domain == "" {
		return nil, fault.New(fault.Invalid, "the report doesn't say what it is about")
	}
	if about != nil {
		if r.Header, err = readText(c, about, MaxHeader); err != nil {
			return nil, err
		}
		r.Header = endHeader(r.Header)
	}
	return r, r.frame(c)
}

// parts finds the part for programs, and the one behind it. What lies in attached messages doesn't count.
func parts(root *message.Part) (machine, about *message.Part) {
	root.Walk(func(p *message.Part) bool {
		switch typ := p.Type + "/" + p.Subtype; {
		case p == root:
		case machine == nil && typ == "message/feedback-report":
			machine = p
		case machine != nil && about == nil && (typ == "text/rfc822-headers" || typ == "message/rfc822" || typ == "message/global" || typ == "message/global-headers"):
			about = p
		}
		return !p.IsMessage() || p == root
	})
	return machine, about
}

func readText(c io.ReaderAt, p *message.Part, most int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(p.Body(c), most))
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "the report can't be read")
	}
	return string(b), nil
}

// endHeader cuts off what follows the header.
func endHeader(s string) string {
	at := 0
	for l := range strings.Lines(s) {
		if strings.TrimRight(l, "\r\n") == "" {
			break
		}
		at += len(l)
	}
	return s[:at]
}

// frame reads what is told of the message's own header.
func (r *Report) frame(c Content) error {
	b, err := io.ReadAll(io.NewSectionReader(c, 0, min(c.Size(), 64<<10)))
	if err != nil {
		return err
	}
	h := message.ParseHeader(string(b))
	if from := message.ParseAddresses(h.Get("From")); len(from) == 1 {
		r.Organization, r.From = line(from[0].Name), line(from[0].Mailbox+"@"+from[0].Host)
	}
	if ids := message.ParseMessageIDs(h.Get("Message-ID")); len(ids) == 1 {
		r.ID = line(ids[0])
	}
	r.Subject = line(message.DecodeWords(h.Get("Subject")))
	return nil
}

// parse reads the part for programs. What can't be read is left out.
func parse(text string) (f Feedback) {
	h := message.ParseHeader(text)
	get := func(name string) string { return strings.Join(strings.Fields(line(h.Get(name))), " ") }
	lower := func(name string) string { return strings.ToLower(get(name)) }
	f = Feedback{Type: lower("Feedback-Type"), UserAgent: get("User-Agent"), Failure: lower("Auth-Failure"), Results: get("Authentication-Results"),
		Delivery: lower("Delivery-Result"), DKIMDomain: lower("DKIM-Domain"), DKIMIdentity: get("DKIM-Identity"), DKIMSelector: get("DKIM-Selector"),
		MailFrom: strings.Trim(get("Original-Mail-From"), "<>"), Domain: strings.TrimSuffix(lower("Reported-Domain"), "."), Incidents: 1}
	f.Arrival, _ = message.ParseDate(get("Arrival-Date"))
	if f.Arrival.IsZero() { // RFC 5965's older name for it
		f.Arrival, _ = message.ParseDate(get("Received-Date"))
	}
	f.Source, _ = netip.ParseAddr(strings.Trim(get("Source-IP"), "[]"))
	f.Source = f.Source.Unmap().WithZone("")
	if _, name, ok := strings.Cut(get("Reporting-MTA"), ";"); ok {
		f.Reporter = strings.TrimSpace(name)
	}
	if n, err := strconv.ParseUint(get("Incidents"), 10, 32); err == nil && n > 0 {
		f.Incidents = n
	}
	for method := range strings.SplitSeq(lower("Identity-Alignment"), ",") {
		if method = strings.TrimSpace(method); method == "dkim" || method == "spf" {
			f.NotAligned = append(f.NotAligned, method)
		}
		if len(f.NotAligned) == 2 {
			break
		}
	}
	f.SPFDomain, f.SPFRecord = parseSPF(get("SPF-DNS"))
	return f
}

// parseSPF reads `txt : example.org : "v=spf1 ..."`.
func parseSPF(v string) (domain, record string) {
	_, rest, _ := strings.Cut(v, ":")
	domain, record, _ = strings.Cut(rest, ":")
	record = strings.TrimSpace(record)
	if len(record) < 2 || record[0] != '"' || record[len(record)-1] != '"' {
		return "", ""
	}
	var b strings.Builder
	for i := 1; i < len(record)-1; i++ {
		if record[i] == '\\' && i+2 < len(record) {
			i++
		}
		b.WriteByte(record[i])
	}
	return strings.ToLower(strings.TrimSpace(domain)), b.String()
}
