package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"postroad/internal/service/junk/model"
)

// measure tells how good we are on corpora: measure -base CORPUS,CORPUS... CORPUS...
//
// The base is made of the corpora named, which must not be the one that is measured.
func measure(args []string) error {
	set := flag.NewFlagSet("measure", flag.ContinueOnError)
	base := set.String("base", "", "corpora to make the base of, with commas")
	with := set.String("with", "", "a file that train made, instead")
	most := set.Int("max", 0, "messages of a class in each half, at most")
	if err := set.Parse(args); err != nil {
		return err
	}
	b, others, err := baseFor(*with, *base)
	if err != nil {
		return err
	}
	for _, dir := range set.Args() {
		all, err := load(dir)
		if err != nil {
			return err
		}
		older, newer := halves(all)
		older, newer = thin(older, *most), thin(newer, *most)
		name := filepath.Base(dir)
		report := func(what string, b *model.Base, d *model.Delta) {
			rs, took := judged(b, d, newer)
			for _, t := range [...]float64{model.Strict, model.Normal, model.Careful} {
				figure(rs, t).print(fmt.Sprintf("%s: ours, %s, at %g", name, what, t))
			}
			fmt.Printf("%s: ours, %s: %v a message without extraction\n", name, what, took)
		}
		report("out of the box", b, nil)
		report("taught 20 of each", b, taught(b, thin(older, 20)))
		report("taught", b, taught(b, older))
		if others == nil {
			continue
		}
		// as the shipped base is out of the box for mail like this
		with, err := makeBase(append(others[:len(others):len(others)], older), false)
		if err != nil {
			return err
		}
		report("base with the older half", with, nil)
		// and for an account of its own: the base knows such mail, but not the account's
		oldest, _ := halves(older)
		if with, err = makeBase(append(others[:len(others):len(others)], oldest), false); err != nil {
			return err
		}
		report("base with the oldest quarter, taught", with, taught(with, older))
	}
	return nil
}

// baseFor reads a base, or makes it of corpora, which it returns then.
func baseFor(file, list string) (*model.Base, [][]*mail, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		b, err := model.ReadBase(f)
		return b, nil, err
	}
	all, err := corpora(list)
	if err != nil {
		return nil, nil, err
	}
	b, err := makeBase(all, false)
	return b, all, err
}

func taught(b *model.Base, all []*mail) *model.Delta {
	d := &model.Delta{}
	for _, m := range all {
		d.Learn(b, m.set, m.junk)
	}
	return d
}

func judged(b *model.Base, d *model.Delta, all []*mail) ([]result, time.Duration) {
	start := time.Now()
	rs := make([]result, 0, len(all))
	for _, m := range all {
		rs = append(rs, result{b.Judge(m.set, d).Junk, m.junk})
	}
	return rs, time.Since(start) / time.Duration(max(1, len(all)))
}
