package message

import (
	"slices"
	"strings"
)

// maxMessageIDs is how many identifiers of one field are read.
const maxMessageIDs = 1000

// ParseMessageIDs returns the message identifiers of a Message-ID, In-Reply-To or References field, without their angle
// brackets, in order. Phrases and comments between them (RFC 5322 section 4.5.4) are passed over, blanks inside them
// removed. A field without angle brackets is read as identifiers with blanks between them if they have an "@".
func ParseMessageIDs(v string) []string {
	var ids []string
	l := fieldLexer{s: v}
	for len(ids) < maxMessageIDs {
		l.skip()
		if l.pos >= len(l.s) {
			break
		}
		switch l.s[l.pos] {
		case '<':
			ids = append(ids, l.messageID())
		case '"':
			_, l.pos = quotedEnd(l.s, l.pos)
		default:
			l.pos++
		}
	}
	if ids == nil {
		ids = bareIDs(v)
	}
	if ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" }); len(ids) == 0 {
		return nil
	}
	return ids
}

// messageID reads <left@right>. One that isn't closed ends where the next one begins.
func (l *fieldLexer) messageID() string {
	l.pos++
	start, blanks := l.pos, false
	for l.pos < len(l.s) && l.s[l.pos] != '>' && l.s[l.pos] != '<' {
		blanks = blanks || isWSP(l.s[l.pos])
		l.pos++
	}
	id := l.s[start:l.pos]
	if l.pos < len(l.s) && l.s[l.pos] == '>' {
		l.pos++
	}
	if blanks {
		id = strings.Join(strings.Fields(stripCFWS(id)), "") // the obsolete syntax, whose quoted strings may have blanks
	}
	return id
}

func bareIDs(v string) []string {
	var ids []string
	for w := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == ',' }) {
		if i := strings.IndexByte(w, '@'); i > 0 && i < len(w)-1 && len(ids) < maxMessageIDs {
			ids = append(ids, w)
		}
	}
	return ids
}
