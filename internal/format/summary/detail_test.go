package summary

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/format/message"
)

// Whatever a message does, its record is small enough to be stored, and is what the syntax allows.
func TestMaxSize(t *testing.T) {
	repeat := strings.Repeat
	part := func(header string) string { return "--b\n" + header + "\n\nx\n" }
	multi := "Content-Type: multipart/mixed; boundary=b\n\n"
	var names strings.Builder
	for i := range 50 {
		fmt.Fprintf(&names, ";\n n%d=\"%s\"", i, repeat(`\"`, 200))
	}
	for name, msg := range map[string]string{
		"groups":            "From: " + repeat("a:", 120<<10) + "\n\n",
		"short addresses":   "From: " + repeat("a,", 120<<10) + "\n\n",
		"8-bit subject":     "Subject: " + repeat("\xe4", 250<<10) + "\n\n",
		"quotes":            "Subject: " + repeat(`"`, 250<<10) + "\nMessage-ID: " + repeat(`\`, 1000) + "\n\n",
		"long message ID":   "Message-ID: <" + repeat("a", 250<<10) + ">\nIn-Reply-To: <" + repeat("b", 1<<10) + ">\n\n",
		"references":        "References: " + repeat("<aaaaaaaaaa@bbbbbbbbbbb>\n ", 10<<10) + "\n\n",
		"many parts":        multi + repeat("--b\n\nx\n", 20_000),
		"named parts":       multi + repeat(part("Content-Type: text/plain"+names.String()), 300),
		"languages":         multi + repeat(part("Content-Language: "+repeat("a,", 10<<10)), 200),
		"long types":        multi + repeat(part("Content-Type: "+repeat("ä", 60)+"/"+repeat("ö", 60)+"\nContent-Transfer-Encoding: "+repeat("ü", 60)), 10_000),
		"messages":          multi + repeat(part("Content-Type: message/rfc822\n\nFrom: "+repeat("a:", 10<<10)), 40),
		"digest":            "Content-Type: multipart/digest; boundary=b\n\n" + repeat("--b\n\nSubject: x\nFrom: a@b\n\nx\n", 10_000),
		"multiparts":        multi + repeat("--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n--c--\n", 5_000),
		"deep messages":     repeat("Content-Type: message/rfc822\n\n", 10_000),
		"encoded-word bomb": "Subject: " + repeat("=?iso-8859-1?q?"+repeat("=e4", 20)+"?= ", 3000) + "\n\n",
		"everything": "From: " + repeat("\xe4 <\xe4@\xe4>,", 20<<10) + "\nSubject: " + repeat("\xe4", 1<<10) + "\n" + multi +
			repeat(part("Content-Type: message/rfc822"+names.String()+"\nContent-Description: "+repeat("\xe4", 2000)+"\n\nTo: "+repeat("a:", 1<<10)), 300),
	} {
		t.Run(name, func(t *testing.T) {
			s := message.Parse([]byte(msg))
			r := Make(s, "")
			if len(r) > MaxSize {
				t.Errorf("record of %d octets", len(r))
			}
			checkSyntax(t, r)
			readAll(r)
			if r.Root(); len(r.Envelope()) < 40 || len(r.BodyStructure()) < 40 {
				t.Errorf("envelope %.100q, structure %.100q", r.Envelope(), r.BodyStructure())
			}
			if p, ok := r.Root(); !ok || p.Header.Size != s.Root.HeaderSize || p.Body.Size != s.Root.BodySize {
				t.Errorf("root %+v", p)
			}
			if len(s.Root.Children) > 1 {
				if p, ok := r.Part(2); !ok || p.Body.Offset != s.Root.Children[1].BodyOffset {
					t.Errorf("part 2 is %+v, %v", p, ok)
				}
			}
		})
	}
	// A big but honest message is told in full.
	var to strings.Builder
	for i := range 8_000 {
		fmt.Fprintf(&to, "user%d@example.org,\r\n ", i)
	}
	r := recordOf("To: " + to.String() + "x@y\n\n")
	if n := len(r.To()); n != 8_001 {
		t.Errorf("%d recipients", n)
	}
}
