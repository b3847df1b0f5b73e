package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

// debugMessage shows what the server makes of a message, without a server.
type debugMessage struct {
	File string `arg:"" help:"A file with a message, or - for standard input."`
}

func (c *debugMessage) Run(t terminal) error {
	b, err := c.read(t)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "cannot read the message")
	}
	s := message.Parse(b)
	r := summary.Make(s, message.Preview(s, bytes.NewReader(b)))
	printPart(t, s.Root, "1", 0)
	fmt.Fprintf(t.out, "\nENVELOPE %s\n\nBODYSTRUCTURE %s\n\npreview  %s\n", r.Envelope(), r.BodyStructure(), r.Preview())
	return nil
}

func (c *debugMessage) read(t terminal) ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(t.in)
	}
	return os.ReadFile(c.File)
}

// printPart prints a part with its offsets, and those inside it.
func printPart(t terminal, p *message.Part, number string, depth int) {
	fmt.Fprintf(t.out, "%s%s  %s/%s  header %d+%d  body %d+%d\n", strings.Repeat("  ", depth), number, p.Type, p.Subtype,
		p.HeaderOffset, p.HeaderSize, p.BodyOffset, p.BodySize)
	children := p.Children
	if p.Message != nil {
		children = []*message.Part{p.Message.Root}
	}
	for n, c := range children {
		printPart(t, c, fmt.Sprintf("%s.%d", number, n+1), depth+1)
	}
}
