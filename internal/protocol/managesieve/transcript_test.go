package managesieve

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTranscripts plays testdata/*.txt, conversations that specify the server. ann@example.org has the password "secret".
//
//	# comment
//	given clear              the listener takes no passwords without TLS
//	C: text                  the client says a line
//	C+ "text"                the client sends just these bytes, quoted as in Go
//	S: text                  the server says that line; * in it stands for anything
//	S: ...                   the server says any number of lines, up to one that fits the next S: line
//	S: (hangs up)            the server closes the connection
//	TLS                      the client does its handshake
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { play(t, f) })
	}
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	check(t, err)
	o := ListenerOptions{PlainAllowed: !strings.Contains(string(text), "\ngiven clear\n")}
	w := newWorld(t, o, func(c *Config) { c.TLS = testTLS(t) })
	c := w.dial(t, "192.0.2.1")
	skip := false
	for i, l := range strings.Split(string(text), "\n") {
		what, rest, _ := strings.Cut(l, " ")
		switch what {
		case "C:":
			c.send(rest + "\r\n")
		case "C+":
			raw, err := strconv.Unquote(rest)
			check(t, err)
			c.send(raw)
		case "TLS":
			c.startTLS()
		case "S:":
			if rest == "..." {
				skip = true
				continue
			}
			expect(t, c, file, i+1, rest, skip)
			skip = false
		}
	}
}

// expect reads lines until one fits, or just one.
func expect(t *testing.T, c *client, file string, at int, want string, skip bool) {
	t.Helper()
	fits := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*") + "$")
	if want == "(hangs up)" {
		fits = regexp.MustCompile(`^\(hangs up\)$`)
	}
	for {
		got := c.line()
		if fits.MatchString(got) {
			return
		}
		if !skip || got == "(hangs up)" {
			t.Fatalf("%s:%d: the server says %q, want %q", file, at, got, want)
		}
	}
}
