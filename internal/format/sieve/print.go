package sieve

import (
	"strconv"
	"strings"
)

// String writes the script, one command a line: Parse reads it as the same tree, but for the places.
func (s *Script) String() string {
	var b strings.Builder
	printBlock(&b, s.Commands, "")
	return b.String()
}

func printBlock(b *strings.Builder, calls []Call, indent string) {
	for i := range calls {
		c := &calls[i]
		b.WriteString(indent)
		printCall(b, c)
		if !c.HasBlock {
			b.WriteString(";\r\n")
			continue
		}
		b.WriteString(" {\r\n")
		printBlock(b, c.Block, indent+"  ")
		b.WriteString(indent + "}\r\n")
	}
}

func printCall(b *strings.Builder, c *Call) {
	b.WriteString(c.Name)
	for i := range c.Args {
		b.WriteByte(' ')
		printArg(b, &c.Args[i])
	}
	switch {
	case c.List:
		b.WriteString(" (")
		for i := range c.Tests {
			if i > 0 {
				b.WriteString(", ")
			}
			printCall(b, &c.Tests[i])
		}
		b.WriteByte(')')
	case len(c.Tests) > 0:
		b.WriteByte(' ')
		printCall(b, &c.Tests[0])
	}
}

func printArg(b *strings.Builder, a *Arg) {
	switch a.Kind {
	case Number:
		b.WriteString(strconv.FormatUint(a.Number, 10))
	case Tag:
		b.WriteString(":" + a.Text)
	case String:
		printString(b, a.List[0].Value)
	case Strings:
		b.WriteByte('[')
		for i := range a.List {
			if i > 0 {
				b.WriteString(", ")
			}
			printString(b, a.List[i].Value)
		}
		b.WriteByte(']')
	}
}

func printString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}
