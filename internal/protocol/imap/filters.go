package imap

import (
	"context"
	"strings"
)

// Named searches (RFC 5466) are annotations of the server below these names.
const filterValues = "filters/values/"

// maxFilters is how many filters a search may bring in, one inside of another counted too: so it ends, also if one leads
// back to itself. RFC 5466 §3.1 demands 3.
const maxFilters = 100

// newSearch begins a search, which may refer to filters.
func (s *session) newSearch(ctx context.Context) *searching {
	q := &searching{byUID: s.byUID}
	q.filter = func(name string) ([]byte, error) {
		all, err := s.annotations(ctx, nil)
		if err != nil {
			return nil, err
		}
		for _, scope := range []string{privateEntries, sharedEntries} {
			if v, ok := all[scope+filterValues+strings.ToLower(name)]; ok {
				return v, nil
			}
		}
		return nil, undefinedFilter(name)
	}
	return q
}

func undefinedFilter(name string) error {
	return no("UNDEFINED-FILTER "+name, "there is no such filter")
}

// filterKey consumes a filter's name and is what it stands for (RFC 5466 §3.1).
func (s *session) filterKey(q *searching) criterion {
	d := &s.dec
	name := string(d.atom())
	switch {
	case !d.ok():
		return criterion{}
	case strings.Contains(name, "/"):
		d.expected("a filter's name")
		return criterion{}
	case q.charset != "" && !strings.EqualFold(q.charset, "UTF-8") && !strings.EqualFold(q.charset, "US-ASCII"):
		d.err = &refusal{"BAD", "BADCHARSET (UTF-8 US-ASCII)", "filters are in UTF-8"}
		return criterion{}
	}
	if q.filters++; q.filters > maxFilters {
		d.err = undefinedFilter(name)
		return criterion{}
	}
	text, err := q.filter(name)
	if err != nil {
		d.err = err
		return criterion{}
	}
	return s.keysOf(q, name, text)
}

// keysOf reads search keys out of a text.
func (s *session) keysOf(q *searching, name string, text []byte) criterion {
	outer, charset := s.dec, q.charset
	q.charset = ""
	s.dec = *inlineDecoder(string(text))
	s.dec.depth, s.dec.lim = outer.depth, outer.lim
	key := s.searchKeys(q, s.dec.atEnd)
	err := s.dec.end()
	s.dec, q.charset = outer, charset
	if isSyntax(err) {
		err = no("UNDEFINED-FILTER "+name, "that filter is no search: "+printable(err.Error()))
	}
	s.dec.err = err
	return key
}

// checkFilter refuses to keep a filter that is no search (RFC 5466 §3.2).
func (s *session) checkFilter(f *box, entry string, value []byte) error {
	name, ok := strings.CutPrefix(entry, privateEntries+filterValues)
	if !ok || f != nil || value == nil {
		return nil
	}
	for i := range len(name) {
		if !atomChars[name[i]] || name[i] == '/' {
			return no("CANNOT", "that can't be a filter's name")
		}
	}
	q := &searching{filters: -len(value), filter: func(string) ([]byte, error) { return []byte("ALL"), nil }} // so many can be in it
	outer := s.dec
	s.keysOf(q, name, value)
	err := s.dec.err
	s.dec = outer
	if err != nil {
		return no("CANNOT", "the filter is no search")
	}
	return nil
}
