// Package transcript plays the conversations that specify our protocols: testdata/*.txt of their packages, which people read
// first and tests run. They are written in one language:
//
//	# remark
//	== title             begins a conversation, with a world of its own; what stands before the first title is for the
//	                     reader. A file without titles is one conversation
//	given WHAT           what is so before the first client comes
//	C: text              the client says a line. Lines that follow one another are sent in one piece, as a pipelining
//	                     client does
//	C> "bytes"           the same with just these bytes, in Go's quoting
//	TLS                  the client does its handshake
//	S: text              the server says this line
//	S: ...               the server may say more, up to a line that fits the next S: line
//	S: (hangs up)        the server closes the connection
//	!: text              that line must not come before the next S: line
//
// C2:, S2: and so on are another client's; any name made of letters and digits will do. A client connects when it is first
// named. In S: and !: lines * stands for anything (IMAP, whose lines are full of asterisks, writes ... instead). What can be
// given, and any further words, are each protocol's own: its transcript_test.go says what they mean.
package transcript

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Line is one line of a conversation.
type Line struct {
	At   string // file:line
	Word string // up to the first space
	Rest string
}

// Script is one conversation, without remarks and empty lines.
type Script []Line

// Run runs play for each conversation in testdata, as a test of its own.
func Run(t *testing.T, play func(t *testing.T, s Script)) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range split(file, string(text)) {
				if p.title == "" {
					play(t, p.script)
					return
				}
				t.Run(p.title, func(t *testing.T) { play(t, p.script) })
			}
		})
	}
}

// titled is a conversation with what stands above it.
type titled struct {
	title  string
	script Script
}

// split takes a file's text apart.
func split(file, text string) []titled {
	all := []titled{{}}
	for i, l := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(l, " ")
		switch {
		case word == "==":
			all = append(all, titled{title: rest})
		case word != "" && word[0] != '#':
			last := &all[len(all)-1]
			last.script = append(last.script, Line{At: fmt.Sprintf("%s:%d", file, i+1), Word: word, Rest: rest})
		}
	}
	if len(all) > 1 {
		return all[1:]
	}
	return all
}

// Given is what the conversation gives, in order.
func (s Script) Given() (all []Line) {
	for _, l := range s {
		if l.Word == "given" {
			all = append(all, l)
		}
	}
	return all
}

// Fits reports whether text is as the pattern says, in which wild stands for anything, and nothing too.
func Fits(text, pattern, wild string) bool {
	parts := strings.Split(pattern, wild)
	last := len(parts) - 1
	if last == 0 {
		return text == pattern
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	for _, p := range parts[1:last] {
		var found bool
		_, rest, found = strings.Cut(rest, p)
		ok = ok && found
	}
	return ok && strings.HasSuffix(rest, parts[last])
}
