package imap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// textSource feeds a decoder from a text, and notes how often a literal was invited.
type textSource struct {
	input
	invited int
}

func (s *textSource) invite() error { s.invited++; return nil }

func newTestDecoder(r io.Reader, lim Limits) (*decoder, *textSource) {
	lim = lim.withDefaults()
	src := &textSource{}
	conn := &readConn{r: r}
	out := &output{conn: conn, bufs: &buffers{}}
	src.input = input{conn: conn, bufs: &buffers{}, out: out}
	return &decoder{src: src, lim: &lim}, src
}

func decoderOf(t testing.TB, line string) *decoder {
	t.Helper()
	d, _ := newTestDecoder(strings.NewReader(line+"\r\n"), Limits{})
	must(t, d.begin())
	return d
}

func TestAtomsAndStrings(t *testing.T) {
	for in, want := range map[string]string{
		`atom`: "atom", `""`: "", `"a b"`: "a b", `"a\"\\b"`: `a"\b`, `a]b`: "a]b", `NIL`: "NIL",
		`!#$&'+,-./09:;<=>?@AZ^_` + "`az|}~": `!#$&'+,-./09:;<=>?@AZ^_` + "`az|}~", `"grüß"`: "grüß",
		"{3+}\r\na\"b": `a"b`, "{0}\r\n": "",
	} {
		d := decoderOf(t, in)
		got := string(d.astring())
		if err := d.end(); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{``, ` `, `"a`, `"a\`, `"a\b"`, `(`, `%`, `a%`, `a{3`, `{3}`, `{3+}x`, `{-1}`, `{99999999999999999999}`, "\"a\x00\"", "{2+}\r\n\x00a", "gr\xfc"} {
		d := decoderOf(t, in)
		d.astring()
		if err := d.end(); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestSynchronisingLiteralsAreInvited(t *testing.T) {
	d, src := newTestDecoder(strings.NewReader("{2}\r\nab {2+}\r\ncd\r\n"), Limits{})
	must(t, d.begin())
	a := d.astring()
	d.sp()
	b := d.astring()
	if err := d.end(); err != nil || string(a)+string(b) != "abcd" || src.invited != 1 {
		t.Error(string(a), string(b), err, src.invited)
	}
}

// Lengths are taken at their limits and refused above.
func TestDecoderLimits(t *testing.T) {
	lim := Limits{Line: 100, Literal: 50, Literals: 80, Depth: 5}
	literal := func(n int) string { return fmt.Sprintf("{%d+}\r\n%s", n, strings.Repeat("x", n)) }
	parens := func(n int) string { return strings.Repeat("(", n) + strings.Repeat(")", n) }
	for in, taken := range map[string]bool{
		strings.Repeat("x", 100):        true,
		strings.Repeat("x", 101):        false,
		strings.Repeat("x", 100_000):    false,
		literal(50):                     true,
		literal(51):                     false,
		literal(100_000):                false,
		literal(40) + " " + literal(40): true,
		literal(40) + " " + literal(41): false,
		parens(5):                       true,
		parens(6):                       false,
	} {
		d, _ := newTestDecoder(strings.NewReader(in+"\r\nnext\r\n"), lim)
		must(t, d.begin())
		d.err = d.late
		for d.ok() && !d.atEnd() {
			if d.peek() == '(' {
				nest(d)
			} else {
				d.astring()
			}
			d.trySP()
		}
		if err := d.end(); (err == nil) != taken {
			t.Errorf("%.20q... (%d): %v", in, len(in), err)
		}
		must(t, d.skip())
		if err := d.begin(); err != nil || string(d.atom()) != "next" {
			t.Errorf("%.20q... (%d): out of step: %q %v", in, len(in), d.buf, err)
		}
	}
}

func nest(d *decoder) { d.list(func() { nest(d) }) }

// What is announced is not believed: a literal of a gigabyte costs no memory, and a client
// that sends one without waiting is cut off.
func TestHugeLiteral(t *testing.T) {
	d, _ := newTestDecoder(strings.NewReader("x {1000000000+}\r\n"), Limits{})
	must(t, d.begin())
	d.atom()
	d.sp()
	d.astring()
	var limit *limitError
	if !errors.As(d.end(), &limit) {
		t.Error(d.err)
	}
	if err := d.skip(); !errors.Is(err, errOutOfStep) {
		t.Error(err)
	}
}

// The worst portions change nothing.
func TestDecoderByteByByte(t *testing.T) {
	text := "a1 {3+}\r\nabc \"q\\\"q\" (x y) {1}\r\nz\r\na2 w\n"
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "halves": iotest.HalfReader(strings.NewReader(text)),
	} {
		d, _ := newTestDecoder(r, Limits{})
		var got []string
		must(t, d.begin())
		got = append(got, string(d.tag()))
		d.sp()
		got = append(got, string(d.astring()))
		d.sp()
		got = append(got, string(d.astring()))
		d.sp()
		d.list(func() { got = append(got, string(d.atom())) })
		d.sp()
		got = append(got, string(d.astring()))
		must(t, d.end())
		must(t, d.begin())
		got = append(got, string(d.tag()))
		d.sp()
		got = append(got, string(d.atom()))
		must(t, d.end())
		if diff := cmp.Diff([]string{"a1", "abc", `q"q`, "x", "y", "z", "a2", "w"}, got); diff != "" {
			t.Error(name, diff)
		}
	}
}

func TestSequenceSets(t *testing.T) {
	for in, want := range map[string]string{
		"1": "1", "*": "10", "1:*": "1:10", "*:1": "1:10", "3:2,5,4": "2:5", "1,3,2": "1:3", "7:*,12": "7:10,12", "12:*": "10:12",
		"4294967295,4294967294": "4294967294:4294967295", "1:4294967295,5": "1:4294967295",
	} {
		d := decoderOf(t, in)
		set, _ := d.sequenceSet()
		if got := string(set.resolve(10).appendTo(nil)); d.end() != nil || got != want {
			t.Errorf("%q: %q %v", in, got, d.err)
		}
	}
	for _, in := range []string{"", "0", "1:", ":1", "1,", ",", "1:2:3", "4294967296", "a", "1 ,2", "$1", "**"} {
		d := decoderOf(t, in)
		d.sequenceSet()
		if d.end() == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func FuzzSequenceSet(f *testing.F) {
	f.Add("1:*,3,5:4", uint32(7))
	f.Fuzz(func(t *testing.T, in string, largest uint32) {
		if strings.ContainsAny(in, "\r\n") || len(in) > 1000 {
			return
		}
		d := decoderOf(t, in)
		set, saved := d.sequenceSet()
		if d.end() != nil || saved || largest == 0 {
			return
		}
		set = set.resolve(largest)
		for i, r := range set {
			if r.lo == 0 || r.lo > r.hi || i > 0 && r.lo <= set[i-1].hi+1 {
				t.Fatalf("%q: %v", in, set)
			}
		}
		text := string(set.appendTo(nil))
		again := decoderOf(t, text)
		back, _ := again.sequenceSet()
		if diff := cmp.Diff(set, back, cmp.AllowUnexported(numRange{})); again.end() != nil || diff != "" {
			t.Fatal(diff)
		}
		for _, r := range set {
			if !set.contains(r.lo) || !set.contains(r.hi) || r.lo > 1 && set.contains(r.lo-1) {
				t.Fatalf("%q: contains", in)
			}
		}
	})
}

func TestModifiedUTF7(t *testing.T) {
	for coded, plain := range map[string]string{
		"": "", "INBOX": "INBOX", "&-": "&", "a&-b": "a&b", "&AOQ-": "ä", "p&AOQA5A-": "pää",
		"~peter/mail/&U,BTFw-/&ZeVnLIqe-": "~peter/mail/台北/日本語", // RFC 3501 §5.1.3
		"&2D3eAA-":                        "😀", "&AAo-": "\n",
	} {
		got, ok := decodeUTF7(coded)
		if !ok || got != plain || encodeUTF7(plain) != coded {
			t.Errorf("%q: %q %v; encoded %q", coded, got, ok, encodeUTF7(plain))
		}
	}
	for _, in := range []string{"&", "&AGE-", "&A-", "&AOQ", "a&b", "&AOQ-&AOQ-", "&AOQ=-", "&2D0-", "&3gDYPQ-", "ä", "&AP-", "a\x00", "&A/Q-"} {
		if got, ok := decodeUTF7(in); ok {
			t.Errorf("%q was taken as %q", in, got)
		}
	}
}

func FuzzModifiedUTF7(f *testing.F) {
	f.Add("p&AOQA5A-")
	f.Fuzz(func(t *testing.T, in string) {
		if plain, ok := decodeUTF7(in); ok && encodeUTF7(plain) != in {
			t.Fatalf("%q means %q, which is written %q", in, plain, encodeUTF7(plain))
		}
		plain := strings.ToValidUTF8(in, "?")
		if back, ok := decodeUTF7(encodeUTF7(plain)); !ok || back != plain {
			t.Fatalf("%q came back as %q", plain, back)
		}
	})
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"%", "a/b", false}, {"%", "a", true}, {"%/%", "a/b", true}, {"a*", "a/b", true}, {"a%", "a/b", false},
		{"*b", "a/b", true}, {"a*c*e", "abcde", true}, {"a*c*e", "abde", false}, {"%b", "ab/b", false}, {"inbox", "INBOX", true},
		{"in*", "INBOX", true}, {"archive", "Archive", false}, {"", "a", false}, {"", "", true}, {"%*%", "a/b/c", true}, {"a/%", "a/", true},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("%q %q: %v", c.pattern, c.name, got)
		}
	}
	// Bounded work for the worst pattern.
	if match(strings.Repeat("*a", 5000), strings.Repeat("a", 4999)) {
		t.Error("matched")
	}
}

func TestFolderNamesAreReversible(t *testing.T) {
	for _, name := range []string{"plain", "a/b", "50%", "*", "a=2Fb", "=", "==41", "grün", "tab\t", "=2", "\u2028"} {
		path := escapeName(name)
		if got := unescapeName(path); got != name || strings.ContainsAny(path, "/%*\t") {
			t.Errorf("%q is shown as %q and read as %q", name, path, got)
		}
	}
}

func FuzzFolderNames(f *testing.F) {
	f.Add("a=2F/b%")
	f.Fuzz(func(t *testing.T, name string) {
		name = strings.ToValidUTF8(name, "?")
		path := escapeName(name)
		if unescapeName(path) != name || strings.ContainsAny(path, "/%*") {
			t.Fatalf("%q %q", name, path)
		}
	})
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		` 7-Feb-1994 21:52:25 -0800`: `"07-Feb-1994 21:52:25 -0800"`,
		`17-jul-2026 02:44:25 +0130`: `"17-Jul-2026 02:44:25 +0130"`,
		`31-Dec-9999 23:59:59 +0000`: `"31-Dec-9999 23:59:59 +0000"`,
		`01-Jan-1900 00:00:00 -0001`: `"01-Jan-1900 00:00:00 -0001"`,
	} {
		d, ok := parseDateTime(in)
		_, zone := d.Zone()
		if got := string(appendDateTime(nil, d.Unix(), zone/60)); !ok || got != want {
			t.Errorf("%q: %s %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "7-Feb-1994 21:52:25 -0800", "32-Jan-2020 00:00:00 +0000", "01-Jan-2020 24:00:00 +0000", "01-Jan-2020 00:00:00", "01-Jan-2020 00:00:00 +00:00", " 1-Jan-2020  0:00:00 +0000"} {
		if _, ok := parseDateTime(in); ok {
			t.Errorf("%q was taken", in)
		}
	}
}

// TestUsualDates: what is read at its places is what is read otherwise.
func TestUsualDates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(rapid.SampledFrom([]string{"01-Jan-2020 08:47:56 +0000", "31-Apr-0001 00:00:00 +1459", "29-Feb-1900 23:59:59 -0530", " 7-Feb-1994 21:52:25 -0800"}).Draw(t, "date"))
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123459 :-+anJ.\xff")).Draw(t, "octet")
		}
		got, ok := usualDateTime(string(b))
		want, fine := anyDateTime(string(b))
		if ok && (!fine || got.Format(time.RFC3339) != want.Format(time.RFC3339)) {
			t.Fatalf("%q is %v, %v; otherwise %v, %v", b, got, ok, want, fine)
		}
	})
	if _, ok := usualDateTime("01-Jan-2020 08:47:56 +0000"); !ok {
		t.Error("a usual date isn't")
	}
}

func TestHeaderFields(t *testing.T) {
	header := []byte("From: a\r\nSubject: b\r\n c\r\nfrom : d\r\nno colon\r\n\r\nX: body")
	names := [][]byte{[]byte("from")}
	if got := string(appendFields(nil, header, names, true)); got != "From: a\r\nfrom : d\r\n\r\n" {
		t.Errorf("%q", got)
	}
	if got := string(appendFields(nil, header, names, false)); got != "Subject: b\r\n c\r\nno colon\r\n\r\n" {
		t.Errorf("%q", got)
	}
	if got := string(appendFields(nil, []byte("From: a"), names, true)); got != "From: a\r\n\r\n" {
		t.Errorf("%q", got)
	}
	for _, skip := range []int{0, 3, 5, 6, 20} {
		dst := insertSize(append([]byte("head "), strings.Repeat("x", 30)...), 5, skip)
		if want := fmt.Sprintf("head {%d}\r\n%s", 30-skip, strings.Repeat("x", 30-skip)); string(dst) != want {
			t.Errorf("%d: %q", skip, dst)
		}
	}
}

func FuzzHeaderFields(f *testing.F) {
	f.Add([]byte("From: a\r\n b\r\n\r\n"), "from")
	f.Add([]byte("From \t\r\n : a\nFromm: b\nFrom\n:x\nfroM"), "from")
	f.Add([]byte(" : a\n"), "")
	f.Add([]byte("a:b: c\na : d\n"), "a:b")
	f.Fuzz(func(t *testing.T, header []byte, name string) {
		name = strings.ToLower(name)
		only := appendFields(nil, header, [][]byte{[]byte(name)}, true)
		rest := appendFields(nil, header, [][]byte{[]byte(name)}, false)
		if len(only)+len(rest) > len(header)+3*len(crlf) || !bytes.HasSuffix(only, []byte(crlf)) {
			t.Fatalf("%q: %q %q", header, only, rest)
		}
		for len(header) > 0 {
			field := header[:fieldLen(header)]
			header = header[len(field):]
			if want := equalFold(fieldName(field), name); named(field, [][]byte{[]byte(name)}) != want {
				t.Fatalf("%q is called %q: %v", field, name, !want)
			}
		}
	})
}

// equalFold compares ASCII letters without case.
func equalFold(b []byte, low string) bool {
	return len(b) == len(low) && equalLower([]byte(low), b)
}

// What a mailing list sends, as it arrives.
var longHeader = []byte(strings.Repeat("Received: from mx.example.net (mx.example.net [192.0.2.1])\r\n\tby mail.example.com with ESMTPS; Tue, 3 Mar 2026 10:11:12 +0000\r\n", 4) +
	"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel;\r\n\th=from:to:subject:date;\r\n\tb=dzdVyOfAKCdLXdJOc9G2q8Lo\r\n" +
	"From: Ann <ann@example.org>\r\nTo: Ben <ben@example.org>\r\nSubject: the minutes of Monday\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n" +
	"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n")

func BenchmarkHeaderFields(b *testing.B) {
	names := [][]byte{[]byte("from"), []byte("to"), []byte("subject"), []byte("date")}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = appendFields(dst[:0], longHeader, names, true)
	}
}
