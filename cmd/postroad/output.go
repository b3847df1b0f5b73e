package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// show prints a result: as JSON if that was asked for, else with the given text.
func (g *Globals) show(t terminal, result any, text func()) error {
	if !g.JSON {
		text()
		return nil
	}
	e := json.NewEncoder(t.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(result)
}

// table prints rows of columns, under a heading.
func table(t terminal, heading string, rows [][]string) {
	w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
}

// say prints a line, unless the result is to be JSON.
func (g *Globals) say(t terminal, format string, args ...any) {
	if !g.JSON {
		fmt.Fprintf(t.out, format+"\n", args...)
	}
}

// size is a number of bytes for people; none is what zero means.
func size(n int64, none string) string {
	if n == 0 {
		return none
	}
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}} {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f%s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprint(n)
}
