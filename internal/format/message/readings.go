package message

import (
	"slices"
	"strings"
)

// Readings tells all that programs may take from a part's header for its type and for the name of what is in it. They don't agree on what counts of a
// field or a parameter that comes twice, or in two ways of writing, where a Part has the one that ought to. Type gets types in lower case,
// name gets names decoded by RFC 2231, but not what encoded words may be in them. Some come more than once. It returns
// false if there was more than anybody needs, of which it hasn't told all.
func Readings(header string, typ func(typ, subtype string), name func(name string)) (whole bool) {
	h := ParseHeader(header)
	whole = h.Whole()
	for _, f := range h.Fields {
		n := h.Name(f)
		isType := strings.EqualFold(n, "content-type")
		if !isType && !strings.EqualFold(n, "content-disposition") {
			continue
		}
		v := Unfold(h.Value(f))
		if isType {
			if t, sub, _ := parseType(v); t != "" {
				typ(t, sub)
			}
		}
		l := fieldLexer{s: v}
		ps := l.all()
		whole = whole && len(ps) < maxReadings
		readNames(ps, name)
	}
	return whole
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
