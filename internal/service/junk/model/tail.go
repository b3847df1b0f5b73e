package model

import (
	"encoding/binary"
	"math"

	"postroad/internal/format/record"
)

// A tail is how near to being junk an account's good mail came, each message judged before it was learned. From that it is known how much
// must be added to log-odds so that Normal is where one good message in a thousand is lost, of this account: people differ in how
// much their good mail looks like junk.
//
// The zero value knows nothing, and adds nothing.
type tail struct {
	counts [tailBins]uint16 // of good messages by their log-odds
	total  int
	up     uint16 // 1: the next halving rounds up; then 0, so that what happened once is remembered for a while
}

const (
	tailBins  = 48
	tailFirst = -8.0 // the upper end of the first bin
	tailWidth = 0.5
	// tailMost is how many are counted before all counts are halved: of what was long ago less was learned.
	tailMost = 4000
	// tailTrust is of how many messages half of it is believed, and tailFewest how many there must be.
	tailTrust, tailFewest = 100, 40
	aim                   = 0.0015
	// mostRaised and mostLowered bound what is added and taken away. To raise is the risk: mail that was lost unseen isn't counted.
	mostRaised, mostLowered = 1.5, 1.0
)

// note counts a good message.
func (t *tail) note(logit float64) {
	t.counts[int(math.Ceil(max(0, min(tailBins-1, (logit-tailFirst)/tailWidth))))]++
	if t.total++; t.total < tailMost {
		return
	}
	t.total, t.up = 0, 1-t.up
	for i := range t.counts {
		t.counts[i] = (t.counts[i] + t.up) / 2
		t.total += int(t.counts[i])
	}
}

// beyond is above which log-odds a share of the messages is.
func (t *tail) beyond(share float64) float64 {
	left := share * float64(t.total)
	for i := tailBins - 1; i > 0; i-- {
		n := float64(t.counts[i])
		if n > left {
			return tailFirst + tailWidth*(float64(i)-left/n)
		}
		left -= n
	}
	return tailFirst
}

// shift is what is to be added to log-odds.
func (t *tail) shift() float64 {
	if t.total < tailFewest {
		return 0
	}
	// Few accounts have seen a thousand good messages. That the tail is an exponential one is a careful guess for sums of many features: where it says
	// that aim is lost, one in a thousand is, or fewer.
	share := max(0.05, 30/float64(t.total))
	near := t.beyond(share)
	steep := max(0.3, t.excess(near))
	s := logitOf(Normal) - (near + steep*math.Log(share/aim))
	s *= float64(t.total) / float64(t.total+tailTrust)
	return max(-mostLowered, min(mostRaised, s))
}

// encode appends an octet: how the next halving rounds, another: of how many bins, and uvarints: their counts.
func (t *tail) encode(dst []byte) []byte {
	n := tailBins
	for n > 0 && t.counts[n-1] == 0 {
		n--
	}
	dst = append(dst, byte(t.up), byte(n))
	for _, c := range t.counts[:n] {
		dst = binary.AppendUvarint(dst, uint64(c))
	}
	return dst
}

func decodeTail(r *record.Decoder) (t tail) {
	t.up = uint16(r.Byte() & 1)
	n := int(r.Byte())
	if n > tailBins {
		r.Fail()
	}
	for i := 0; i < n && !r.Bad(); i++ {
		t.counts[i] = uint16(min(r.Uint(), tailMost))
		t.total += int(t.counts[i])
	}
	return t
}

// excess is by how much those messages are beyond log-odds, on average, that are beyond them.
func (t *tail) excess(logit float64) float64 {
	sum, n := 0.0, 0.0
	for i, c := range t.counts {
		if middle := tailFirst + tailWidth*(float64(i)-0.5); middle > logit {
			sum, n = sum+float64(c)*(middle-logit), n+float64(c)
		}
	}
	if n == 0 {
		return 0
	}
	return sum / n
}
