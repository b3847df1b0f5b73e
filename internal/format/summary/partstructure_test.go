package summary

import (
	"strings"
	"testing"

	"postroad/internal/format/message"
)

const nestedMessage = "Content-Type: multipart/mixed; boundary=a\r\n\r\n" +
	"--a\r\n\r\nplain\r\n" +
	"--a\r\nContent-Type: message/rfc822\r\n\r\n" +
	"Subject: inner (\"x\"\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n" +
	"--a\r\nContent-Type: image/png; name=\"a)b\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--a--\r\n"

func TestPartStructure(t *testing.T) {
	r := Make(message.Parse([]byte(nestedMessage)), "")
	for _, c := range []struct {
		nested bool
		number []uint32
		want   string // how it begins; "": there is none
	}{
		{false, nil, `(("TEXT" "PLAIN"`},
		{false, []uint32{1}, `("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 5 0 NIL NIL NIL NIL)`},
		{false, []uint32{2}, `("MESSAGE" "RFC822"`},
		{true, []uint32{2}, `(("TEXT" "PLAIN"`},
		{false, []uint32{2, 2}, `("TEXT" "HTML"`},
		{false, []uint32{3}, `("IMAGE" "PNG" ("NAME" "a)b") NIL NIL "BASE64" 4 NIL NIL NIL NIL)`},
		{false, []uint32{4}, ""},
		{true, []uint32{3}, ""},
		{false, []uint32{3, 1}, ""},
		{false, []uint32{2, 3}, ""},
		{false, []uint32{1, 1}, ""},
	} {
		got := string(r.PartStructure(c.nested, c.number...))
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%v %v: %s", c.nested, c.number, got)
		}
		if _, ok := r.Part(c.number...); !c.nested && len(c.number) > 0 && ok != (got != "") {
			t.Errorf("%v: the table of parts says %v", c.number, ok)
		}
	}
	single := Make(message.Parse([]byte("\r\nx\r\n")), "")
	if got := single.PartStructure(false, 1); string(got) != string(single.BodyStructure()) {
		t.Errorf("part 1 of a message that is no multipart: %s", got)
	}
}

func TestDecodedStructure(t *testing.T) {
	for in, want := range map[string]string{
		`("IMAGE" "PNG" ("NAME" "a)b") NIL NIL "BASE64" 4 NIL NIL NIL NIL)`:                      `("IMAGE" "PNG" ("NAME" "a)b") NIL NIL "BINARY" 3 NIL NIL NIL NIL)`,
		`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "QUOTED-PRINTABLE" 5 0 NIL NIL NIL NIL)`: `("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "BINARY" 3 2 NIL NIL NIL NIL)`,
		`(("A" "B") "MIXED")`: `(("A" "B") "MIXED")`,
		`("A`:                 "",
		``:                    "",
	} {
		if got := string(DecodedStructure([]byte(in), "BINARY", 3, 2)); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// FuzzStructures: whatever a damaged record holds, what is cut out of it is a part of it.
func FuzzStructures(f *testing.F) {
	r := Make(message.Parse([]byte(nestedMessage)), "")
	f.Add(string(r.BodyStructure()))
	f.Add(`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 1 (NIL) ("A" "B"))`)
	f.Add(`({3}` + "\r\n" + `abc (()`)
	f.Fuzz(func(t *testing.T, s string) {
		b := []byte(s)
		if isMultipartBody(b) {
			for n := range uint32(3) {
				if c := childBody(b, n); c != nil && (n == 0 || !strings.Contains(s, string(c))) {
					t.Errorf("%d: %q", n, c)
				}
			}
		}
		if c := messageBody(b); !strings.Contains(s, string(c)) {
			t.Errorf("%q", c)
		}
		DecodedStructure(b, "7BIT", 1, 2)
	})
}
