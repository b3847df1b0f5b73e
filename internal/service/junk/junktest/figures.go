package main

import (
	"fmt"
	"slices"
)

// A result is what a filter said of a message: the higher, the more like junk.
type result struct {
	score float64
	junk  bool
}

// figures of a filter on a corpus.
type figures struct {
	good, junk   int
	lost, caught int     // at the threshold
	area         float64 // under the ROC curve
	caughtAtOne  float64 // share caught where 1 in 1,000 good mails is lost
	caughtAtNone float64 // share caught where no good mail is lost
}

func figure(rs []result, threshold float64) figures {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(a, b result) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		case a.junk != b.junk && b.junk: // equal scores: the good ones first, which is the worst case
			return -1
		case a.junk != b.junk:
			return 1
		}
		return 0
	})
	f := figures{}
	for _, r := range rs {
		if r.junk {
			f.junk++
		} else {
			f.good++
		}
	}
	caught, lost, pairs := 0, 0, 0.0
	for _, r := range rs {
		if r.junk {
			caught++
			pairs += float64(f.good - lost)
			if lost == 0 {
				f.caughtAtNone = float64(caught) / float64(f.junk)
			}
			if lost*1000 <= f.good {
				f.caughtAtOne = float64(caught) / float64(f.junk)
			}
		} else {
			lost++
		}
		if r.score >= threshold {
			f.caught, f.lost = caught, lost
		}
	}
	if f.good > 0 && f.junk > 0 {
		f.area = pairs / float64(f.good) / float64(f.junk)
	}
	return f
}

func (f figures) print(name string) {
	per := func(n, of int, unit float64) float64 {
		if of == 0 {
			return 0
		}
		return unit * float64(n) / float64(of)
	}
	fmt.Printf("%-34s good lost %4d of %5d = %6.2f/1000   junk caught %5d of %5d = %5.1f %%   at 1/1000 %5.1f %%   at none %5.1f %%   1-AUC %.5f\n",
		name, f.lost, f.good, per(f.lost, f.good, 1000), f.caught, f.junk, per(f.caught, f.junk, 100), 100*f.caughtAtOne, 100*f.caughtAtNone, 1-f.area)
}
