package junk

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/format/dsn"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/model"
	"postroad/internal/service/junk/signs"
)

// letter is a message that is judged.
type letter struct {
	s      *Service
	e      *delivery.Envelope
	c      *mailbox.Content
	looked bool
	paper

	report     []string // see reported
	readReport bool
}

// paper is a message with what is seen in it. It is the same for all accounts.
type paper struct {
	m     features.Message
	set   features.Set
	from  summary.AddressBytes // the author, if there is one author alone
	signs *signs.Message       // nil: not looked for
	// author is the hash of the author's address, if it is proved; 0: it isn't.
	author uint64
}

// Letter implements delivery.Judge. What our own people send isn't judged, nor what we write ourselves, nor what comes out of the
// queue, which was judged, if it could be, before it went there.
func (s *Service) Letter(e *delivery.Envelope, c *mailbox.Content) delivery.Letter {
	if s.o.Off || e.Who != nil || e.Trusted && !s.o.Trusted || e.Source == "queue" {
		return nil
	}
	return &letter{s: s, e: e, c: c}
}

// look makes out what there is to see, once.
func (l *letter) look() {
	if !l.looked {
		l.looked = true
		parsed, _ := l.c.Parsed()
		l.m = seen(l.c)
		if l.e.Verdict != nil {
			l.m.Results = l.e.Verdict.Results
		}
		l.s.study(&l.paper, parsed)
	}
}

// seen is what there is to see in a message on its way in. What stands in front of it changes nothing but the header, so nobody makes another
// record for it.
func seen(c *mailbox.Content) features.Message {
	front, rest := c.Split()
	return features.Message{Front: front, Summary: rest.Summary(), Body: rest}
}

// proven reports whether the author is who the From field says.
func (p *paper) proven() bool {
	return len(p.from.Host) > 0 && p.m.Facts.Proven != "" && strings.EqualFold(string(p.from.Host), p.m.Facts.Proven)
}

// For implements delivery.Letter.
func (l *letter) For(ctx context.Context, box *mailbox.Session) delivery.Opinion {
	m, err := l.s.mind(ctx, box)
	if err != nil {
		l.s.o.Logger.WarnContext(ctx, "what an account has learned about junk can't be read", "account", box.Account(), "err", err)
		m = &mind{}
	}
	if m.head.off {
		return delivery.Opinion{}
	}
	l.look()
	r := l.s.rule(&l.paper, box, m)
	l.s.heed(&r, l.e.Verdict)
	if r.junk() && !r.demanded && !r.dangerous() && l.aboutOurs(box, m) {
		r.spare("report")
		l.s.counts.reports.Add(1)
	}
	return l.opinion(&r, m)
}

// ruling is what an account thinks of a message, and why.
type ruling struct {
	score     model.Score
	threshold float64
	demanded  bool   // others demand it: the author's policy, a scanner
	spared    bool   // it isn't junk, whatever the score says
	because   string // why that is so
	signs     []signs.Sign
}

func (r *ruling) junk() bool { return r.demanded || !r.spared && r.score.Junk >= r.threshold }

// points is the score in percent, as it is told beside the limit: what is below the limit (99.9 %, say) never looks like what is beyond it.
func (r *ruling) points() int {
	n, limit := r.score.Points(), points(r.threshold)
	if r.score.Junk < r.threshold && n >= limit {
		return limit - 1
	}
	return n
}

// dangerous reports whether the message shows what honest mail nearly never does.
func (r *ruling) dangerous() bool {
	return slices.ContainsFunc(r.signs, func(s signs.Sign) bool { return s.Severity >= signs.Danger })
}

// demand: it is junk, whatever else is found.
func (r *ruling) demand(because string) { r.demanded, r.because = true, because }

// spare: it is good, whatever the score.
func (r *ruling) spare(because string) {
	if !r.demanded {
		r.spared, r.because = true, because
	}
}

// How much it adds to the log-odds that a message shows a sign which only somebody sees who knows the recipient's people, by how
// seldom honest mail does so; and how much all of them together.
var ofSign = [...]float64{signs.Notice: 0, signs.Warning: 1, signs.Danger: 2.5}

const ofSigns = 4.0

// rule judges a message for an account.
func (s *Service) rule(p *paper, box *mailbox.Session, m *mind) ruling {
	r := ruling{threshold: s.o.Threshold}
	known := box != nil && len(p.from.Host) > 0 && s.knows(m, box.Account(), p.from.Mailbox, p.from.Host)
	if known && p.proven() {
		r.spare("known")
	}
	add := s.town.standing(&p.m.Facts) + m.of(p.author)
	if p.signs != nil {
		r.signs = p.signs.For(signs.Circle{Domains: m.domains, Person: m.called, Known: r.spared})
		more := 0.0
		for _, sign := range r.signs[len(p.signs.Signs()):] {
			more += ofSign[sign.Severity]
		}
		add += min(more, ofSigns)
	}
	r.score = s.base.Judge(p.set, m.delta, s.town.delta()).Add(add)
	return r
}

// mostOfScan is how much a scanner that doesn't decide can add to the log-odds, or take away.
const mostOfScan = 2.0

// heed takes into account what others have found out about the message.
func (s *Service) heed(r *ruling, v *delivery.Verdict) {
	switch {
	case v == nil:
	case v.Junk:
		r.demand("policy")
	case v.ScanJunk && !r.spared:
		r.demand("scanner")
	case v.Scanned: // half of what is junk to it says nothing
		r.score = r.score.Add(max(-mostOfScan, min(mostOfScan, 4*(v.ScanScore-0.5))))
	}
}

// aboutOurs reports whether it is a notification about mail that the account has sent: it tells of a recipient that the account
// knows. What spammers send in the account's name comes back with recipients that it doesn't. Anybody can write such a notification, and guess whom
// people know: one that is dangerous isn't spared.
func (l *letter) aboutOurs(box *mailbox.Session, m *mind) bool {
	for _, address := range l.reported() {
		at := strings.LastIndexByte(address, '@')
		if at > 0 && l.s.knows(m, box.Account(), []byte(address[:at]), []byte(address[at+1:])) {
			return true
		}
	}
	return false
}

// reported are the recipients that a notification tells of, mostReported at most; none if it is none. It is read once.
func (l *letter) reported() []string {
	if l.readReport || l.e.From != "" || l.c.Size() > mostReport {
		return l.report
	}
	l.readReport = true
	b := make([]byte, l.c.Size())
	if n, _ := l.c.ReadAt(b, 0); n < len(b) {
		return nil
	}
	st, ok := dsn.Parse(l.c, message.Parse(b))
	if !ok {
		return nil
	}
	for i := range st.Recipients[:min(len(st.Recipients), mostReported)] {
		l.report = append(l.report, st.Recipients[i].Address, st.Recipients[i].Original)
	}
	return l.report
}

// mostReport is how large a notification may be to be read, in bytes, and mostReported how many of its recipients are looked at: whoever tells of
// very many hopes that one is known.
const (
	mostReport   = 1 << 20
	mostReported = 20
)

// opinion says it in delivery's words.
func (l *letter) opinion(r *ruling, m *mind) delivery.Opinion {
	o := delivery.Opinion{Judged: true, Junk: r.junk(), Score: max(1, r.points())}
	c := &l.s.counts
	switch {
	case o.Junk:
		c.junk.Add(1)
		o.Score = max(o.Score, points(r.threshold))
	case r.spared:
		if o.Score = min(o.Score, sparedScore); r.because == "known" && r.score.Junk >= r.threshold {
			c.known.Add(1)
		}
		c.good.Add(1)
	default:
		c.good.Add(1)
	}
	var reasons []string
	if o.Junk {
		reasons = l.s.reasons(&l.paper, m, mostReasons)
	}
	o.Field = field(r, &o, reasons)
	return o
}

// sparedScore is the most that rules hear of what is spared: less than "as likely junk as not".
const sparedScore = 40

// mostReasons is how many features a field names.
const mostReasons = 5

// reasons names the features that speak most for junk.
func (s *Service) reasons(p *paper, m *mind, n int) []string {
	var want []uint32
	for _, r := range s.base.Reasons(2*n, p.set, m.delta, s.town.delta()) {
		if r.Weight > 0 && len(want) < n {
			want = append(want, r.Feature)
		}
	}
	var names []string
	for _, name := range s.extract.Name(&p.m, want) {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

func points(p float64) int { return model.Score{Junk: p}.Points() }
