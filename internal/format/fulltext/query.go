package fulltext

import (
	"bytes"
	"unicode/utf8"
)

// A Query is a needle, ready to be looked for. It is immutable.
type Query struct {
	needle   []byte
	patterns [][]byte // each is in some term of every document that has the needle
	exact    bool
}

// Compile makes a query of a folded needle.
func Compile(needle []byte) *Query {
	q := &Query{needle: bytes.Clone(needle)}
	for at := 0; at < len(needle); {
		c, n := next(needle[at:])
		piece := needle[at : at+n]
		open, closed := at > 0, at+n < len(needle)
		switch c {
		case word:
			q.addWord(piece, open, closed)
		case dense:
			q.addDense(piece)
		}
		q.exact = n == len(needle) && (c == word && n <= overlap || c == dense && utf8.RuneCount(piece) <= 2)
		at += n
	}
	return q
}

// addWord adds a piece of a word; open and closed say whether it is known that the word begins or ends with it.
func (q *Query) addWord(piece []byte, open, closed bool) {
	if len(piece) > overlap { // one term has its beginning, one its end: at the beginning of the term, and at the end, if those are the word's
		if closed = closed && !open; closed {
			piece = piece[len(piece)-overlap:]
		} else {
			piece = piece[:overlap]
		}
	}
	var p []byte
	if open {
		p = append(p, 0)
	}
	p = append(p, piece...)
	if closed {
		p = append(p, 0)
	}
	q.patterns = append(q.patterns, p)
}

func (q *Query) addDense(piece []byte) {
	pairs(piece, func(t []byte) { q.patterns = append(q.patterns, t) })
}

// Exact reports whether what Search finds has the needle for sure.
func (q *Query) Exact() bool { return q.exact }

// Token reports whether the needle is a piece of a token: then SearchTokens finds it, exactly.
func (q *Query) Token() bool {
	if len(q.needle) == 0 || len(q.needle) > overlap {
		return false
	}
	joined := false
	for _, c := range q.needle {
		if !inToken(c) {
			return false
		}
		joined = joined || asciiClass[c] != word
	}
	return joined
}

// All reports whether the index can't tell anything: the needle has no part of a term.
func (q *Query) All() bool { return len(q.patterns) == 0 }

// In reports whether folded text has the needle.
func (q *Query) In(text []byte) bool { return bytes.Contains(text, q.needle) }
