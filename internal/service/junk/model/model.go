// Package model tells junk from good mail by the features of a message: a linear model whose weights come from a *base*, which
// is part of the program and the same for everybody, and from *deltas*, what an account (or a whole server) has learned on
// top of it.
//
//	score := model.Default().Judge(set, server, account)
//	junk := score.Junk >= model.Normal
//
// It is pure: it keeps nothing, and whoever owns a delta stores its Encode.
package model

import (
	"math"
	"slices"

	"postroad/internal/service/junk/features"
)

// Thresholds of Score.Junk.
const (
	// Strict catches more: 1 in 200 to 400 good mails is lost, more where an account's good mail has just changed.
	Strict = 0.90
	// Normal loses fewer than 1 in 1,000 good mails; see docs/junk.md.
	Normal = 0.99
	// Careful hardly ever loses one.
	Careful = 0.999
)

// A Score is what a model says about a message.
type Score struct {
	// Junk is how likely the message is junk, from 0 to 1, calibrated on mail that the base hasn't seen.
	Junk float64
	// Logit is the same as log-odds, natural logarithm: what evidence of others is added to.
	Logit float64
}

// ScoreOf returns the score of log-odds.
func ScoreOf(logit float64) Score { return Score{Junk: sigmoid(logit), Logit: logit} }

// Points is the score as people read it, from 0 to 100: 50 stands for "as likely junk as not".
func (s Score) Points() int { return int(s.Junk*100 + 0.5) }

// Add returns the score with further evidence added to it, in log-odds: 0 changes nothing, 2.3 makes junk ten times as likely.
func (s Score) Add(logit float64) Score { return ScoreOf(s.Logit + logit) }

// Judge judges a message by the base and any deltas, which may be nil. The first is that of the account whose mail it is, by whose good mail the
// score is calibrated. It changes none of them: several may judge at once.
func (b *Base) Judge(s features.Set, deltas ...*Delta) Score {
	logit := b.logit(s, deltas)
	if len(deltas) > 0 && deltas[0] != nil {
		logit += deltas[0].tail.shift()
	}
	return ScoreOf(logit)
}

// Calibrated is the score of a Sum.
func (b *Base) Calibrated(sum float64) Score {
	return ScoreOf(float64(b.slope)*sum + float64(b.offset))
}

// logit is what the base and deltas say. What the base says counts the less the more one of them has learned.
func (b *Base) logit(s features.Set, deltas []*Delta) float64 {
	logit, leaves := 0.0, 1.0
	for _, d := range deltas {
		if d.learned() {
			logit += d.table.sum(s)
			leaves = min(leaves, d.leaves())
		}
	}
	return logit + leaves*(float64(b.slope)*b.sum(s)+float64(b.offset))
}

// A Reason is what a feature adds to a message's Logit: more than zero speaks for junk.
type Reason struct {
	Feature uint32
	Weight  float64
}

// Reasons returns the n features that matter most for the score that Judge gives, strongest first.
func (b *Base) Reasons(n int, s features.Set, deltas ...*Delta) []Reason {
	norms, baseNorms, leaves := normsOf(s), baseNorms(s), 1.0
	all := make([]Reason, 0, len(s))
	deltas = slices.DeleteFunc(slices.Clone(deltas), func(d *Delta) bool { return !d.learned() })
	for _, d := range deltas {
		leaves = min(leaves, d.leaves())
	}
	for _, f := range s {
		w := leaves * float64(b.slope) * b.weight(f) * baseNorms[groupOf(f)]
		for _, d := range deltas {
			w += float64(d.table.weight(f)) / unit * norms[groupOf(f)]
		}
		if w != 0 {
			all = append(all, Reason{f, w})
		}
	}
	slices.SortStableFunc(all, func(x, y Reason) int {
		switch a, b := math.Abs(x.Weight), math.Abs(y.Weight); {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	return all[:min(n, len(all))]
}
