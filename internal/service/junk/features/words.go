package features

import (
	"strconv"
	"unicode/utf8"
)

// maxWord is how long a word may be to count as one: longer ones are noise, addresses, keys.
const maxWord = 24

// wordByte says which octets words are made of. Everything that isn't ASCII counts as a letter.
var wordByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'a' && c <= 'z' || c == '0' || c == '$' || c == '\'' || c >= utf8.RuneSelf
	}
	return t
}()

// words adds the words of a folded text, and the pairs of them.
func (x *extraction) words(word, pair Kind, text []byte) {
	var last []byte
	for i := 0; i < len(text); {
		if !wordByte[text[i]] {
			if c := text[i]; c == '\n' || c == '.' {
				last = nil
			}
			i++
			continue
		}
		start := i
		wide := false
		for i < len(text) && wordByte[text[i]] {
			wide = wide || text[i] >= 0xe0 // three octets and more: perhaps a script without spaces
			i++
		}
		w := text[start:i]
		if wide && x.unspaced(word, w) {
			last = nil
			continue
		}
		last = x.word(word, pair, last, trimWord(w))
	}
}

// word adds a word and its pair with the one before, and returns the word if it can be in a pair with the next.
func (x *extraction) word(word, pair Kind, last, w []byte) []byte {
	switch {
	case len(w) == 0:
		return last
	case len(w) > maxWord:
		x.long++
		return nil
	case len(w) == 1:
		x.single++
	}
	x.count++
	x.add(word, w)
	if last != nil {
		x.add2(pair, last, w)
	}
	return w
}

// trimWord cuts quotes off, and makes long numbers the same.
func trimWord(w []byte) []byte {
	for len(w) > 0 && w[0] == '\'' {
		w = w[1:]
	}
	for len(w) > 0 && w[len(w)-1] == '\'' {
		w = w[:len(w)-1]
	}
	return w
}

// unspaced adds each two characters in a row of a text in a script without spaces, and reports whether w is that.
func (x *extraction) unspaced(kind Kind, w []byte) bool {
	r, n := utf8.DecodeRune(w)
	if !cjk(r) {
		return false
	}
	for at := 0; at+n < len(w); {
		_, next := utf8.DecodeRune(w[at+n:])
		x.add(kind, w[at:at+n+next])
		at, n = at+n, next
		x.count++
	}
	return true
}

// textShape tells what the text is like as a whole.
func (x *extraction) textShape() {
	f := &x.folder
	x.some(TextShape, "characters without width", f.invisible)
	x.some(TextShape, "look-alike letters", f.lookalike)
	x.some(TextShape, "letters in disguise", f.wide)
	if x.count > 20 && x.single*3 > x.count {
		x.addString(TextShape, "letters set apart")
	}
	if x.count > 0 && x.long*20 > x.count {
		x.addString(TextShape, "very long words")
	}
	total := len(x.text) + 1
	for _, s := range [...]struct {
		name string
		n    int
	}{{"Greek", f.greek}, {"Cyrillic", f.cyrillic}, {"Hebrew", f.hebrew}, {"Arabic", f.arabic}, {"CJK", f.cjk}} {
		if s.n*10 > total {
			x.addString(TextShape, s.name)
		}
	}
	if f.upper*3 > total && total > 50 {
		x.addString(TextShape, "capitals")
	}
}

// shape adds what something is like, with how much there is of it.
func (x *extraction) shape(k Kind, what string, n int) {
	x.buf = strconv.AppendInt(append(append(x.buf[:0], what...), ' '), int64(n), 10)
	x.add(k, x.buf)
}

// some adds that there is something, if there is, and how much roughly.
func (x *extraction) some(k Kind, what string, n int) {
	if n > 0 {
		x.addString(k, what)
		if n > 8 {
			x.shape(k, what, bucket(n))
		}
	}
}

// bucket is about the logarithm of n: counts that differ little are the same.
func bucket(n int) int {
	b := 0
	for ; n > 0; n >>= 1 {
		b++
	}
	return b
}
