// Package sieve reads scripts of the mail filtering language Sieve: it says what their bytes mean as a tree of commands, with
// the place of everything in the script.
//
// The grammar is generic (RFC 5228 §8.2): which commands there are, and which arguments they take, is not known here, but in
// package service/sieve. Printing a tree gives a script that means the same.
//
// Implements RFC 5228 §2 and §8.
package sieve

import "strconv"

// Pos is a place in a script.
type Pos struct {
	// Offset counts octets from 0, Line and Column (in octets) count from 1.
	Offset, Line, Column int
}

// String is "line:column".
func (p Pos) String() string { return strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) }

// Script is what a script says.
type Script struct {
	Commands []Call
}

// Call is a command or a test with its arguments. RFC 5228 §8.2.
type Call struct {
	// Name is in lower case.
	Name string
	Pos  Pos
	Args []Arg
	// Tests are the tests given as arguments; List: in parentheses.
	Tests []Call
	List  bool
	// Block is what stands in braces behind a command; HasBlock tells an empty block from none.
	Block    []Call
	HasBlock bool
}

// Kind says what an argument is.
type Kind uint8

// Kinds of arguments.
const (
	Number  Kind = iota // 100K
	String              // "x", or text:
	Strings             // ["x", "y"]
	Tag                 // :name
)

// String names a kind.
func (k Kind) String() string {
	switch k {
	case Number:
		return "number"
	case String:
		return "string"
	case Strings:
		return "string list"
	}
	return "tag"
}

// Arg is an argument that is no test.
type Arg struct {
	Kind   Kind
	Pos    Pos
	Number uint64
	// Text is the name of a tag, in lower case and without its colon.
	Text string
	// List has the strings of a String (one) and of Strings. Line ends in them are CRLF.
	List []Text
}

// Text is a string with its place.
type Text struct {
	Value string
	Pos   Pos
}

// Error is something wrong in a script.
type Error struct {
	Pos  Pos
	Text string
}

// Error is "line:column: text".
func (e Error) Error() string { return e.Pos.String() + ": " + e.Text }

// Errors are all that is wrong in a script, up to a limit, in their order.
type Errors []Error

// Error joins them, one a line.
func (es Errors) Error() string {
	text := ""
	for i, e := range es {
		if i > 0 {
			text += "\n"
		}
		text += e.Error()
	}
	return text
}

// Limits bound what Parse reads. A field that is zero (or less) has its default.
type Limits struct {
	// Bytes is how long a script may be. Default 1 MB.
	Bytes int
	// Depth is how deep blocks and tests may lie inside one another. Default 32 (RFC 5228 §2.10.5 asks for 15).
	Depth int
	// Arguments is how many a call may have, strings of lists not counted. Default 32.
	Arguments int
	// Strings is how many a list may have. Default 10,000.
	Strings int
	// Calls is how many commands and tests a script may have. Default 50,000.
	Calls int
	// StringBytes is how long a string may be. Default: as long as the script.
	StringBytes int
	// Errors is how many are told. Default 50.
	Errors int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	set(&l.Bytes, 1<<20)
	set(&l.Depth, 32)
	set(&l.Arguments, 32)
	set(&l.Strings, 10_000)
	set(&l.Calls, 50_000)
	set(&l.StringBytes, l.Bytes)
	set(&l.Errors, 50)
	return l
}
