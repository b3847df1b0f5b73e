package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/forward"
)

// flaky is an outbox that fails now and then.
type flaky struct {
	outbox
	begin, wait func() bool // whether to fail
}

func (f *flaky) Begin(ctx context.Context, s Submission) (Pending, error) {
	if f.begin() {
		return nil, fault.New(fault.Unavailable, "no room")
	}
	if f.wait() {
		return done{fault.New(fault.Unavailable, "no room")}, nil
	}
	return f.outbox.Begin(ctx, s)
}

// street is what addresses of example.org lead to in the model.
type street struct {
	accounts []string            // a0 ... ; those from a3 on have no room
	leads    map[string][]string // aliases and groups, by address
	lists    map[string][]string // members
}

const tiny = 3

func full3(name string) bool { return name >= fmt.Sprintf("a%d", tiny) }

// newStreet has the accounts.
func newStreet(t *testing.T, h *house) *street {
	s := &street{leads: map[string][]string{}, lists: map[string][]string{}}
	for i := range 5 {
		name := fmt.Sprintf("a%d", i)
		quota := int64(0)
		if full3(name) {
			quota = 10
		}
		h.add(t, name, quota)
		s.accounts = append(s.accounts, name+"@example.org")
	}
	for _, name := range []string{"club@example.org", "news@example.org"} {
		_, err := h.dir.NewGroup(t.Context(), directory.NewGroup{Address: name, List: true})
		check(t, err)
	}
	return s
}

// draw says where aliases and lists lead, in the house and in the model.
func (s *street) draw(t *rapid.T, tt *testing.T, h *house) {
	places := append(slices.Clone(s.accounts), "x@far.example", "y@far.example", "z@other.example")
	for _, name := range []string{"one@example.org", "two@example.org"} {
		s.leads[name] = rapid.SliceOfNDistinct(rapid.SampledFrom(places), 1, 4, rapid.ID[string]).Draw(t, name)
		check(tt, h.dir.AddAlias(tt.Context(), name, s.leads[name]))
	}
	for _, name := range []string{"club@example.org", "news@example.org"} {
		s.lists[name] = rapid.SliceOfNDistinct(rapid.SampledFrom(places), 1, 4, rapid.ID[string]).Draw(t, name)
		check(tt, h.dir.SetMembers(tt.Context(), name, s.lists[name]))
	}
}

// split parts addresses here from those elsewhere.
func split(all []string) (here, there []string) {
	for _, a := range all {
		if strings.HasSuffix(a, "@example.org") {
			here = append(here, a)
		} else {
			there = append(there, a)
		}
	}
	return here, there
}

// TestModel: whatever fails, a recipient whose result is no error has the message wherever it leads, but for mailboxes without
// room if others have it, or it waits in the queue; and nobody gets it twice, or under a name that isn't theirs to use.
func TestModel(t *testing.T) {
	h := newHouse(t)
	s := newStreet(t, h)
	had := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		q := &flaky{begin: drawFailures(rt, "begin"), wait: drawFailures(rt, "wait")}
		h.queue = q
		s.draw(rt, t, h)
		e := drawEnvelope(rt, h)
		to := drawRecipients(rt, t, h, s, e)
		if len(to) == 0 {
			return
		}
		results := h.Deliver(t.Context(), e, to, h.message(t, letter))
		m := &seen{t: rt, e: &e, q: q, inboxes: map[string][]string{}}
		for _, name := range s.accounts {
			all := h.inbox(t, strings.TrimSuffix(name, "@example.org"))
			m.inboxes[name], had[name] = all[had[name]:], len(all)
		}
		m.nobodyTwice()
		m.names(h)
		for i, err := range results {
			m.recipient(s, to[i].Address, err)
		}
	})
}

func drawFailures(t *rapid.T, what string) func() bool {
	plan := rapid.SliceOfN(rapid.Bool(), 0, 3).Draw(t, what)
	return func() bool {
		if len(plan) == 0 {
			return false
		}
		fails := plan[0]
		plan = plan[1:]
		return fails
	}
}

func drawEnvelope(t *rapid.T, h *house) Envelope {
	e := Envelope{ID: "q1", From: "carol@far.example"}
	switch rapid.SampledFrom([]string{"stranger", "proved", "signed in", "relay"}).Draw(t, "sender") {
	case "proved":
		e.Verdict = &Verdict{Sender: true}
	case "signed in":
		e.From, e.Who = "a0@example.org", &ident.Identity{Account: h.ids["a0"]}
	case "relay":
		e.Trusted, e.Each = true, true
	}
	return e
}

func drawRecipients(t *rapid.T, tt *testing.T, h *house, s *street, e Envelope) (to []Recipient) {
	names := append(slices.Clone(s.accounts), "one@example.org", "two@example.org", "club@example.org", "news@example.org")
	if e.Who != nil {
		names = append(names, "x@far.example", "v@new.example")
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 5, rapid.ID[string]).Draw(t, "to") {
		r, err := h.Recipient(tt.Context(), Sender{Who: e.Who, From: e.From}, name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		to = append(to, r)
	}
	return to
}

// seen is what a delivery has left behind.
type seen struct {
	t       *rapid.T
	e       *Envelope
	q       *flaky
	inboxes map[string][]string
}

const clubMail, newsMail = "Return-Path: <club+bounces@example.org>", "Return-Path: <news+bounces@example.org>"

func (m *seen) nobodyTwice() {
	for name, texts := range m.inboxes {
		kinds := map[string]int{}
		for _, text := range texts {
			line, _, _ := strings.Cut(text, "\r\n")
			kinds[line]++
			if kinds[line] > 1 {
				m.t.Errorf("%s has two copies with %s", name, line)
			}
		}
	}
	got := map[string]bool{}
	for _, s := range m.q.got {
		for _, r := range s.Recipients {
			// a forwarded copy says from which address; one from a list, which list
			key := s.ID + " " + r.Address
			if got[key] {
				m.t.Errorf("%s twice in %s", r.Address, s.ID)
			}
			got[key] = true
		}
	}
}

// names: strangers' mail leaves under a name of ours, and people's own under theirs.
func (m *seen) names(h *house) {
	for _, s := range m.q.got {
		here, there := split(places(s))
		switch {
		case len(here) > 0 && (len(there) > 0 || s.From != m.e.From):
			m.t.Errorf("left to the queue: %+v", s)
		case len(here) > 0, strings.Contains(s.From, "+bounces@example.org"), m.e.Who != nil && s.From == m.e.From:
		default:
			back, voice, err := h.paths.Back(s.From)
			told := m.e.Trusted || m.e.Verdict != nil
			if err != nil || back != m.e.From || (voice == forward.Told) != told {
				m.t.Errorf("%s leaves from %s", m.e.From, s.From)
			}
		}
	}
}

func places(s Submission) (all []string) {
	for _, r := range s.Recipients {
		all = append(all, r.Address)
	}
	return all
}

// recipient holds one result against what there is.
func (m *seen) recipient(s *street, address string, err error) {
	leads, list := []string{address}, ""
	if l, ok := s.leads[address]; ok {
		leads = l
	}
	if l, ok := s.lists[address]; ok {
		leads, list = l, address
	}
	reached, missed, full := 0, 0, 0
	for _, place := range leads {
		switch {
		case m.has(place, address, list):
			reached++
		case strings.HasPrefix(place, "a") && full3(place[:2]):
			full++
		default:
			missed++
		}
	}
	waits := m.waits(address)
	switch {
	case err == nil && !waits && (missed > 0 || reached == 0):
		m.t.Errorf("%s has gone well, but of %v %d were missed, %d had no room", address, leads, missed, full)
	case err != nil && missed == 0 && reached > 0:
		m.t.Errorf("%s failed (%v), though nothing is missing", address, err)
	case waits && (m.e.Who == nil && m.e.Verdict == nil || m.e.Each):
		m.t.Errorf("%s waits, though nobody could be told", address)
	}
}

// has reports whether a place has the copy that it should get because of an address.
func (m *seen) has(place, address, list string) bool {
	front := "Return-Path: <" + m.e.From + ">"
	switch list {
	case "club@example.org":
		front = clubMail
	case "news@example.org":
		front = newsMail
	}
	if texts, here := m.inboxes[place]; here {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.HasPrefix(t, front) })
	}
	for i, s := range m.q.got {
		if !slices.Contains(places(s), place) {
			continue
		}
		switch {
		case list != "" && s.From == strings.Replace(list, "@", "+bounces@", 1),
			list == "" && m.e.Who != nil && s.From == m.e.From,
			list == "" && strings.Contains("\r\n"+m.q.texts[i], "\r\nDelivered-To: "+address+"\r\n"): // one copy may stand for several addresses
			return true
		}
	}
	return false
}

// waits reports whether the recipient itself was left to the queue.
func (m *seen) waits(address string) bool {
	return slices.ContainsFunc(m.q.got, func(s Submission) bool {
		return s.From == m.e.From && slices.Contains(places(s), address) && strings.HasSuffix(address, "@example.org")
	})
}
