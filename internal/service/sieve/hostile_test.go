package sieve

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// nestedParts is a message of multiparts in multiparts.
func nestedParts(depth int) string {
	var b strings.Builder
	b.WriteString("From: ann@far.example\r\nSubject: deep\r\n")
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return b.String() + "\r\nx\r\n"
}

// Messages that are made to hurt: runs are bounded in steps and memory, and the message is kept, by the script or instead of it.
func TestHostileMessages(t *testing.T) {
	rules := strings.Repeat(`if anyof(header :contains ["subject", "x-a", "to"] "nothing", address :domain ["from", "to", "cc"] "no.example", header :matches "x-a" "*a*b*") { fileinto "A"; } `, 50)
	parts := `foreverypart { if anyof(body :contains "zzz", header :mime :anychild "content-type" "zzz") { fileinto "A"; } foreverypart { extracttext "t"; } } `
	away := `vacation :addresses ["` + strings.Repeat(`a@b.example", "`, 9000) + `c@d.example"] "x";`
	for what, c := range map[string]struct{ script, msg string }{
		"many fields":         {rules, strings.Repeat("X-A: aaaa\r\n", 100_000) + letter},
		"long fields":         {rules, "X-A: " + strings.Repeat("a", 4<<20) + "\r\n" + letter},
		"folded without end":  {rules, "To: a@b.example" + strings.Repeat(",\r\n a@b.example", 200_000) + "\r\n" + letter},
		"open comments":       {rules, "To: " + strings.Repeat("(", 500_000) + "\r\n" + letter},
		"encoded words":       {rules, "Subject: " + strings.Repeat("=?utf-8?q?a?= ", 200_000) + "\r\n" + letter},
		"deep parts":          {parts, nestedParts(10_000)},
		"many parts":          {parts, "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 100_000)},
		"deep messages":       {parts, strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 10_000)},
		"to many, from many":  {away, "To: a@x.example" + strings.Repeat(",\r\n a@x.example", 50_000) + "\r\nFrom: a@x.example\r\n\r\nx\r\n"},
		"replacing all parts": {`foreverypart { replace "` + strings.Repeat("x", 3000) + `"; }`, "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n", 100_000)},
		"no end of a header":  {rules + `addheader "X" "y";`, strings.Repeat("x", 8<<20)},
		"nothing but zeroes":  {rules + parts, strings.Repeat("\x00", 1<<20)},
	} {
		s := compileText(t, everything()+c.script, Options{})
		env := testEnv()
		asked := 0
		env.Owner = &owner{asked: &asked}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := s.Run(t.Context(), env, rawMessage(c.msg))
		runtime.ReadMemStats(&after)
		if !out.Kept || out.Steps > 5_100_000 { // the last step may be a large one
			t.Errorf("%s: %s after %d steps, %v", what, describe(out), out.Steps, err)
		}
		if used := int64(after.TotalAlloc - before.TotalAlloc); used > 100<<20+16*int64(len(c.msg)) {
			t.Errorf("%s: %d MB of memory for %d", what, used>>20, len(c.msg)>>20)
		}
		if asked > 5000 {
			t.Errorf("%s: asked %d times", what, asked)
		}
	}
}

// What replace writes is bounded together.
func TestReplaceIsBounded(t *testing.T) {
	msg := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n", 200)
	for _, c := range []struct {
		octets int
		fails  bool
	}{{1000, false}, {20_000, true}, {200_000, true}} {
		s := compileText(t, everything()+`foreverypart { if header :mime :type "content-type" "text" { replace "`+strings.Repeat("x", c.octets)+`"; } }`, Options{})
		out, err := s.Run(t.Context(), testEnv(), rawMessage(msg))
		if (err != nil) != c.fails || !out.Kept || c.fails && out.Actions[0].Message != nil {
			t.Errorf("%d: %s, %v", c.octets, describe(out), err)
		}
	}
}
