package confusable

import "unicode"

// script is a set of scripts.
type script uint16

const (
	latin script = 1 << iota
	han
	hiragana
	katakana
	bopomofo
	hangul
	cyrillic
	greek
	armenian
	other
)

var scripts = [...]struct {
	script script
	table  *unicode.RangeTable
}{
	{latin, unicode.Latin}, {cyrillic, unicode.Cyrillic}, {greek, unicode.Greek}, {han, unicode.Han}, {hiragana, unicode.Hiragana},
	{katakana, unicode.Katakana}, {hangul, unicode.Hangul}, {bopomofo, unicode.Bopomofo}, {armenian, unicode.Armenian},
}

func scriptOf(r rune) script {
	if r < 0x80 {
		if 'a' <= r|0x20 && r|0x20 <= 'z' {
			return latin
		}
		return 0
	}
	if unicode.Is(unicode.Common, r) || unicode.Is(unicode.Inherited, r) {
		return 0
	}
	for i := range scripts {
		if unicode.Is(scripts[i].table, r) {
			return scripts[i].script
		}
	}
	return other
}

// Mixed reports whether a word has letters of several scripts that nobody writes together: more than UTS 39 section 5.2 allows as "highly
// restrictive". Scripts that mail rarely tricks with count as one.
func Mixed(word string) bool {
	var all script
	for _, r := range word {
		all |= scriptOf(r)
	}
	if all&(all-1) == 0 {
		return false
	}
	for _, together := range [...]script{latin | han | hiragana | katakana, latin | han | bopomofo, latin | han | hangul} {
		if all&^together == 0 {
			return false
		}
	}
	return true
}
