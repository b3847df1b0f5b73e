package sieve

import (
	"context"
	"slices"
	"strings"
	"testing"

	"postroad/internal/format/message"
)

// inTwo is a message of which what we put in front isn't parsed.
type inTwo struct {
	rawMessage
	front []byte
	rest  message.Header
}

func newInTwo(front, rest string) *inTwo {
	return &inTwo{rawMessage(front + rest), []byte(front), message.ParseHeader(rest)}
}

func (m *inTwo) ParsedHeader() ([]byte, *message.Header, bool) { return m.front, &m.rest, true }

// A header in two parts has the fields of both, whether somebody has asked for one of them or not.
func TestHeaderInTwoParts(t *testing.T) {
	const rest = "From: a@b.example\r\nX-A: 2\r\n folded\r\nX-a : 3\r\n\r\n"
	for _, front := range []string{"", "X-A: 1\r\n", "Return-Path: <>\r\nX-A: 1\r\n\tfolded\r\nX-Ab: 0\r\n", "no field\r\nX-A: 1\r\n", "X-A\t: 1\r\nFrom ann\r\n", "\r\nX-A: 1\r\n", ": 1\r\nX-A: 0\r\n", strings.Repeat("X-A: 1\r\n", 300)} {
		var want []string
		for _, part := range []string{front, rest} {
			h := message.ParseHeader(part)
			for _, f := range h.Fields {
				want = append(want, h.Name(f)+":"+h.Value(f))
			}
		}
		m := newInTwo(front, rest)
		for _, name := range []string{"", "x-a", "from", "x-b"} {
			x := newMachine(t.Context(), Limits{}.withDefaults(), testEnv(), m)
			h := x.head()
			named := 0
			for i := h.next(name, 0); i >= 0; i = h.next(name, i+1) {
				named++
				if !equalASCII(h.at(i).name, name) {
					t.Errorf("%q: field %d isn't called %s", front, i, name)
				}
			}
			if n := len(slices.DeleteFunc(slices.Clone(want), func(s string) bool { return !strings.EqualFold(s[:strings.IndexByte(s, ':')], name) })); n != named {
				t.Errorf("%.40q: %d fields are called %q, want %d", front, named, name, n)
			}
			var got []string
			for i := range h.labels {
				got = append(got, h.at(i).name+":"+h.at(i).raw)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%.40q: %q, want %q", front, got, want)
			}
			x.release()
		}
	}
}

// A run that looks at fields and keeps the message makes its outcome, what it decodes, and nothing else. What we put in front of a message isn't even
// copied unless a script asks for it.
func TestAllocationsOfARun(t *testing.T) {
	if underRace {
		t.Skip("allocations can't be counted")
	}
	m := newInTwo("Return-Path: <ann@far.example>\r\nAuthentication-Results: here.example; spf=pass\r\n", "From: Ann <ann@far.example>\r\nSubject: hello\r\nDate: Sat, 21 Nov 2026 05:00:00 +0100\r\nMessage-ID: <1@far.example>\r\n\r\nhello\r\n")
	for script, most := range map[string]float64{
		"": 1,
		`if header :contains ["List-Id", "Subject"] ["announce", "dev.example"] { fileinto "A"; stop; } if not exists ["Message-ID", "Date"] { fileinto "B"; } if size :over 20M { discard; }`: 1,
		`if envelope :domain "from" "bank.example" { fileinto "A"; stop; } if spamtest :value "ge" :comparator "i;ascii-numeric" "9" { fileinto "B"; stop; }`:                                  1,
		`if address :domain "From" ["shop.example", "store.example"] { fileinto "A"; stop; }`:                                                                                                  3, // two are the addresses
		`if header "Authentication-Results" "x" { fileinto "A"; }`:                                                                                                                             3,
	} {
		s, env := compileText(t, everything()+script, Options{}), testEnv()
		if got := testing.AllocsPerRun(50, func() { _, _ = s.Run(context.Background(), env, m) }); got > most {
			t.Errorf("%s: %v allocations, want %v", script, got, most)
		}
	}
}
