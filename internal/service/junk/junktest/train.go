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

// says is how much of a kind goes into a base, from 0 to 1. Networks change hands. How a program writes headers tells much about
// the mail of its time, too much: it may say half of what it wants.
func says(k features.Kind) float64 {
	switch k {
	case features.Network, features.Sign, features.Auth, features.Proven:
		return 0 // Sign, Auth and Proven are not in old mail: see priors
	case features.Field, features.Order, features.Mailer, features.Date, features.ID, features.Client:
		return 0.5
	}
	return 1
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
	if err == nil && show {
		tell(b, points)
	}
	return b, err
}

func fit(all []*mail) *model.Base {
	examples := make([]model.Example, 0, len(all))
	for _, m := range all {
		examples = append(examples, model.Example{Set: m.set, Junk: m.junk})
	}
	return model.Train(examples, model.Training{Kinds: says})
}

func pointsOf(b *model.Base, all []*mail) []model.Point {
	points := make([]model.Point, 0, len(all))
	for _, m := range all {
		points = append(points, model.Point{Sum: b.Sum(m.set), Junk: m.junk})
	}
	return points
}

// tell prints what the points are lost and caught at the thresholds.
func tell(b *model.Base, points []model.Point) {
	for _, t := range [...]float64{model.Strict, model.Normal, model.Careful} {
		var rs []result
		for _, p := range points {
			rs = append(rs, result{b.Calibrated(p.Sum).Junk, p.Junk})
		}
		figure(rs, t).print(fmt.Sprint("each corpus by the others, at ", t))
	}
}
