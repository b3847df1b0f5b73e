package setup

import (
	"fmt"
	"strings"
	"unicode"
)

// Level says how bad a finding is.
type Level string

// How bad a finding is.
const (
	OK    Level = "ok"    // as it should be
	Warn  Level = "warn"  // it works, but not as well as it could; or it can't be found out
	Wrong Level = "wrong" // mail gets lost, is refused or is not believed
)

// Finding is what a check has found out about one thing.
type Finding struct {
	// Topic is what it is about, in a word or two.
	Topic string `json:"topic"`
	Level Level  `json:"level"`
	// Text says what was found, Fix what to do; "" if nothing is to be done. Both are printable, on one line.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// Report is all that was found, in a fixed order.
type Report struct {
	Domain   string `json:"domain"`
	Hostname string `json:"hostname"`
	// Addresses are those that this server was taken to have.
	Addresses []string  `json:"addresses"`
	Findings  []Finding `json:"findings"`
}

// Count tells how many findings are of a level.
func (r *Report) Count(l Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// maxText is the longest text or fix, in bytes.
const maxText = 700

// notes gathers the findings of one check.
type notes struct {
	topic string
	all   []Finding
}

func (n *notes) ok(format string, args ...any) { n.add(OK, "", format, args...) }

func (n *notes) warn(fix, format string, args ...any) { n.add(Warn, fix, format, args...) }

func (n *notes) wrong(fix, format string, args ...any) { n.add(Wrong, fix, format, args...) }

func (n *notes) add(l Level, fix, format string, args ...any) {
	n.all = append(n.all, Finding{n.topic, l, clean(fmt.Sprintf(format, args...), maxText), clean(fix, maxText)})
}

// clean makes a text harmless: what would move a terminal's cursor or turn its text around becomes a question mark, and what is
// longer than most bytes is cut.
func clean(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// maxShown is how much of a stranger's text is shown, in bytes.
const maxShown = 120

// shown puts a stranger's text in quotes.
func shown(s string) string { return "\"" + clean(s, maxShown) + "\"" }

// many is a list for people.
func many[T any](all []T) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = fmt.Sprint(a)
	}
	return strings.Join(words, ", ")
}
