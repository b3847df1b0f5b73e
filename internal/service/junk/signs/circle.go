package signs

import (
	"slices"
	"strings"
	"unicode"

	"postroad/internal/format/confusable"
)

// Circle is what a recipient knows of the world. The zero value is somebody who knows nobody.
type Circle struct {
	// Domains are those that the recipient knows, as Registered has them: their own, and those of people they write to. At most maxDomains
	// are compared.
	Domains []string
	// Person returns the addresses under which the recipient knows somebody with a name, given as NameKey has it; nil: knows nobody.
	Person func(key string) []string
	// Known: the author's address has written to the recipient before, or is known otherwise.
	Known bool
}

const maxDomains = 1000

// For returns the message's signs with those that only this recipient can see, at most MaxSigns.
func (m *Message) For(c Circle) []Sign {
	all := found(slices.Clone(m.all))
	for _, known := range c.Domains[:min(len(c.Domains), maxDomains)] {
		if s := alike(&m.site, known); s > 0 {
			all.add(FromLookalike, s, shown(m.domain), known)
		}
		for i := range m.sites {
			if s := alike(&m.sites[i], known); s > 0 {
				all.add(LinkLookalike, s, shown(m.hosts[i]), known)
			}
		}
	}
	hurry := !c.Known && m.hurry
	if hurry {
		all.add(UrgentStranger, Notice, m.subject)
	}
	m.person(c, hurry, &all)
	return all
}

// person looks whether the recipient knows the author's name under another address.
func (m *Message) person(c Circle, hurry bool, all *found) {
	if c.Person == nil || c.Known || m.key == "" || m.domain == "" {
		return
	}
	known := c.Person(m.key)
	for _, a := range known {
		_, host, _ := strings.Cut(a, "@")
		if registered(lower(host)) == m.site.registered {
			return // another address of theirs
		}
	}
	if len(known) == 0 {
		return
	}
	severity := Warning
	if hurry || slices.ContainsFunc(m.all, func(s Sign) bool { return s.Kind == ReplyElsewhere }) {
		severity = Danger
	}
	all.add(NamePerson, severity, known[0], m.from.Addr())
}

// NameKey is a person's name for comparisons: its words as they look, in order, so that "Doe, Jane" is "Jane Dоe". It is "" for what isn't
// a person's whole name: a single word, an address, very many words. What is behind maxName bytes that can be seen doesn't count, so that nobody
// hides a name before a mass of blanks.
func NameKey(name string) string {
	if name == "" {
		return ""
	}
	var room [8]string
	words := room[:0]
	seen := 0
	for w := range strings.FieldsSeq(blanksIn(name[:min(len(name), 20*maxName)])) {
		w = confusable.Skeleton(w)
		if seen += len(w); seen > maxName {
			break
		}
		if !strings.Contains(w, "@") {
			for part := range strings.FieldsFuncSeq(w, notOfName) {
				words = append(words, part)
			}
		}
	}
	if len(words) < 2 || len(words) > 6 {
		return ""
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// notOfName reports whether a character parts the words of a name.
func notOfName(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' }

// blanksIn puts blanks in the place of letters that look like them (Hangul fillers).
func blanksIn(s string) string {
	if !strings.ContainsAny(s, fillers) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(fillers, r) {
			return ' '
		}
		return r
	}, s)
}

const fillers = "\u115f\u1160\u3164\uffa0"

// hurries are words by which people are made to act before they think: the beginnings of words, in lower case.
var hurries = [...]string{
	"urgent", "immediate", "suspend", "verify your", "action required", "expires today", "final notice", "last warning", "account locked", "unusual sign",
	"dringend", "sofort", "gesperrt", "letzte mahnung", "bestätigen sie", "konto eingeschränkt",
	"immédiat", "suspendu", "dernier avis", "urgente", "inmediat", "suspendida", "último aviso", "sospeso", "ultimo avviso", "dringende", "geblokkeerd", "срочно",
}

// hurriesBy are these words by their first octet.
var hurriesBy = func() (by [256][]string) {
	for _, w := range hurries {
		by[w[0]] = append(by[w[0]], w)
	}
	return by
}()

// mayBeUrgent reports whether one of these words begins in a text where a word may begin.
func mayBeUrgent(s string) bool {
	for i := range len(s) {
		if i > 0 && letterOrDigit(s[i-1]) {
			continue
		}
		for _, w := range hurriesBy[s[i]] {
			if strings.HasPrefix(s[i:], w) {
				return true
			}
		}
	}
	return false
}

// urgent reports whether a subject is in a hurry.
func urgent(subject string) bool {
	s := strings.ToLower(subject[:min(len(subject), maxName)])
	if !mayBeUrgent(s) { // as most
		return false
	}
	return slices.ContainsFunc(hurries[:], func(w string) bool {
		i := strings.Index(s, w)
		return i == 0 || i > 0 && !letterOrDigit(s[i-1])
	})
}
