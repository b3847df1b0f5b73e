package transcript

import (
	"bufio"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"postroad/internal/service/memnet"
)

func TestFits(t *testing.T) {
	for _, c := range []struct {
		text, pattern string
		want          bool
	}{
		{"250 ok", "250 ok", true},
		{"250 ok", "250 o", false},
		{"250 ok", "250 *", true},
		{"250 ", "250 *", true},
		{"250 ok", "*", true},
		{"a b c", "a*c", true},
		{"a", "a*a", false}, // nothing counts twice
		{"aba", "a*b*a", true},
		{"a.a", "a*b*a", false},
		{"x a", "a*", false},
		{"a[b", "a[*", true}, // no other signs
	} {
		if got := Fits(c.text, c.pattern, "*"); got != c.want {
			t.Errorf("%q as %q: %v", c.text, c.pattern, got)
		}
	}
	if !Fits("* 1 EXISTS", "* ... EXISTS", "...") || Fits("2 1 EXISTS", "* ... EXISTS", "...") {
		t.Error("another sign for anything")
	}
}

func TestSplit(t *testing.T) {
	if got := split("f", "# hello\n\nC: a\nS: + \n"); len(got) != 1 || fmt.Sprint(got[0]) != "{ [{f:3 C: a} {f:4 S: + }]}" {
		t.Errorf("%v", got)
	}
	if got := split("f", "For the reader.\n\n== one\ngiven x y\n== two\n\nTLS\n"); fmt.Sprint(got) != "[{one [{f:4 given x y}]} {two [{f:7 TLS }]}]" {
		t.Errorf("%v", got)
	}
}

// failure is a test that notes why it failed.
type failure struct {
	testing.TB
	why string
}

func (f *failure) Helper() {}
func (f *failure) Fatalf(format string, args ...any) {
	f.why = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// echo answers each line with it, and hangs up after "bye".
func echo(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	for in.Scan() {
		fmt.Fprintf(c, "%s\r\n", in.Text())
		if in.Text() == "bye" {
			return
		}
	}
}

// hold plays a conversation with an echo, and gives why it failed, and what its own words were.
func hold(t *testing.T, text string) (why string, words []string) {
	f := &failure{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		World{
			Dial: func(string) net.Conn {
				near, far := memnet.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
				go echo(far)
				return near
			},
			Entered: func(c *Client) { words = append(words, "enters "+c.Name+c.Ask("hello")) },
			Given:   func(l Line) { words = append(words, "given "+l.Rest) },
			Do:      func(l Line) bool { words = append(words, l.Word); return l.Word == "then" },
		}.Play(f, split("f", text)[0].script)
	}()
	<-done
	return f.why, words
}

func TestPlay(t *testing.T) {
	for text, want := range map[string]string{
		"C: a\nC: b\nS: a\nS: b": "",
		"C: a\nS: b":             "f:2:\nwant b\ngot  a",
		"C> \"a\\r\\nb\\r\\nc\\r\\n\"\nS: ...\nS: c": "",
		"C: a\nC: b\nS: b":                           "f:3:\nwant b\ngot  a",
		"C: bye\nS: bye\nS: (hangs up)":              "",
		"C: bye\nS: ...\nS: (hangs up)":              "",
		"C: bye\nS: ...\nS: x":                       "f:3:\nwant x\ngot   (EOF)",
		"C: a\nC: bye\nS: a\nS: (hangs up)":          "f:4:\nwant (hangs up)\ngot  bye",
		"C: a\nC: b\n!: a\nS: ...\nS: b":             "f:5: forbidden: a",
		"C: a\nC: b\nS: a\n!: a\nS: b":               "",
		"C2: a\nC: b\nS: b\nS2: a":                   "",
		"C> a\"":                                     "f:1: invalid syntax",
		"then x\nwhen y":                             `f:2: what is "when"?`,
		"X: y":                                       `f:1: what is "X:"?`,
	} {
		if why, _ := hold(t, text); why != want {
			t.Errorf("%s\n--\nwant %q\ngot  %q", text, want, why)
		}
	}
	_, words := hold(t, "given x y\nC2: a\nthen b\nS2: a\nCb: c\nS: ...")
	if want := []string{"given x y", "enters 2hello", "then", "enters bhello"}; !slices.Equal(words, want) {
		t.Errorf("%s", strings.Join(words, ", "))
	}
}
