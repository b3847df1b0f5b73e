// Command junktest makes the base that the junk filter starts from, and measures how good the filter is, beside rspamd and
// SpamAssassin. It is no part of the server; docs/junk.md says how to use it.
//
//	junktest clean DIR DIR...       copies mail out of directories into a corpus without what tells where it was collected
//	junktest train -o FILE DIR...   makes a base of corpora
//	junktest measure DIR            compares filters on a corpus, split by time
//
// A corpus is a directory with two others in it: "junk" and "good", with one message a file.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"clean": clean, "ask": ask, "split": split, "report": report, "train": train, "measure": measure}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: junktest clean|train|measure ...; see docs/junk.md")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "junktest:", err)
		os.Exit(1)
	}
}
