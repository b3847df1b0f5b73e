package inflate

// dynamic reads how many codes there are (RFC 1951 §3.2.7).
func (f *Inflater) dynamic() error {
	if f.n < 14 {
		return errMore
	}
	f.counts = [3]int{int(f.take(5)) + 257, int(f.take(5)) + 1, int(f.take(4)) + 4}
	if f.counts[0] > 286 || f.counts[1] > 30 {
		return invalid("too many codes")
	}
	f.have, f.lengths = 0, [maxLit + maxDist]uint8{}
	f.step = (*Inflater).codeLengths
	return nil
}

// order is that of the lengths of codes for lengths of codes.
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (f *Inflater) codeLengths() error {
	if f.n < 3 {
		return errMore
	}
	f.lengths[order[f.have]] = uint8(f.take(3))
	if f.have++; f.have < f.counts[2] {
		return nil
	}
	if !f.own.lit.build(f.lengths[:19], false) {
		return invalid("codes for lengths that can't be")
	}
	f.have, f.lengths = 0, [maxLit + maxDist]uint8{}
	f.step = (*Inflater).symbolLengths
	return nil
}

// symbolLengths reads the length of one code, or of several that have the same.
func (f *Inflater) symbolLengths() error {
	symbol, n := f.own.lit.decode(f.bits, f.n)
	if n > f.n {
		return invalid("an unknown code for a length")
	}
	if n == 0 {
		return errMore
	}
	if symbol < 16 {
		f.take(n)
		return f.setLengths(1, uint8(symbol))
	}
	extra, base := [3]uint{2, 3, 7}[symbol-16], [3]int{3, 3, 11}[symbol-16]
	if f.n < n+extra {
		return errMore
	}
	f.take(n)
	times, length := base+int(f.take(extra)), uint8(0)
	if symbol == 16 {
		if f.have == 0 {
			return invalid("nothing to repeat")
		}
		length = f.lengths[f.have-1]
	}
	return f.setLengths(times, length)
}

func (f *Inflater) setLengths(times int, length uint8) error {
	all := f.counts[0] + f.counts[1]
	if times > all-f.have {
		return invalid("too many lengths of codes")
	}
	for range times {
		f.lengths[f.have] = length
		f.have++
	}
	if f.have < all {
		return nil
	}
	lit, dist := f.lengths[:f.counts[0]], f.lengths[f.counts[0]:all]
	if lit[endOfBlock] == 0 || !f.own.lit.build(lit, true) || !f.own.dist.build(dist, true) {
		return invalid("codes that can't be")
	}
	f.codes, f.step = &f.own, (*Inflater).symbols
	return nil
}

const endOfBlock = 256

// What length and distance symbols mean: a base, and how many bits say more (RFC 1951 §3.2.5).
var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// symbols reads literals and references. Each is read whole or not at all: 48 bits at most.
func (f *Inflater) symbols() error {
	for f.Pending() < pending {
		f.fill()
		symbol, n := f.codes.lit.decode(f.bits, f.n)
		switch {
		case n > f.n:
			return invalid("an unknown code")
		case n == 0:
			return errMore
		case symbol < endOfBlock:
			f.take(n)
			f.out = append(f.out, byte(symbol))
		case symbol == endOfBlock:
			f.take(n)
			f.endBlock()
			return nil
		default:
			if err := f.reference(symbol-endOfBlock-1, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// reference copies what came before; the code of its length has n bits.
func (f *Inflater) reference(symbol int, n uint) error {
	if symbol >= len(lengthBase) {
		return invalid("an unknown length")
	}
	extra := uint(lengthExtra[symbol])
	if f.n < n+extra {
		return errMore
	}
	length := int(lengthBase[symbol]) + int(f.bits>>n&(1<<extra-1))
	n += extra
	symbol, k := f.codes.dist.decode(f.bits>>n, f.n-n)
	if k > f.n-n || k > 0 && symbol >= len(distBase) {
		return invalid("an unknown distance")
	}
	if k == 0 {
		return errMore
	}
	n += k
	extra = uint(distExtra[symbol])
	if f.n < n+extra {
		return errMore
	}
	distance := int(distBase[symbol]) + int(f.bits>>n&(1<<extra-1))
	f.take(n + extra)
	return f.repeat(length, distance)
}

func (f *Inflater) repeat(length, distance int) error {
	from := len(f.out) - distance
	if from < 0 || distance > Window {
		return invalid("it refers to what was before its beginning")
	}
	for range length {
		f.out = append(f.out, f.out[from])
		from++
	}
	return nil
}
