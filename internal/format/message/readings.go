package message

import (
	"slices"
	"strings"
)

// Readings tells all that programs may take from a part's header for its type and for the name of what is in it. They don't agree on what counts of a
// field or a parameter that comes twice, or in two ways of writing, where a Part has the one that ought to. Type gets types in lower case,
// name gets names decoded by RFC 2231, but not what encoded words may be in them. Some come more than once. It returns
// false if that isn't all: there was more than anybody needs, or programs don't even agree on how to take the part apart.
func (h *Header) Readings(typ func(typ, subtype string), name func(name string)) (whole bool) {
	var types, encodings said
	types.whole, encodings.whole = h.Whole(), true
	for _, f := range h.Fields {
		n, v := h.Name(f), h.Value(f)
		switch {
		case n[0]|0x20 != 'c':
		case strings.EqualFold(n, "content-transfer-encoding"):
			encodings.say(lower(trim(Unfold(v))), true)
		case strings.EqualFold(n, "content-type"):
			v = Unfold(v)
			if t, sub, _ := mediaType(v); t != "" {
				typ(t, sub)
				types.say(trim(v), t == "multipart" || t == "message")
			}
			types.params(v, name)
		case strings.EqualFold(n, "content-disposition"):
			types.params(Unfold(v), name)
		}
	}
	return types.whole && encodings.whole
}

// said is what the fields of one name say.
type said struct {
	before string
	grave  bool // it matters if others say something else
	whole  bool
}

func (s *said) say(v string, grave bool) {
	grave = grave || s.grave
	if s.before != "" && s.before != v && grave {
		s.whole = false
	}
	s.before, s.grave = v, grave
}

func (s *said) params(field string, name func(string)) {
	var room [8]Param
	l := fieldLexer{s: field}
	ps := l.all(room[:0])
	s.whole = s.whole && len(ps) < maxReadings && !twoBoundaries(ps)
	readNames(ps, name)
}

// twoBoundaries reports whether one program may take one boundary, and another program another one.
func twoBoundaries(ps []Param) bool {
	first := ""
	pieces := false
	for i := range ps {
		switch base, n, _ := segment(ps[i].Name); {
		case base != "boundary":
		case n > 0:
			pieces = true // as they ought to be
		case first == "" && !pieces:
			first = ps[i].Name + "=" + ps[i].Raw
		case first != ps[i].Name+"="+ps[i].Raw:
			return true
		}
	}
	return false
}

// maxReadings is how many parameters of a field are told of.
const maxReadings = 1000

// all appends parameters as they are to ps, which is empty.
func (l *fieldLexer) all(ps []Param) []Param {
	for l.toSemicolon(); l.pos < len(l.s) && len(ps) < maxReadings; l.toSemicolon() {
		if name := lower(l.token()); name != "" && l.next('=') {
			ps = append(ps, Param{Name: name, Raw: l.value()})
		}
	}
	return ps
}

// readNames tells of each plain parameter, and of what is written by RFC 2231 as those read it for whom the first or the last counts of two.
func readNames(ps []Param, name func(string)) {
	segmented := false
	for i := range ps {
		if !ps[i].names() {
			continue
		}
		if segmented = segmented || strings.IndexByte(ps[i].Name, '*') >= 0; ps[i].Name == "name" || ps[i].Name == "filename" {
			name(ps[i].meaning())
		}
	}
	if !segmented {
		return
	}
	pieces := slices.DeleteFunc(slices.Clone(ps), func(p Param) bool { return !p.names() })
	for range 2 {
		for _, p := range join(pieces) {
			name(p.meaning())
		}
		slices.Reverse(pieces)
	}
}

// names reports whether a parameter is a name, or a part of one.
func (p *Param) names() bool {
	base, _, _ := segment(p.Name)
	return base == "name" || base == "filename"
}
