package fulltext

import "unicode/utf8"

// A class says what a character is for the cutting into terms. What is cut where matters for speed alone, as long as text and
// needles are cut alike, and a character's class depends on nothing but itself.
type class uint8

const (
	gap   class = iota // between terms
	word               // part of a word
	dense              // of a script without spaces between words
)

// classOf classifies a folded character.
func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		return asciiClass[r]
	case r < 0xc0, r == 0xd7, r == 0xf7, r >= 0x2000 && r < 0x2070, r >= 0x3000 && r < 0x3005, r >= 0x3008 && r < 0x3040, r == utf8.RuneError:
		return gap
	case r >= 0x0e00 && r < 0x0f00, r >= 0x1000 && r < 0x10a0, r >= 0x1780 && r < 0x1800,
		r >= 0x2e80 && r < 0x3008, r >= 0x3040 && r < 0x3100, r >= 0x31f0 && r < 0x3200, r >= 0x3400 && r < 0xa000,
		r >= 0xf900 && r < 0xfb00, r >= 0x20000 && r < 0x40000:
		return dense
	}
	return word
}

var asciiClass = func() (t [utf8.RuneSelf]class) {
	for c := range t {
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' {
			t[c] = word
		}
	}
	return t
}()

// Words longer than maxTerm bytes are cut into terms of maxTerm that overlap, so that every piece of up to overlap bytes is
// in one of them.
const (
	maxTerm = 64
	overlap = 32
)

// next returns the class of the run at the start of text, and its length in bytes.
func next(text []byte) (class, int) {
	c, i := classAt(text)
	for i < len(text) {
		d, n := classAt(text[i:])
		if d != c {
			break
		}
		i += n
	}
	return c, i
}

func classAt(text []byte) (class, int) {
	if text[0] < utf8.RuneSelf {
		return asciiClass[text[0]], 1
	}
	r, n := utf8.DecodeRune(text)
	return classOf(r), n
}

// terms calls f for the terms of folded text.
func terms(text []byte, f func(term []byte)) {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf && asciiClass[text[i]] == gap {
			i++
			continue
		}
		if n := asciiWord(text[i:]); n > 0 {
			cutWord(text[i:i+n], f)
			i += n
			continue
		}
		c, n := next(text[i:])
		switch run := text[i : i+n]; c {
		case word:
			cutWord(run, f)
		case dense:
			pairs(run, f)
		}
		i += n
	}
}

// asciiWord is the length of the word at the start of text; 0 if there is none, or it might have letters beyond ASCII. Most words are such.
func asciiWord(text []byte) int {
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return 0
		}
		if asciiClass[c] != word {
			return i
		}
	}
	return len(text)
}

// tokens calls f for the runs of letters, digits and . @ _ + - in folded text, in ASCII, that have one of the latter.
func tokens(text []byte, f func(token []byte)) {
	for i := 0; i < len(text); {
		start, joined := i, false
		for ; i < len(text) && inToken(text[i]); i++ {
			joined = joined || asciiClass[text[i]] != word
		}
		if joined {
			cutWord(text[start:i], f)
		}
		i++
	}
}

func inToken(c byte) bool {
	switch c {
	case '.', '@', '_', '+', '-':
		return true
	}
	return c < utf8.RuneSelf && asciiClass[c] == word
}

func cutWord(run []byte, f func([]byte)) {
	for len(run) > maxTerm {
		f(run[:maxTerm])
		run = run[maxTerm-overlap:]
	}
	f(run)
}

// pairs calls f for each two characters that stand side by side, or the one that there is.
func pairs(run []byte, f func([]byte)) {
	_, first := utf8.DecodeRune(run)
	if first == len(run) {
		f(run)
		return
	}
	for first < len(run) {
		_, second := utf8.DecodeRune(run[first:])
		f(run[:first+second])
		run, first = run[first:], second
	}
}
