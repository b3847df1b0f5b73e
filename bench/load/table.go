package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// printTable reads reports and prints the medians of Postroad and Postfix side by side, as Markdown.
func printTable(r io.Reader) error {
	type key struct {
		test  string
		conns int
	}
	found := map[key]map[string][]report{}
	for d := json.NewDecoder(r); ; {
		var one report
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		who, test, _ := strings.Cut(one.Label, "-")
		k := key{test, one.Conns}
		if found[k] == nil {
			found[k] = map[string][]report{}
		}
		found[k][who] = append(found[k][who], one)
	}
	keys := slices.SortedFunc(maps.Keys(found), func(a, b key) int {
		return cmp.Or(strings.Compare(a.test, b.test), cmp.Compare(a.conns, b.conns))
	})
	fmt.Println("| test | connections | Postroad accepts /s | Postfix | ratio | Postroad through /s | Postfix | ratio | CPU µs a message | Postfix |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, k := range keys {
		ours, theirs := found[k]["postroad"], found[k]["postfix"]
		accepted := func(r report) float64 { return r.Accepted }
		through := func(r report) float64 { return cmp.Or(r.Through, r.Accepted) }
		cpu := func(r report) float64 { return r.CPU }
		a, b, c, d := median(ours, accepted), median(theirs, accepted), median(ours, through), median(theirs, through)
		fmt.Fprintf(os.Stdout, "| %s | %d | %.0f | %.0f | %.1f | %.0f | %.0f | %.1f | %.0f | %.0f |\n",
			k.test, k.conns, a, b, a/b, c, d, c/d, median(ours, cpu), median(theirs, cpu))
	}
	return nil
}

func median(all []report, of func(report) float64) float64 {
	if len(all) == 0 {
		return 0
	}
	values := make([]float64, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
