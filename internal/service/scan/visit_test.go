package scan_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
)

// guide is a program that goes along with clients.
type guide struct {
	thinks
	deaf  bool // to all but content
	says  map[scan.Stage]scan.Finding
	fails map[scan.Stage]error
	slow  time.Duration
	heard []string
}

var stageNames = [...]string{"connect", "hello", "mail", "recipient", "data", "content"}

func (g *guide) Begin() scan.Conversation { return g }
func (g *guide) Heeds(at scan.Stage) bool { return !g.deaf || at == scan.AtContent }
func (g *guide) Abort()                   { g.heard = append(g.heard, "abort") }
func (g *guide) Close()                   { g.heard = append(g.heard, "close") }
func (g *guide) note(at scan.Stage)       { g.heard = append(g.heard, stageNames[at]) }
func (g *guide) forget() (heard []string) { heard, g.heard = g.heard, nil; return heard }
func (g *guide) program(name string) scan.Program {
	return scan.Program{Name: name, Scanner: g, Timeout: 10 * time.Second, Most: scan.Reject, Virus: scan.Reject}
}

func (g *guide) Step(ctx context.Context, at scan.Stage, m *scan.Message) (scan.Finding, error) {
	g.note(at)
	if g.slow > 0 {
		select {
		case <-time.After(g.slow):
		case <-ctx.Done():
			return scan.Finding{}, ctx.Err()
		}
	}
	return g.says[at], g.fails[at]
}

// walk goes through a client's steps with one message, until one is refused.
func walk(t *testing.T, set *scan.Set, v *scan.Visit) (refusedAt string, r *scan.Report) {
	t.Helper()
	m := scantest.Message(0)
	for at := scan.AtConnect; at < scan.AtContent; at++ {
		if at == scan.AtMail {
			v.Mail()
		}
		if f := v.Step(t.Context(), at, m); f.Action != scan.Accept {
			return stageNames[at] + " " + f.Scanner + " " + f.Action.String(), nil
		}
	}
	return "", set.Scan(t.Context(), m, v)
}

// Each step can be refused, and ends the walk; what else is wanted waits for the message, and nobody who has decided hears more of it.
func TestSteps(t *testing.T) {
	final := scan.Finding{Final: true}
	for name, c := range map[string]struct {
		says      map[scan.Stage]scan.Finding
		fails     map[scan.Stage]error
		most      scan.Action
		onFailure scan.Action
		refused   string
		heard     []string
		action    scan.Action
	}{
		"nothing":              {heard: []string{"connect", "hello", "abort", "mail", "recipient", "data", "content"}, most: scan.Reject},
		"refuses connections":  {says: map[scan.Stage]scan.Finding{scan.AtConnect: {Action: scan.Reject}}, most: scan.Reject, refused: "connect k reject", heard: []string{"connect"}},
		"puts off a name":      {says: map[scan.Stage]scan.Finding{scan.AtHello: {Action: scan.TempFail}}, most: scan.Reject, refused: "hello k tempfail", heard: []string{"connect", "hello"}},
		"refuses a sender":     {says: map[scan.Stage]scan.Finding{scan.AtMail: {Action: scan.Reject}}, most: scan.Reject, refused: "mail k reject", heard: []string{"connect", "hello", "abort", "mail"}},
		"refuses a recipient":  {says: map[scan.Stage]scan.Finding{scan.AtRecipient: {Action: scan.Reject}}, most: scan.Reject, refused: "recipient k reject", heard: []string{"connect", "hello", "abort", "mail", "recipient"}},
		"refuses the data":     {says: map[scan.Stage]scan.Finding{scan.AtData: {Action: scan.Reject}}, most: scan.Reject, refused: "data k reject", heard: []string{"connect", "hello", "abort", "mail", "recipient", "data"}},
		"lets a client in":     {says: map[scan.Stage]scan.Finding{scan.AtConnect: final}, most: scan.Reject, heard: []string{"connect", "abort"}},
		"lets a message in":    {says: map[scan.Stage]scan.Finding{scan.AtMail: final}, most: scan.Reject, heard: []string{"connect", "hello", "abort", "mail"}},
		"discards at RCPT":     {says: map[scan.Stage]scan.Finding{scan.AtRecipient: {Action: scan.Discard, Final: true}}, most: scan.Reject, heard: []string{"connect", "hello", "abort", "mail", "recipient"}, action: scan.Discard},
		"junk instead":         {says: map[scan.Stage]scan.Finding{scan.AtMail: {Action: scan.Reject}}, most: scan.Junk, heard: []string{"connect", "hello", "abort", "mail"}, action: scan.Junk},
		"fails early":          {fails: map[scan.Stage]error{scan.AtConnect: errors.New("x")}, most: scan.Reject, onFailure: scan.TempFail, heard: []string{"connect", "abort", "mail", "recipient", "data", "content"}},
		"fails at MAIL":        {fails: map[scan.Stage]error{scan.AtMail: errors.New("x")}, most: scan.Reject, onFailure: scan.TempFail, refused: "mail k tempfail", heard: []string{"connect", "hello", "abort", "mail"}},
		"fails, and is missed": {fails: map[scan.Stage]error{scan.AtMail: errors.New("x")}, most: scan.Reject, heard: []string{"connect", "hello", "abort", "mail"}},
		"fails at the end":     {fails: map[scan.Stage]error{scan.AtContent: errors.New("x")}, most: scan.Reject, onFailure: scan.TempFail, heard: []string{"connect", "hello", "abort", "mail", "recipient", "data", "content"}, action: scan.TempFail},
	} {
		g := &guide{says: c.says, fails: c.fails}
		p := g.program("k")
		p.Most, p.OnFailure = c.most, c.onFailure
		set := scan.New([]scan.Program{p}, scan.Options{})
		refused, r := walk(t, set, set.Visit())
		if refused != c.refused || !slices.Equal(g.heard, c.heard) {
			t.Errorf("%s: refused %q, heard %q", name, refused, g.heard)
		}
		if r != nil && r.Action() != c.action {
			t.Errorf("%s: %v", name, r.Action())
		}
	}
}

// A second message begins anew, but for what was decided of the client.
func TestSecondMessage(t *testing.T) {
	g := &guide{says: map[scan.Stage]scan.Finding{scan.AtMail: {Final: true}}}
	set := scan.New([]scan.Program{g.program("k")}, scan.Options{})
	v := set.Visit()
	walk(t, set, v)
	g.forget()
	g.says = nil
	v.Mail()
	v.Step(t.Context(), scan.AtMail, scantest.Message(0))
	v.Close()
	if want := []string{"abort", "mail", "close"}; !slices.Equal(g.heard, want) {
		t.Errorf("heard %q", g.heard)
	}
	if !v.Heeds(scan.AtRecipient, scan.Incoming) || v.Heeds(scan.AtRecipient, scan.Outgoing) {
		t.Error("it heeds what it shouldn't")
	}
	if v := scan.New([]scan.Program{program("other", scan.Finding{})}, scan.Options{}).Visit(); v != nil || v.Heeds(scan.AtConnect, scan.Incoming) {
		t.Error("there is nobody to go along")
	}
	var none *scan.Visit
	none.Mail()
	none.Abort()
	none.Close()
}

// A program that is slow at every step is waited for a few times its limit with one message, and not longer.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guide{slow: 9 * time.Second}
		p := g.program("k")
		p.OnFailure = scan.TempFail
		set := scan.New([]scan.Program{p}, scan.Options{})
		v := set.Visit()
		v.Mail()
		began, refused := time.Now(), 0
		for range 100 {
			if f := v.Step(t.Context(), scan.AtRecipient, scantest.Message(0)); f.Failed {
				refused++
			}
		}
		if took := time.Since(began); took > 41*time.Second || refused < 95 {
			t.Errorf("%d refused after %v", refused, took)
		}
		g.slow = 0
		other := set.Visit()
		if other.Mail(); other.Step(t.Context(), scan.AtMail, scantest.Message(0)).Failed { // it isn't taken for out of order
			t.Error("the next client does without it")
		}
	})
}

// Those that go along see what those before them have changed, and all others what is to be delivered; who refuses ends it.
func TestOneAfterTheOther(t *testing.T) {
	var seen []string
	look := func(name string) thinks {
		return func(_ context.Context, m *scan.Message) (scan.Finding, error) {
			seen = append(seen, name+" sees "+text(t, m))
			return scan.Finding{}, nil
		}
	}
	first := &changer{says: scan.Finding{Fields: []scan.Field{{Name: "X-First", Value: "1"}}, Changes: &scan.Changes{Header: []scan.HeaderChange{{Name: "Subject", Place: 1, Value: "changed"}}}}}
	second := &changer{says: scan.Finding{Fields: []scan.Field{{Name: "X-Second", Value: "2"}}, Changes: &scan.Changes{Envelope: []scan.EnvelopeChange{{Do: scan.AddRecipient, Address: "x@example.test"}}}}}
	last := scan.Program{Name: "c", Scanner: look("c"), Most: scan.Reject}
	set := scan.New([]scan.Program{last, {Name: "a", Scanner: first, Most: scan.Reject}, {Name: "b", Scanner: second, Most: scan.Reject, Outgoing: true}}, scan.Options{})
	r := set.Scan(t.Context(), draftable("Subject: old\r\nA: b\r\n\r\nbody"), nil)
	const changed = "Subject: changed\r\nA: b\r\n\r\nbody"
	if want := []string{"c sees " + changed}; !slices.Equal(seen, want) || second.saw != changed || second.front != 1 {
		t.Errorf("%q; the second saw %q", seen, second.saw)
	}
	if got := r.Fields(); got != "X-Second: 2\r\nX-First: 1\r\n" {
		t.Errorf("fields %q", got)
	}
	if len(r.Changes) != 1 || r.Changes[0] != (scan.EnvelopeChange{Do: scan.AddRecipient, Address: "x@example.test", By: "b", Outgoing: true}) || r.Edited == nil {
		t.Errorf("%+v", r.Changes)
	}
	seen = nil
	first.says = scan.Finding{Action: scan.Reject}
	if r := set.Scan(t.Context(), draftable("A: b\r\n\r\n"), nil); len(r.Findings) != 1 || r.Decision().Scanner != "a" || seen != nil {
		t.Errorf("%+v", r.Findings)
	}
}

// changer goes along, and wants something changed.
type changer struct {
	thinks
	says  scan.Finding
	saw   string
	front int
}

func (c *changer) Begin() scan.Conversation { return c }
func (c *changer) Heeds(scan.Stage) bool    { return true }
func (c *changer) Abort()                   {}
func (c *changer) Close()                   {}
func (c *changer) Step(_ context.Context, _ scan.Stage, m *scan.Message) (scan.Finding, error) {
	b := make([]byte, m.Size)
	m.Content.ReadAt(b, 0) //nolint:errcheck // the test sees
	c.saw, c.front = string(b), len(m.Front)
	return c.says, nil
}

// What may not be changed isn't: a message that would be wrong without it counts as one that the program had no answer to.
func TestExtents(t *testing.T) {
	header := &scan.Changes{Header: []scan.HeaderChange{{Name: "A", Place: 1, Value: "new"}}}
	body := &scan.Changes{Body: draftOf("x")}
	envelope := &scan.Changes{Envelope: []scan.EnvelopeChange{{Do: scan.SetSender}}}
	for _, c := range []struct {
		extent         scan.Extent
		changes        *scan.Changes
		failed, edited bool
	}{
		{scan.ChangeAll, header, false, true}, {scan.ChangeAll, body, false, true}, {scan.ChangeAll, envelope, false, false},
		{scan.ChangeHeaders, header, false, true}, {scan.ChangeHeaders, body, true, false}, {scan.ChangeHeaders, envelope, true, false},
		{scan.ChangeNone, header, false, false}, {scan.ChangeNone, body, true, false}, {scan.ChangeNone, envelope, true, false},
	} {
		p := program("p", scan.Finding{Changes: c.changes})
		p.Changes, p.OnFailure = c.extent, scan.TempFail
		r := scan.New([]scan.Program{p}, scan.Options{}).Scan(t.Context(), draftable("A: b\r\n\r\nbody"), nil)
		if f := r.Findings[0]; f.Failed != c.failed || (r.Edited != nil) != c.edited || c.failed != (r.Action() == scan.TempFail) {
			t.Errorf("%+v: %+v", c, f)
		}
	}
	p := program("p", scan.Finding{Changes: header})
	m := draftable("A: b\r\n\r\nbody")
	m.Draft = nil
	if r := scan.New([]scan.Program{p}, scan.Options{}).Scan(t.Context(), m, nil); !r.Findings[0].Failed || !fault.Is(fault.New(fault.Unsupported, ""), fault.Unsupported) {
		t.Errorf("%+v", r.Findings)
	}
}
