package imap

import (
	"strings"

	"postroad/internal/model/mailbox"
)

// expectation is what a client that knows a message's old flags expects of a change: if the message has
// others then, somebody else has changed them too (RFC 9051 §6.4.6). A message may have thousands of
// keywords, and a change as many, so nothing here goes through one list for each entry of another.
type expectation struct {
	change   *mailbox.FlagChange
	keywords map[string]bool // the change's, in lower case

	old, now *mailbox.Keywords // what was compared last: messages often share their sets
	same     bool              // the answer to that
	compared bool
}

func newExpectation(c *mailbox.FlagChange) *expectation {
	e := &expectation{change: c, keywords: map[string]bool{}}
	for _, k := range c.Keywords {
		e.keywords[strings.ToLower(k)] = true
	}
	return e
}

// met reports whether a row is what the change makes of the old one.
func (e *expectation) met(old, row *mailbox.Row) bool {
	want := e.change.Flags
	switch e.change.Op {
	case mailbox.AddFlags:
		want |= old.Flags
	case mailbox.RemoveFlags:
		want = old.Flags &^ want
	}
	if row.Flags != want {
		return false
	}
	if !e.compared || e.old != old.Keywords || e.now != row.Keywords {
		e.old, e.now, e.compared = old.Keywords, row.Keywords, true
		e.same = e.keywordsMet(e.old.Names(), e.now.Names())
	}
	return e.same
}

// keywordsMet goes through two sorted lists side by side. An account spells each of its keywords in one way.
func (e *expectation) keywordsMet(old, now []string) bool {
	named := 0 // keywords of the change that the message has now
	for len(old) > 0 || len(now) > 0 {
		had := len(now) == 0 || len(old) > 0 && old[0] <= now[0]
		has := len(old) == 0 || len(now) > 0 && now[0] <= old[0]
		var name string
		if had {
			name, old = old[0], old[1:]
		}
		if has {
			name, now = now[0], now[1:]
		}
		in := e.keywords[strings.ToLower(name)]
		if has != e.wanted(had, in) {
			return false
		}
		if has && in {
			named++
		}
	}
	return e.change.Op == mailbox.RemoveFlags || named == len(e.keywords)
}

// wanted reports whether a message should have a keyword, that it had or not, and that is in the change or not.
func (e *expectation) wanted(had, in bool) bool {
	switch e.change.Op {
	case mailbox.AddFlags:
		return had || in
	case mailbox.RemoveFlags:
		return had && !in
	}
	return in
}
