package scan

import (
	"context"
	"sync"
	"time"
)

// Gatekeeper is a Scanner that has something to say about recipients before a message comes: each can be refused apart then.
type Gatekeeper interface {
	Scanner
	// Heeds reports whether the program wants to be asked; it must cost nothing. What isn't known yet is a yes.
	Heeds() bool
	// Recipient shows it the last recipient of a message whose content isn't there yet. Else it is as Scan.
	Recipient(ctx context.Context, m *Message) (Finding, error)
}

// AsksRecipients reports whether anybody is to be asked about recipients of mail of a direction.
func (s *Set) AsksRecipients(d Direction) bool {
	if s == nil {
		return false
	}
	for _, p := range s.programs {
		if g, ok := p.Scanner.(Gatekeeper); ok && p.wants(d) && g.Heeds() {
			return true
		}
	}
	return false
}

// Recipient asks those who have something to say about recipients, at the same time, what they think of the last one of m, which
// has no content. A recipient that they want discarded, quarantined or held for junk is let pass: they will be asked about the message.
func (s *Set) Recipient(ctx context.Context, m *Message) *Report {
	var asked []*program
	for _, p := range s.programs {
		if g, ok := p.Scanner.(Gatekeeper); ok && p.wants(m.Direction) && g.Heeds() {
			asked = append(asked, p)
		}
	}
	r := &Report{Findings: make([]Finding, len(asked))}
	var all sync.WaitGroup
	for i, p := range asked {
		all.Go(func() {
			began := time.Now()
			f := s.question(ctx, p, m, p.Scanner.(Gatekeeper).Recipient)
			if f.Action != Reject && f.Action != TempFail {
				f.Action = Accept
			}
			f.Scanner, f.Took = p.Name, time.Since(began)
			r.Findings[i] = f
		})
	}
	all.Wait()
	return r
}
