package features

import (
	"encoding/binary"
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
	var last token
	seeds := [2]uint64{seedOf(word), seedOf(pair)}
	for i := 0; i < len(text); {
		if c := text[i]; !wordByte[c] {
			if c == '\n' || c == '.' {
				last.n = 0
			}
			i++
			continue
		}
		start := i
		wide := byte(0)
		for i < len(text) && wordByte[text[i]] {
			wide = max(wide, text[i])
			i++
		}
		if wide >= 0xe0 && x.unspaced(word, text[start:i]) { // three octets and more: perhaps a script without spaces
			last.n = 0
			continue
		}
		lo, hi := trimWord(text, start, i)
		x.word(word, pair, &seeds, &last, text, lo, hi-lo)
	}
}

// token is a word, n octets from at on, and the hash with which that of a pair begins whose first word it is. n is 0: there is none.
type token struct {
	at, n int
	hash  uint64
}

// in is the word in the text that it is of.
func (t token) in(text []byte) []byte { return text[t.at : t.at+t.n] }

// word adds the word of n octets at at and its pair with the one before, last, and makes it the last one if it can be in a pair with the next.
func (x *extraction) word(word, pair Kind, seeds *[2]uint64, last *token, text []byte, at, n int) {
	switch {
	case n == 0:
		return
	case n > maxWord:
		x.long++
		last.n = 0
		return
	case n == 1:
		x.single++
	}
	x.count++
	if len(x.set) >= x.limit {
		return // for good: sets don't shrink
	}
	now := token{at: at, n: n}
	w := now.in(text)
	if n < 8 && at+8 <= len(text) { // most words: hash, three times at once
		v := binary.LittleEndian.Uint64(text[at:])&(1<<(8*n)-1) ^ uint64(n)*mul1
		if h := mix(seeds[0]^v, mul2); x.note(featureOf(word, h), uint32(h)) && x.want != nil {
			x.name(featureOf(word, h), word, w, nil)
		}
		if last.n > 0 {
			if h := mix(last.hash^v, mul2); x.note(featureOf(pair, h), uint32(h)) && x.want != nil {
				x.name(featureOf(pair, h), pair, last.in(text), w)
			}
		}
		now.hash = mix(seeds[1]^v, mul2)
	} else {
		x.put(word, hash(seeds[0], w), w, nil)
		if last.n > 0 {
			x.put(pair, hash(last.hash, w), last.in(text), w)
		}
		now.hash = hash(seeds[1], w)
	}
	*last = now
}

// trimWord returns where text[lo:hi] is without the quotes around it.
func trimWord(text []byte, lo, hi int) (int, int) {
	for lo < hi && text[lo] == '\'' {
		lo++
	}
	for lo < hi && text[hi-1] == '\'' {
		hi--
	}
	return lo, hi
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
