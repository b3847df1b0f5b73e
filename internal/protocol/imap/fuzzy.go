package imap

import (
	"bytes"
	"unicode"

	"postroad/internal/model/mailbox"
)

// A FUZZY key (RFC 6203) is met by messages that have most of the words that are looked for, or words much like them; how
// well is its score, of 1 to 100. What isn't text is compared exactly: §5 leaves that to servers.

// fuzzyKey consumes the key behind FUZZY.
func (s *session) fuzzyKey(q *searching) criterion {
	q.fuzzy++
	q.scored = true
	k := s.searchKey(q)
	q.fuzzy--
	return k
}

// maxFuzzyWords is how many words of a text are looked for.
const maxFuzzyWords = 16

// Scores of what has the text as it is, all of its words, all of them in other forms.
const (
	scoreExact = 100
	scoreWords = 80
	scoreForms = 50
)

// rate says how well a text, folded, has what is looked for; 0: not at all.
func rate(text, needle []byte, words [][]byte) int {
	if bytes.Contains(text, needle) {
		return scoreExact
	}
	sum := 0
	for _, w := range words {
		switch {
		case bytes.Contains(text, w):
			sum += scoreWords
		case hasSimilar(text, w):
			sum += scoreForms
		}
	}
	return rated(sum, len(words))
}

// rated is the score of words that have so many points together: most of them must be there.
func rated(sum, words int) int {
	if words == 0 || sum*2 < words*scoreForms {
		return 0
	}
	return max(1, sum/words)
}

// wordsOf cuts folded text into words.
func wordsOf(text []byte) [][]byte {
	words := bytes.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	return words[:min(len(words), maxFuzzyWords)]
}

// hasSimilar reports whether a text has a word that differs from w by a letter, two if it is long.
func hasSimilar(text, w []byte) bool {
	allowed := len(w) / 4
	if allowed == 0 {
		return false
	}
	allowed = min(allowed, 2)
	for len(text) > 0 {
		start := bytes.IndexFunc(text, unicode.IsLetter)
		if start < 0 {
			return false
		}
		text = text[start:]
		end := bytes.IndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
		if end < 0 {
			end = len(text)
		}
		if near(text[:end], w, allowed) {
			return true
		}
		text = text[end:]
	}
	return false
}

// near reports whether so many letters inserted, left out or exchanged make one word of the other.
func near(a, b []byte, allowed int) bool {
	const longest = 64
	if len(a)-len(b) > allowed || len(b)-len(a) > allowed || len(b) > longest {
		return false
	}
	var rows [2][longest + 1]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := range len(a) {
		last, row := &rows[i%2], &rows[(i+1)%2]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
		}
	}
	return rows[len(a)%2][len(b)] <= allowed
}

// matchText reports whether text that was folded has the needle, fuzzily if words aren't nil.
func (m *matching) matchText(text, needle []byte, words [][]byte) bool {
	if words == nil {
		return bytes.Contains(text, needle)
	}
	return m.scored(rate(text, needle, words))
}

// scored notes the score of a key; it is met if there is one.
func (m *matching) scored(score int) bool {
	if score > 0 {
		m.score += score
		m.scores++
	}
	return score > 0
}

// relevancy is the score of the message at hand.
func (m *matching) relevancy() uint8 {
	if m.scores == 0 {
		return 1
	}
	return uint8(max(1, min(100, m.score/m.scores)))
}

// fuzzyWords are the words to look for, nil if the key isn't a fuzzy one.
func (q *searching) fuzzyWords(needle []byte) [][]byte {
	if q.fuzzy == 0 {
		return nil
	}
	return append([][]byte{}, wordsOf(needle)...)
}

// indexedWord is a word that is looked for in the index: as it is, and by its beginning, which its other forms share.
type indexedWord struct{ exact, form indexed }

// fuzzyIndexKey searches in whole messages for most of the words of a text. What is in the subject or an address counts more
// to people than what is somewhere in a text, and so do keys for those.
func fuzzyIndexKey(needle string, search func(string) *mailbox.TextSearch) criterion {
	lookFor := func(text string) indexed { return indexed{search: func() *mailbox.TextSearch { return search(text) }} }
	whole := lookFor(needle)
	var words []indexedWord
	for _, w := range wordsOf([]byte(needle)) {
		words = append(words, indexedWord{lookFor(string(w)), lookFor(beginning(w))})
	}
	return criterion{cost: byContent, match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
		if ok, err := m.ask(&whole, r); ok || err != nil {
			return ok && m.scored(scoreExact*4/5), err
		}
		sum := 0
		for i := range words {
			ok, err := m.ask(&words[i].exact, r)
			if ok {
				sum += scoreWords
			} else if err == nil {
				if ok, err = m.ask(&words[i].form, r); ok {
					sum += scoreForms
				}
			}
			if err != nil {
				return false, err
			}
		}
		return m.scored(rated(sum, len(words)) * 4 / 5), nil
	}}
}

// beginning is a word without what its forms differ in, if it is long enough.
func beginning(w []byte) string {
	r := []rune(string(w))
	return string(r[:max(min(len(r), 4), len(r)-3)])
}
