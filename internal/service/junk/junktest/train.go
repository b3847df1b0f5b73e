package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/model"
)

// says is how much of a kind goes into a base, from 0 to 1. Networks change hands, and results of checks are not in the corpora:
// see priors. How mail is built tells much about the mail of its time and of who collected it, too much: the good mail of the
// corpora has few newsletters, hardly any attached files, and little that isn't English.
func says(k features.Kind) float64 {
	switch k {
	case features.Trace, features.Network, features.Sign, features.Auth, features.Proven, features.Charset, features.Date:
		return 0
	case features.File:
		return 0.25
	case features.HTML, features.Part, features.Order, features.Field, features.From, features.Mailer, features.ID, features.Client, features.LinkShape, features.TextShape, features.To, features.Address, features.Match:
		return 0.5
	}
	return 1
}

// priors are what results of checks at reception add to the log-odds: the corpora have none that can be believed. They are
// careful: who proves to be somebody may still send junk, and forwarding breaks proofs.
var priors = map[uint32]float64{
	features.Of(features.Auth, "author's domain is proven"):    -0.5,
	features.Of(features.Auth, "author's domain isn't proven"): 0.3,
	features.Of(features.Auth, "DMARC", "pass"):                -0.4,
	features.Of(features.Auth, "DMARC", "fail"):                0.8,
	features.Of(features.Auth, "SPF", "fail"):                  0.4,
	features.Of(features.Auth, "SPF", "softfail"):              0.2,
	features.Of(features.Auth, "ARC", "pass"):                  -0.3,
}

// some is a message that has one feature in eight of another: good mail often says little, and who says little isn't junk for
// that. The good mail of the corpora is longer.
func some(s features.Set, seed uint32) features.Set {
	var few features.Set
	for _, f := range s {
		if (f^seed*0x9e3779b1)*0x85ebca6b>>29 == 0 {
			few = append(few, f)
		}
	}
	return few
}

// english reports whether a message has words that no longer text in English does without. The good mail of the corpora is in
// English: from junk in other languages a base would learn that these are junk.
func english(s features.Set) bool {
	n := 0
	for _, w := range [...]string{"the", "and", "to", "of", "you", "your", "in", "is", "for", "this", "with", "we", "our", "or"} {
		if slices.Contains(s, features.Of(features.Word, w)) {
			n++
		}
	}
	return n >= 5
}

// ofLanguage reports whether a feature is a word.
func ofLanguage(f uint32) bool {
	switch features.KindOf(f) {
	case features.Word, features.Pair, features.Subject, features.SubjectPair, features.Name, features.TextShape:
		return true
	}
	return false
}

// ofText reports whether a feature is of a kind that a corpus without the headers of real mail can teach.
func ofText(f uint32) bool {
	switch features.KindOf(f) {
	case features.Word, features.Pair, features.Subject, features.SubjectPair, features.TextShape, features.Link, features.LinkDomain, features.LinkShape:
		return true
	}
	return false
}

// corpora reads the corpora of a list with commas. One whose name begins with "text:" teaches by its texts alone.
func corpora(list string) ([][]*mail, error) {
	var all [][]*mail
	for name := range strings.SplitSeq(list, ",") {
		dir, textOnly := strings.CutPrefix(name, "text:")
		some, err := load(dir)
		if err != nil {
			return nil, err
		}
		for _, m := range some {
			if textOnly {
				m.set = slices.DeleteFunc(m.set, func(f uint32) bool { return !ofText(f) })
			}
		}
		all = append(all, some)
	}
	return all, nil
}

// train makes a base: train -o FILE CORPUS,CORPUS...
func train(args []string) error {
	set := flag.NewFlagSet("train", flag.ContinueOnError)
	out := set.String("o", "base.bin", "the file to write")
	if err := set.Parse(args); err != nil {
		return err
	}
	all, err := corpora(set.Arg(0))
	if err != nil {
		return err
	}
	b, err := makeBase(all, true)
	if err != nil {
		return err
	}
	f, err := os.Create(*out)
	if err != nil {
		return err
	}
	if err := b.Write(f); err != nil {
		return err
	}
	return f.Close()
}

// makeBase makes a base of corpora. It is calibrated by what the bases of all corpora but one say of that one, for those that
// have junk as well as good mail.
func makeBase(all [][]*mail, show bool) (*model.Base, error) {
	var points []model.Point
	for i := range all {
		if !slices.ContainsFunc(all[i], func(m *mail) bool { return m.junk }) {
			continue
		}
		if len(all) == 1 {
			older, newer := halves(all[0])
			points = append(points, pointsOf(fit(older), newer)...)
			break
		}
		rest := slices.Concat(slices.Delete(slices.Clone(all), i, i+1)...)
		points = append(points, pointsOf(fit(rest), all[i])...)
	}
	b := fit(slices.Concat(all...))
	err := b.Calibrate(points)
	if err != nil {
		return nil, err
	}
	for f, logit := range priors {
		b.Prior(f, logit)
	}
	if show {
		fmt.Printf("nothing: %.2f\n", b.Judge(nil).Logit)
		tell("each corpus by the others", b, points)
		tell("newer halves by older ones", b, inTime(all))
	}
	return b, nil
}

func fit(all []*mail) *model.Base {
	examples := make([]model.Example, 0, len(all))
	for i, m := range all {
		e := model.Example{Set: m.set, Junk: m.junk}
		if m.junk && !english(m.set) {
			e.Set = slices.DeleteFunc(slices.Clone(m.set), ofLanguage)
		}
		examples = append(examples, e)
		if !m.junk && i%2 == 0 {
			examples = append(examples, model.Example{Set: some(m.set, uint32(i))})
		}
	}
	return model.Train(examples, model.Training{Kinds: says, Good: 3, GoodShare: 0.01})
}

func pointsOf(b *model.Base, all []*mail) []model.Point {
	points := make([]model.Point, 0, len(all))
	for _, m := range all {
		points = append(points, model.Point{Sum: b.Sum(m.set), Junk: m.junk})
	}
	return points
}

// inTime has what a base of the older halves says of the newer ones.
func inTime(all [][]*mail) []model.Point {
	var olders, newers []*mail
	for _, c := range all {
		older, newer := halves(c)
		olders, newers = append(olders, older...), append(newers, newer...)
	}
	return pointsOf(fit(olders), newers)
}

// tell prints what of the points is lost and caught at the thresholds.
func tell(what string, b *model.Base, points []model.Point) {
	for _, t := range [...]float64{model.Strict, model.Normal, model.Careful} {
		var rs []result
		for _, p := range points {
			rs = append(rs, result{b.Calibrated(p.Sum).Junk, p.Junk})
		}
		figure(rs, t).print(fmt.Sprint(what, ", at ", t))
	}
}
