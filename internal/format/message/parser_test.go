package message

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outline draws a structure's tree, with the text of each part's body, so that tests show it at a glance.
func outline(msg string, s *Structure) string {
	var b strings.Builder
	outlinePart(&b, msg, s.Root, "")
	return b.String()
}

func outlinePart(b *strings.Builder, msg string, p *Part, indent string) {
	fmt.Fprintf(b, "%s%s/%s", indent, p.Type, p.Subtype)
	if p.Opaque {
		b.WriteString(" opaque")
	}
	fmt.Fprintf(b, " header=%d lines=%d", p.HeaderSize, p.Lines)
	if len(p.Children) == 0 && p.Message == nil {
		fmt.Fprintf(b, " %q", msg[p.BodyOffset:p.BodyOffset+p.BodySize])
	}
	b.WriteByte('\n')
	for _, c := range p.Children {
		outlinePart(b, msg, c, indent+"  ")
	}
	if p.Message != nil {
		outlinePart(b, msg, p.Message.Root, indent+"> ")
	}
}

func TestStructure(t *testing.T) {
	for _, tt := range []struct{ name, msg, want string }{
		{"empty message", "", `text/plain header=0 lines=0 ""`},
		{"header only", "Subject: x\r\n", `text/plain header=12 lines=0 ""`},
		{"header without line end", "Subject: x", `text/plain header=10 lines=0 ""`},
		{"no header at all", "\r\nhello\r\n", `text/plain header=2 lines=1 "hello\r\n"`},
		{"bare LF", "Subject: x\n\nhello\nyou\n", `text/plain header=12 lines=2 "hello\nyou\n"`},
		{"mixed line ends", "Subject: x\nA: b\r\n\nhello\r\nyou\n", `text/plain header=18 lines=2 "hello\r\nyou\n"`},
		{"bare CR ends no line", "Subject: x\r\r\n\rA: b\r\n\r\nhello\r", `text/plain header=22 lines=0 "hello\r"`},
		{"last line without end", "\n1\n2", `text/plain header=1 lines=1 "1\n2"`},
		{"a line of blanks does not end the header", "A: b\r\n \t\r\nContent-Type: text/html\r\n\r\nx",
			`text/html header=37 lines=0 "x"`},
		{"no colon", "garbage\r\nContent-Type: text/html\r\nmore garbage\r\n\r\nx", `text/html header=50 lines=0 "x"`},
		{"mbox From line", "From me Mon\nContent-Type: text/html\n\nx", `text/html header=37 lines=0 "x"`},
		{"simple multipart", mp("--b\r\n\r\nhello\r\n\r\n--b--\r\n"), `multipart/mixed header=43 lines=5
  text/plain header=2 lines=1 "hello\r\n"`},
		{"no closing boundary", mp("pre\r\n--b\r\nA: b\r\n\r\n1\r\n--b\r\n\r\n2\r\n"), `multipart/mixed header=43 lines=8
  text/plain header=8 lines=0 "1"
  text/plain header=2 lines=1 "2\r\n"`},
		{"closing boundary without line end", mp("--b\n\n1\n--b--"), `multipart/mixed header=43 lines=3
  text/plain header=1 lines=0 "1"`},
		{"boundary without line end", mp("--b\n\n1\n--b"), `multipart/mixed header=43 lines=3
  text/plain header=1 lines=0 "1"
  text/plain header=0 lines=0 ""`},
		{"empty parts", mp("--b\r\n--b\r\n\r\n--b\r\nA: b\r\n--b\r\n\r\n\r\n--b--\r\n"), `multipart/mixed header=43 lines=9
  text/plain header=0 lines=0 ""
  text/plain header=2 lines=0 ""
  text/plain header=6 lines=0 ""
  text/plain header=2 lines=0 ""`},
		{"trailing blanks, junk behind a boundary", mp("--b \t\r\n\r\n1\r\n--bcd e\r\n\r\n2\r\n--b-- \r\nepi\r\n--b\r\n\r\n3"),
			`multipart/mixed header=43 lines=10
  text/plain header=2 lines=0 "1"
  text/plain header=2 lines=0 "2"`},
		{"not a boundary", mp("--b\r\n\r\n --b\r\n-b\r\n--\r\n--a\r\nx--b\r\n--b--"), `multipart/mixed header=43 lines=7
  text/plain header=2 lines=4 " --b\r\n-b\r\n--\r\n--a\r\nx--b"`},
		{"boundary never found", mp("hello\r\nyou\r\n"), `multipart/mixed header=43 lines=2
  text/plain header=0 lines=2 "hello\r\nyou\r\n"`},
		{"no boundary parameter", "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n", `multipart/mixed header=31 lines=4
  text/plain header=0 lines=4 "--b\n\nx\n--b--\n"`},
		{"multipart without a body", "Content-Type: multipart/mixed; boundary=b\n", `multipart/mixed header=42 lines=0
  text/plain header=0 lines=0 ""`},
		{"folded boundary", "Content-Type: multipart/mixed; boundary=\"foo\n bar\"\n\n--foo bar\nContent-Type: text/x-myown; charset=us-ascii\n\nhello\n\n--foo bar--\n",
			`multipart/mixed header=52 lines=6
  text/x-myown header=46 lines=1 "hello\n"`},
		{"longer boundary wins", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\n1\n--bb--\n--b\n\n2\n--b--\n",
			`multipart/mixed header=43 lines=11
  multipart/alternative header=50 lines=3
    text/plain header=1 lines=0 "1"
  text/plain header=1 lines=0 "2"`},
		{"longer outer boundary wins", "Content-Type: multipart/mixed; boundary=bb\n\n--bb\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n--b--\n--bb\n\n2\n--bb--\n",
			`multipart/mixed header=44 lines=11
  multipart/alternative header=49 lines=3
    text/plain header=1 lines=0 "1"
  text/plain header=1 lines=0 "2"`},
		{"same boundary inside", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n--b--\n--b\n\n2\n--b--\n",
			`multipart/mixed header=43 lines=11
  multipart/alternative header=49 lines=3
    text/plain header=1 lines=0 "1"
  text/plain header=1 lines=0 "2"`},
		{"outer boundary ends inner parts", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\n1\n--b\n\n2\n--c\n--b--\n",
			`multipart/mixed header=43 lines=11
  multipart/alternative header=49 lines=2
    text/plain header=1 lines=0 "1"
  text/plain header=1 lines=1 "2\n--c"`},
		{"digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nFrom: a\n\n1\n--b \nContent-Type: text/plain\n\n2\n--b\nX-M: y\n\nFrom: c\n--b--\n",
			`multipart/digest header=44 lines=14
  message/rfc822 header=1 lines=2
  > text/plain header=9 lines=0 "1"
  text/plain header=26 lines=0 "2"
  message/rfc822 header=8 lines=0
  > text/plain header=7 lines=0 ""`},
		{"message in a message", "Content-Type: message/rfc822\n\nContent-Type: message/global\n\nSubject: x\n\nhello\n",
			`message/rfc822 header=30 lines=5
> message/global header=30 lines=3
> > text/plain header=12 lines=1 "hello\n"`},
		{"message without body", "Content-Type: message/rfc822\n\n", `message/rfc822 header=30 lines=0
> text/plain header=0 lines=0 ""`},
		{"message part without body", mp("--b\nContent-Type: message/rfc822\n--b--\n"), `multipart/mixed header=43 lines=3
  message/rfc822 header=29 lines=0
  > text/plain header=0 lines=0 ""`},
		{"encoded message", "Content-Type: message/rfc822\nContent-Transfer-Encoding: BASE64\n\nU3ViamVjdDogeA==\n",
			`message/rfc822 opaque header=64 lines=1 "U3ViamVjdDogeA==\n"`},
		{"unknown encoding", "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: x-unknown\n\n\nhi\n--b--",
			`multipart/mixed header=77 lines=6
  message/rfc822 header=67 lines=1
  > text/plain header=1 lines=0 "hi"`},
		{"message/partial is opaque", "Content-Type: message/partial; number=1\n\nFrom: x\n\nhi", `message/partial header=41 lines=2 "From: x\n\nhi"`},
		{"first Content-Type counts", "Content-Type: text/html\nContent-Type: text/plain\n\n", `text/html header=50 lines=0 ""`},
		{"broken Content-Type", "Content-Type: ;;/\n\nx", `text/plain header=19 lines=0 "x"`},
		{"NUL", "A: \x00b\n\n\x00\n", "text/plain header=7 lines=1 \"\\x00\\n\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.TrimSpace(tt.want)
			if got := strings.TrimSpace(outline(tt.msg, Parse([]byte(tt.msg)))); got != want {
				t.Errorf("structure of %q\n%s", tt.msg, cmp.Diff(want, got))
			}
			checkPortions(t, []byte(tt.msg))
			checkOffsets(t, []byte(tt.msg))
		})
	}
}

func mp(body string) string { return "Content-Type: multipart/mixed; boundary=b\n\n" + body }

// checkPortions checks that a message has the same structure in whatever portions it comes.
func checkPortions(t *testing.T, msg []byte) {
	t.Helper()
	want := Parse(msg)
	p := NewParser(Limits{})
	for _, n := range []int{1, 2, 3, 7, 64} {
		p.Reset()
		for rest := msg; len(rest) > 0; {
			k := min(n, len(rest))
			portion := append([]byte(nil), rest[:k]...)
			p.Write(portion)
			clear(portion) // the parser must not have kept it
			rest = rest[k:]
		}
		if diff := cmp.Diff(want, p.Finish()); diff != "" {
			t.Fatalf("in portions of %d: %q\n%s", n, msg, diff)
		}
	}
}

// checkOffsets checks that the parts lie inside each other and in order.
func checkOffsets(t *testing.T, msg []byte) {
	t.Helper()
	s := Parse(msg)
	if s.Size != int64(len(msg)) || s.Root.HeaderSize+s.Root.BodySize != s.Size || s.Root.HeaderOffset != 0 {
		t.Fatalf("root %+v of size %d does not cover %q", s.Root, s.Size, msg)
	}
	checkPart(t, msg, s.Root)
}

func checkPart(t *testing.T, msg []byte, p *Part) {
	t.Helper()
	if p.HeaderSize < 0 || p.BodySize < 0 || p.BodyOffset != p.HeaderOffset+p.HeaderSize || p.Type == "" || p.Subtype == "" {
		t.Fatalf("part %+v of %q", p, msg)
	}
	if n := strings.Count(string(msg[p.BodyOffset:p.BodyOffset+p.BodySize]), "\n"); int64(n) != p.Lines {
		t.Fatalf("part %+v of %q has %d lines", p, msg, n)
	}
	end := p.BodyOffset
	below := p.Children
	if p.Message != nil {
		below = []*Part{p.Message.Root}
		if p.Message.Envelope == nil {
			t.Fatalf("no envelope in %+v of %q", p, msg)
		}
	}
	for _, c := range below {
		if c.HeaderOffset < end || c.BodyOffset+c.BodySize > p.BodyOffset+p.BodySize {
			t.Fatalf("part %+v is not inside %+v: %q", c, p, msg)
		}
		end = c.BodyOffset + c.BodySize
		checkPart(t, msg, c)
	}
}

// Boundaries are found wherever they lie in what is looked at at a time.
func TestStride(t *testing.T) {
	head := mp("--b\r\n\r\n")
	for shift := -12; shift <= 12; shift++ {
		for _, fill := range []string{"x", "-", "\n", "\r\n", "\n-", "\n--"} {
			n := stride + shift - len(head)
			body := strings.Repeat(fill, n/len(fill)+1)[:n]
			msg := []byte(head + body + "\r\n--b\r\nA: b\r\n\r\n2\r\n--b--\r\n")
			want := NewParser(Limits{})
			for rest := msg; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
				want.Write(rest[:min(1000, len(rest))])
			}
			got := Parse(msg)
			if diff := cmp.Diff(want.Finish(), got); diff != "" {
				t.Fatalf("shift %d, filled with %q\n%s", shift, fill, diff)
			}
			cs := got.Root.Children
			if len(cs) != 2 || cs[0].BodySize != int64(n) && fill[0] != '\n' && fill[0] != '\r' || string(msg[cs[1].BodyOffset:cs[1].BodyOffset+cs[1].BodySize]) != "2" {
				t.Fatalf("shift %d, filled with %q: %d parts", shift, fill, len(cs))
			}
		}
	}
}
