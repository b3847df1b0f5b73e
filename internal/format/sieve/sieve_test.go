package sieve

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// places are left out where trees are compared.
var places = cmpopts.IgnoreTypes(Pos{})

func mustParse(t *testing.T, text string) *Script {
	t.Helper()
	s, err := Parse(text, Limits{})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return s
}

// RFC 5228 §8.
func TestGrammar(t *testing.T) {
	got := mustParse(t, "# a comment\r\nREQUIRE [\"fileinto\", \"copy\"]; /* and\r\nanother */ if not size :OVER 100K { keep; } elsif anyof(true, header \"a\" [\"b\"]) {}")
	want := &Script{Commands: []Call{
		{Name: "require", Args: []Arg{{Kind: Strings, List: []Text{{Value: "fileinto"}, {Value: "copy"}}}}},
		{Name: "if", Tests: []Call{{Name: "not", Tests: []Call{{Name: "size", Args: []Arg{{Kind: Tag, Text: "over"}, {Kind: Number, Number: 100 << 10}}}}}},
			Block: []Call{{Name: "keep"}}, HasBlock: true},
		{Name: "elsif", HasBlock: true, Tests: []Call{{Name: "anyof", List: true, Tests: []Call{
			{Name: "true"},
			{Name: "header", Args: []Arg{{Kind: String, List: []Text{{Value: "a"}}}, {Kind: Strings, List: []Text{{Value: "b"}}}}},
		}}}},
	}}
	if d := cmp.Diff(want, got, places, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

// RFC 5228 §2.4.2: escapes, line ends, dots.
func TestStrings(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`"a\"b\\c\d"`, `a"b\cd`},
		{"\"a\nb\r\nc\"", "a\r\nb\r\nc"},
		{"text:\n..a\n.b\nc\n.\n", ".a\r\n.b\r\nc\r\n"},
		{"text: # comment\r\na\r\n.\r\n", "a\r\n"},
		{"text:\n.\n", ""},
		{`"grüß dich"`, "grüß dich"},
	} {
		s := mustParse(t, "x "+c.text+";")
		if got := s.Commands[0].Args[0].List[0].Value; got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "17": 17, "1k": 1024, "2M": 2 << 20, "3G": 3 << 30, "18446744073709551615": 1<<64 - 1} {
		if got := mustParse(t, "x "+text+";").Commands[0].Args[0].Number; got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
}

// Each error has its place, and reading goes on behind it.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"keep\ndiscard;", "1:5: a semicolon or a block is missing after 'keep'"},
		{"a $$;\nb ::;", "1:3: '$' has no meaning here|2:3: a colon must begin a tag, such as ':is'"},
		{`x "abc`, "1:3: this string never ends"},
		{"x text:\nabc\n", "1:3: this text never ends: a line with a dot alone is missing"},
		{"x text: y\nabc\n.\n;", "1:9: text: must be followed by the end of the line"},
		{"/* x", "1:1: this comment never ends"},
		{"if true { keep;", "1:9: this block is never closed"},
		{"keep; } stop;", "1:7: this brace closes nothing"},
		{"if anyof(true,) {}", "1:15: a test must begin here, not ')'"},
		{`x ["a" "b"];`, "1:8: a comma or a bracket must follow a string, not a string"},
		{`x [];`, "1:4: a string must stand here, not ']'"},
		{"x 99999999999999999999;", "1:3: this number is too large"},
		{"x 17179869184G;", "1:3: this number is too large"},
		{"x 12z;", "1:5: a number ends in K, M, G or a digit"},
		{`5; "a"; keep`, "1:1: a command must begin here, not a number|1:4: a command must begin here, not a string|1:13: a semicolon or a block is missing after 'keep'"},
		{"x \"a\xffb\";", "1:3: this string is not UTF-8"},
		{"x \"a\x00b\";", "1:3: this string has a NUL in it"},
		{strings.Repeat("n", 33) + ";", "1:1: the name '" + strings.Repeat("n", 24) + "...' is too long"},
	} {
		_, err := Parse(c.text, Limits{})
		if got := strings.ReplaceAll(fmt.Sprint(err), "\n", "|"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %s\nwant %s", c.text, got, c.want)
		}
	}
}

// Limits hold at, above and far beyond.
func TestLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("if true {", n) + strings.Repeat("}", n) }
	nots := func(n int) string { return "if " + strings.Repeat("not ", n) + "true {}" }
	for _, c := range []struct {
		what string
		make func(int) string
		at   int
	}{
		{"blocks", nested, 31}, {"tests", nots, 30},
		{"arguments", func(n int) string { return "x" + strings.Repeat(" 1", n) + ";" }, 32},
		{"calls", func(n int) string { return strings.Repeat("x;", n) }, 50_000},
		{"strings", func(n int) string { return "x [" + strings.Repeat(`"",`, n-1) + `""];` }, 10_000},
		{"octets", func(n int) string { return strings.Repeat(" ", n) }, 1 << 20},
	} {
		for _, n := range []int{c.at, c.at + 1, c.at * 50} {
			_, err := Parse(c.make(n), Limits{Bytes: 1 << 20})
			if bad := err != nil; bad != (n > c.at) {
				t.Errorf("%s: %d: %v", c.what, n, err)
			}
		}
	}
	_, err := Parse(strings.Repeat("$ ;", 1000), Limits{})
	if errs, _ := err.(Errors); len(errs) != 50 {
		t.Errorf("%d errors are told", len(errs))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("require [\"a\"];\r\nif anyof(not true, size :over 1K) { x text:\r\n..\r\n.\r\n; } else { stop; }")
	f.Add("x :tag [\"a\\\"b\"] 7 y (z, w);")
	f.Add("if if if {{{ \"")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text, Limits{})
		if err != nil {
			return
		}
		again, err := Parse(s.String(), Limits{Bytes: 1 << 30})
		if err != nil {
			t.Fatalf("what was printed can't be read: %v\n%s", err, s)
		}
		if d := cmp.Diff(s, again, places, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := "require [\"fileinto\"];\r\n" + strings.Repeat("if header :contains [\"From\", \"To\"] \"somebody@example.org\" { fileinto \"A folder\"; stop; }\r\n", 50)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
