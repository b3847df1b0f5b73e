package message

import (
	"slices"
	"strings"
)

// Readings tells all that programs may take from a part's header for its type and for the name of what is in it. They don't agree on what counts of a
// field or a parameter that comes twice, or in two ways of writing, where a Part has the one that ought to. Type gets types in lower case,
// name gets names decoded by RFC 2231, but not what encoded words may be in them. Some come more than once. It returns
// false if that isn't all: there was more than anybody needs, or programs don't even agree on how to take the part apart.
func Readings(header string, typ func(typ, subtype string), name func(name string)) (whole bool) {
	h := ParseHeader(header)
	var types, encodings said
	types.whole, encodings.whole = h.Whole(), true
	for _, f := range h.Fields {
		n, v := h.Name(f), h.Value(f)
		switch {
		case strings.EqualFold(n, "content-transfer-encoding"):
			encodings.say(lower(trim(Unfold(v))), true)
		case strings.EqualFold(n, "content-type"):
			v = Unfold(v)
			if t, sub, _ := parseType(v); t != "" {
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
	l := fieldLexer{s: field}
	ps := l.all()
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

// all reads parameters as they are.
func (l *fieldLexer) all() (ps []Param) {
	for l.toSemicolon(); l.pos < len(l.s) && len(ps) < maxReadings; l.toSemicolon() {
		if name := lower(l.token()); name != "" && l.next('=') {
			ps = append(ps, Param{Name: name, Raw: l.value()})
		}
	}
	return ps
}

// readNames tells of each plain parameter, and of what is written by RFC 2231 as those read it for whom the first or the last counts of two.
func readNames(ps []Param, name func(string)) {
	ps = slices.DeleteFunc(ps, func(p Param) bool {
		base, _, _ := segment(p.Name)
		return base != "name" && base != "filename"
	})
	segmented := false
	for i := range ps {
		if segmented = segmented || strings.IndexByte(ps[i].Name, '*') >= 0; ps[i].Name == "name" || ps[i].Name == "filename" {
			name(ps[i].meaning())
		}
	}
	if !segmented {
		return
	}
	for range 2 {
		for _, p := range join(ps) {
			name(p.meaning())
		}
		slices.Reverse(ps)
	}
}
