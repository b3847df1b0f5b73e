package message

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the .txt files in testdata")

// TestMessages reads whole messages, each with what is to be found in it beside it.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			msg, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			checkPortions(t, msg)
			checkOffsets(t, msg)
			got := describe(msg)
			golden := strings.TrimSuffix(name, ".eml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// describe writes down everything that is known about a message.
func describe(msg []byte) string {
	s := Parse(msg)
	r := bytes.NewReader(msg)
	var b strings.Builder
	for _, f := range s.Header.Fields {
		if strings.HasPrefix(s.Header.Name(f), "X-") {
			continue
		}
		fmt.Fprintf(&b, "field %s at %d, value %d to %d\n", s.Header.Name(f), f.Start, f.Value, f.End)
	}
	describeEnvelope(&b, s.Envelope, "")
	describePart(&b, s.Root, "")
	fmt.Fprintf(&b, "preview %q\n", Preview(s, r))
	b.WriteString("text\n")
	for l := range strings.Lines(Text(s, r, 10_000) + "\n") {
		b.WriteString("  | " + l)
	}
	return b.String()
}

func describeEnvelope(b *strings.Builder, e *Envelope, indent string) {
	date, ok := ParseDate(e.Date)
	fmt.Fprintf(b, "%sdate %q = %s, %v\n", indent, e.Date, date.Format("2006-01-02T15:04:05Z07:00"), ok)
	base, reply := BaseSubject(e.Subject)
	fmt.Fprintf(b, "%ssubject %q, base %q, reply %v\n", indent, DecodeWords(e.Subject), base, reply)
	for i, as := range [...][]Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		for _, a := range as {
			fmt.Fprintf(b, "%s%s %q %q %q %q", indent, [...]string{"from", "sender", "reply-to", "to", "cc", "bcc"}[i], a.DisplayName(), a.Route, a.Mailbox, a.Host)
			if a.Group != NoGroup {
				fmt.Fprintf(b, " group %d", a.Group)
			}
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(b, "%smessage-id %q, in-reply-to %q, references %q\n", indent, ParseMessageIDs(e.MessageID), ParseMessageIDs(e.InReplyTo), ParseMessageIDs(e.References))
}

func describePart(b *strings.Builder, p *Part, indent string) {
	fmt.Fprintf(b, "%spart %s/%s", indent, p.Type, p.Subtype)
	if !p.Typed {
		b.WriteString(" by default")
	}
	if p.Opaque {
		b.WriteString(" opaque")
	}
	fmt.Fprintf(b, ", %s, header %d+%d, body %d+%d, %d lines\n", p.Encoding, p.HeaderOffset, p.HeaderSize, p.BodyOffset, p.BodySize, p.Lines)
	for _, ps := range [...][]Param{p.Params, p.DispositionParams} {
		for _, q := range ps {
			fmt.Fprintf(b, "%s  %s = %q", indent, q.Name, q.Value)
			if q.Value != q.Raw {
				fmt.Fprintf(b, ", raw %q", q.Raw)
			}
			b.WriteByte('\n')
		}
	}
	for _, f := range [...][2]string{{"disposition", p.Disposition}, {"file", p.Filename()}, {"id", p.ID}, {"description", p.Description},
		{"md5", p.MD5}, {"language", strings.Join(p.Language, "|")}, {"location", p.Location}} {
		if f[1] != "" {
			fmt.Fprintf(b, "%s  %s: %q\n", indent, f[0], f[1])
		}
	}
	for _, c := range p.Children {
		describePart(b, c, indent+"  ")
	}
	if p.Message != nil {
		describeEnvelope(b, p.Message.Envelope, indent+"  > ")
		describePart(b, p.Message.Root, indent+"  > ")
	}
}
