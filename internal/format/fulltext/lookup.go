package fulltext

import "slices"

// A Lookup is a query in a part of the documents. It is immutable.
type Lookup struct {
	patterns []pattern
	zones    Zones // noZone: a field
}

// pattern is a piece of terms from lo to before hi; hi is nil if there is no end.
type pattern struct {
	find, lo, hi []byte
	ending       ending // if it is known that terms end with it, though not how they begin
	deep         bool   // it is known what stands in front of the ending
}

// noZone stands for the zone of fields' terms, which are in none.
const noZone Zones = 0

// Zones looks for the query in zones.
func (q *Query) Zones(z Zones) *Lookup {
	l := &Lookup{zones: z}
	for _, p := range q.patterns {
		l.add(p, byte(MaxField)+1, nil)
	}
	return l
}

// Field looks for it in a field.
func (q *Query) Field(f Field) *Lookup { return inField(q.patterns, f) }

// Tokens looks for the query, which has to be a piece of one, in a field's tokens.
func (q *Query) Tokens(f Field) *Lookup { return inField([][]byte{q.needle}, f) }

func inField(patterns [][]byte, f Field) *Lookup {
	l := &Lookup{zones: noZone}
	for _, p := range patterns {
		if p[0] == 0 {
			p = slices.Concat([]byte{0, byte(f)}, p[1:])
		}
		l.add(p, byte(f), []byte{byte(f) + 1})
	}
	return l
}

// add adds a pattern among the terms that begin with a byte or a larger one, up to hi.
func (l *Lookup) add(find []byte, lo byte, hi []byte) {
	p := pattern{find: find, lo: []byte{lo}, hi: hi}
	if n := len(find) - 1; find[0] != 0 && find[n] == 0 {
		p.ending, _ = endingOf(find[:n])
		p.deep = n > endingLength
	}
	if find[0] == 0 { // terms begin so
		p.lo = find[1:]
		if n := len(p.lo); p.lo[n-1] == 0 { // or are so: nothing in a term is less than 1
			p.lo = p.lo[:n-1]
			p.hi = append(slices.Clone(p.lo), 1)
		} else {
			p.hi = beyond(p.lo)
		}
	}
	l.patterns = append(l.patterns, p)
}

// beyond is the least that is larger than all that begins with a prefix; nil if there is nothing.
func beyond(prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if prefix[n-1] < 0xff {
			up := slices.Clone(prefix[:n])
			up[n-1]++
			return up
		}
	}
	return nil
}
