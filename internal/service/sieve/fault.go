package sieve

import (
	"errors"
	"fmt"

	syntax "postroad/internal/format/sieve"
)

// Signals that end a block early; they never leave the package.
var (
	errStop   = errors.New("stop")
	errReturn = errors.New("return")
)

// breakOut leaves the loop of a name.
type breakOut struct{ name string }

func (*breakOut) Error() string { return "break" }

// failure is a run-time error at a place. RFC 5228 §2.10.6.
func (m *machine) failure(at syntax.Pos, format string, args ...any) error {
	return Problem{Script: m.frame.unit.name, Pos: at, Text: fmt.Sprintf(format, args...)}
}
