package features

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// maxWord is how long a word may be to count as one: longer ones are noise, addresses, keys.
const maxWord = 24

// words adds the words of a folded text, and the pairs of them.
func (x *extraction) words(word, pair Kind, text []byte) {
	r := wordReader{x: x, text: text, word: word, pair: pair}
	words, pairs := seedOf(word), seedOf(pair)
	for i := 0; i < len(text); {
		v := eightOf(text[i:])
		ends := ^lettersIn(v) & highs
		n := bits.TrailingZeros64(ends) / 8
		if n == 8 || i+n < len(text) && inWord[text[i+n]] { // not as most
			i = r.any(i)
			continue
		}
		if n > 0 {
			if x.count++; n == 1 {
				x.single++
			}
			if len(x.set) < x.limit { // once it isn't, it stays so
				v = v&(ends&-ends>>7-1) ^ uint64(n)*mul1 // hash, three times at once
				if h := mix(words^v, mul2); !x.has(featureOf(word, h), uint32(h)) {
					x.put(word, h, text[i:i+n], nil)
				}
				if r.last.n > 0 {
					if h := mix(r.last.hash^v, mul2); !x.has(featureOf(pair, h), uint32(h)) {
						x.put(pair, h, r.last.in(text), text[i:i+n])
					}
				}
				r.last = token{i, n, mix(pairs^v, mul2)}
			}
		}
		if i += n; i < len(text) && (text[i] == '\n' || text[i] == '.') {
			r.last.n = 0
		}
		i++
	}
}

// lettersIn has the highest bits of those of eight octets that are letters or 0. The other bits mean nothing.
func lettersIn(v uint64) uint64 {
	w := v &^ highs // so that nothing is carried from one octet to the next
	return ((w+(0x80-'a')*eight)&^(w+(0x7f-'z')*eight) | ^((w ^ '0'*eight) + 0x7f*eight)) &^ v
}

// inWord says which octets words are made of. Everything that isn't ASCII counts as a letter.
var inWord = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'a' && c <= 'z' || c == '0' || c == '$' || c == '\'' || c >= utf8.RuneSelf
	}
	return t
}()

// eightOf are the first eight octets of a text, or zeros behind it.
func eightOf(text []byte) uint64 {
	if len(text) < 8 {
		return tail(text)
	}
	return binary.LittleEndian.Uint64(text)
}

// A wordReader takes the words of one text.
type wordReader struct {
	x          *extraction
	text       []byte
	word, pair Kind
	last       token
}

// token is a word, n octets from at on, and the hash with which that of a pair begins whose first word it is. n is 0: there is none.
type token struct {
	at, n int
	hash  uint64
}

// in is the word in the text that it is of.
func (t token) in(text []byte) []byte { return text[t.at : t.at+t.n] }

// any takes any word, which begins at lo, and returns its end.
func (r *wordReader) any(lo int) (end int) {
	for end = lo; end < len(r.text) && inWord[r.text[end]]; end++ {
	}
	r.whole(lo, end)
	return end
}

// whole takes text[lo:hi], a word with the quotes around it.
func (r *wordReader) whole(lo, hi int) {
	x := r.x
	if wide(r.text[lo:hi]) && x.unspaced(r.word, r.text[lo:hi]) {
		r.last.n = 0
		return
	}
	lo, hi = trimWord(r.text, lo, hi)
	w := r.text[lo:hi]
	switch {
	case len(w) == 0:
		return
	case len(w) > maxWord:
		x.long++
		r.last.n = 0
		return
	case len(w) == 1:
		x.single++
	}
	x.count++
	if len(x.set) >= x.limit {
		return
	}
	x.put(r.word, hash(seedOf(r.word), w), w, nil)
	if r.last.n > 0 {
		x.put(r.pair, hash(r.last.hash, w), r.last.in(r.text), w)
	}
	r.last = token{lo, len(w), hash(seedOf(r.pair), w)}
}

// wide reports whether a word has a character of three octets or more: perhaps it is of a script without spaces.
func wide(w []byte) bool {
	for _, c := range w {
		if c >= 0xe0 {
			return true
		}
	}
	return false
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
