package message

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMessageIDs(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"<a@b>", []string{"a@b"}},
		{"<a@b> <c@d>", []string{"a@b", "c@d"}},
		{"<a@b><c@d>", []string{"a@b", "c@d"}},
		{"<a@b>\r\n\t<c@\r\n d>", []string{"a@b", "c@d"}},
		{"Your message of Monday <a@b>", []string{"a@b"}},
		{`"<x@y>" (<z@z>) <a@b>`, []string{"a@b"}},
		{"<a@b <c@d>", []string{"a@b", "c@d"}},
		{"<a@b", []string{"a@b"}},
		{"<>", nil},
		{"a@b, c@d", []string{"a@b", "c@d"}},
		{"no id at all", nil},
		{"<1234   @   local(blah)  .machine .example>", []string{"1234@local.machine.example"}}, // RFC 5322 appendix A.6.3
		{"<no-at>", []string{"no-at"}},
		{"<a@[192.0.2.1]>", []string{"a@[192.0.2.1]"}},
	} {
		if diff := cmp.Diff(tt.want, ParseMessageIDs(tt.in)); diff != "" {
			t.Errorf("%q\n%s", tt.in, diff)
		}
	}
}

func TestBaseSubject(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		reply    bool
	}{
		{"", "", false},
		{"hello", "hello", false},
		{"Re: hello", "hello", true},
		{"RE:RE: fwd: fw: hello", "hello", true},
		{"re [2]: hello", "hello", true},
		{"[list] Re: hello", "hello", true},
		{"[list] hello", "hello", false},
		{"[list]", "[list]", false},
		{"[a] [b]", "[b]", false},
		{"[a] [b] c", "c", false},
		{"[xyz]", "[xyz]", false},
		{"hello (fwd)", "hello", true},
		{"hello (fWd)  (fwd) ", "hello", true},
		{"[foo] Fwd: [bar] Re: fw: b (fWd)  (fwd)", "b", true},
		{"b (a)", "b (a)", false},
		{"Re: [FWD: c]", "c", true},
		{"re: [fwd: [fwd: re: [fwd: babylon]]]", "babylon", true},
		{"Ad: Re: Ad: Re: Ad: x", "Ad: Re: Ad: Re: Ad: x", false},
		{"=?utf-8?q?RE:_C?=", "C", true},
		{"=?us-ascii?b?UmU6IGM=?=", "c", true},
		{"a\t b\r\n  c", "a b c", false},
		{"Re:", "", true},
		{"report: x", "report: x", false},
		{"re : x", "x", true},
		{"[fwd: x", "[fwd: x", false},
	} {
		if got, reply := BaseSubject(tt.in); got != tt.want || reply != tt.reply {
			t.Errorf("%q: got %q, %v, want %q, %v", tt.in, got, reply, tt.want, tt.reply)
		}
	}
}

func TestContentType(t *testing.T) {
	for _, tt := range []struct {
		in, typ, subtype string
		params           []Param
	}{
		{"text/plain", "text", "plain", nil},
		{"TEXT/Plain; Charset=\"UTF-8\"", "text", "plain", []Param{{Name: "charset", Value: "UTF-8", Raw: "UTF-8"}}},
		{"text/plain; charset=us-ascii (Plain text)", "text", "plain", []Param{{Name: "charset", Value: "us-ascii", Raw: "us-ascii"}}},
		{"text", "text", "plain", nil},
		{"multipart; boundary=x", "multipart", "mixed", []Param{{Name: "boundary", Value: "x", Raw: "x"}}},
		{"image", "", "", nil},
		{"", "", "", nil},
		{"a/b;;x=1;x=2; =3; y", "a", "b", []Param{{Name: "x", Value: "1", Raw: "1"}}},
		{`a/b; x="q\"s\\t;" ; y=z`, "a", "b", []Param{{Name: "x", Value: `q"s\t;`, Raw: `q"s\t;`}, {Name: "y", Value: "z", Raw: "z"}}},
		{"a/b; name=my file (1).txt; x=copy(1).txt", "a", "b", []Param{{Name: "name", Value: "my file", Raw: "my file"}, {Name: "x", Value: "copy(1).txt", Raw: "copy(1).txt"}}},
		{`a/b; name="unclosed; x=y`, "a", "b", []Param{{Name: "name", Value: "unclosed; x=y", Raw: "unclosed; x=y"}}},
		{"a/b; name=caf\xe9", "a", "b", []Param{{Name: "name", Value: "café", Raw: "caf\xe9"}}},
		// RFC 2231 sections 3, 4, 4.1
		{`message/external-body; access-type=URL; URL*0="ftp://"; URL*1="cs.utk.edu/x"`, "message", "external-body",
			[]Param{{Name: "access-type", Value: "URL", Raw: "URL"}, {Name: "url", Value: "ftp://cs.utk.edu/x", Raw: "ftp://cs.utk.edu/x"}}},
		{"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "application", "x-stuff",
			[]Param{{Name: "title", Value: "This is ***fun***", Raw: "us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", Extended: true}}},
		{`application/x-stuff; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*0*=us-ascii'en'This%20is%20even%20more%20; title*2="isn't it!"`, "application", "x-stuff",
			[]Param{{Name: "title", Value: "This is even more ***fun*** isn't it!",
				Raw: "us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!", Extended: true}}},
		{"a/b; f=plain; f*=utf-8''%c3%b6", "a", "b", []Param{{Name: "f", Value: "ö", Raw: "utf-8''%c3%b6", Extended: true}}},
		{"a/b; f*0=a; f*2=c", "a", "b", []Param{{Name: "f", Value: "a", Raw: "a"}}},
		{"a/b; f*1=b", "a", "b", []Param{{Name: "f"}}},
		{"a/b; f*01=b", "a", "b", []Param{{Name: "f*01", Value: "b", Raw: "b"}}},
		{"a/b; f*=%zz%4", "a", "b", []Param{{Name: "f", Value: "%zz%4", Raw: "%zz%4", Extended: true}}},
		{"a/b; f*0=x; f*1*=%41", "a", "b", []Param{{Name: "f", Value: "xA", Raw: "''x%41", Extended: true}}},
	} {
		typ, sub, params := parseType(tt.in)
		if typ != tt.typ || sub != tt.subtype {
			t.Errorf("%q is %s/%s", tt.in, typ, sub)
		}
		if diff := cmp.Diff(tt.params, params); diff != "" {
			t.Errorf("%q\n%s", tt.in, diff)
		}
	}
}

func TestUnfold(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " a \r\n": "a", " a\r\n b\n\tc\r\n": "a b c", "a\r\n  b": "a  b", "a\rb": "a\rb", "\r\n a": "a", "a\r\n": "a",
	} {
		if got := Unfold(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	h := ParseHeader("A : 1\r\nb: 2\r\n two\r\nnonsense\r\n folded: nonsense\r\nB: 3\r\n: none\r\nFrom x Mon 1:2:3\r\n \t: x\r\n\r\nC: 4\r\n")
	var got []string
	for _, f := range h.Fields {
		got = append(got, h.Name(f)+"|"+h.Value(f)+"|"+h.Raw[f.Start:f.End])
	}
	want := []string{"A| 1\r\n|A : 1\r\n", "b| 2\r\n two\r\n|b: 2\r\n two\r\n", "B| 3\r\n|B: 3\r\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if h.Get("a") != "1" || h.Get("C") != "" || !h.Has("B") || h.Has("nonsense") {
		t.Errorf("header %+v", h)
	}
	if diff := cmp.Diff([]string{"2 two", "3"}, h.All("b")); diff != "" {
		t.Error(diff)
	}
}

func TestEnvelopeDuplicates(t *testing.T) {
	s := Parse([]byte("Subject:\nSubject: second\nTo: a@b\nTo: c@d\nDate: x\nDate: y\n\n"))
	want := &Envelope{Date: "x", HasDate: true, HasSubject: true, To: []Address{{Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}}}
	if diff := cmp.Diff(want, s.Envelope); diff != "" {
		t.Error(diff)
	}
}

func TestEncodings(t *testing.T) {
	for _, tt := range []struct {
		header          string
		want            string
		known, identity bool
	}{
		{"", "7bit", true, true},
		{"8BIT", "8bit", true, true},
		{"8-bit", "8bit", true, true},
		{"binary (really)", "binary", true, true},
		{"Base64;", "base64", true, false},
		{"Quoted-Printable", "quoted-printable", true, false},
		{"X-UUEncode", "x-uuencode", true, false},
		{"x-own", "x-own", false, true},
		{strings.Repeat("x", 200), "7bit", true, true},
	} {
		p := Parse([]byte("Content-Transfer-Encoding: " + tt.header + "\n\n")).Root
		if p.Encoding != tt.want || KnownEncoding(p.Encoding) != tt.known || Identity(p.Encoding) != tt.identity {
			t.Errorf("%q is %q: known %v, identity %v", tt.header, p.Encoding, KnownEncoding(p.Encoding), Identity(p.Encoding))
		}
	}
}

func TestDisposition(t *testing.T) {
	for in, want := range map[string]string{
		"attachment; filename=a.txt": "attachment a.txt",
		"INLINE":                     "inline ",
		"; filename=a.txt":           "attachment a.txt",
		"attachment; filename=\"=?utf-8?q?=C3=A4?=\"": "attachment ä",
		"":                       "attachment ",
		strings.Repeat("x", 200): " ",
	} {
		p := Parse([]byte("Content-Disposition: " + in + "\n\n")).Root
		if got := p.Disposition + " " + p.Filename(); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
