package sieve

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"postroad/internal/format/message"
)

// kept is the message as a script has it kept.
func kept(t *testing.T, text, msg string) string {
	t.Helper()
	s := compileText(t, everything()+text, Options{})
	out, err := s.Run(t.Context(), testEnv(), rawMessage(msg))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return wholeText(t, out.Actions[len(out.Actions)-1].Message, msg)
}

// wholeText reads a changed message, in pieces of several sizes.
func wholeText(t *testing.T, m Message, msg string) string {
	t.Helper()
	if m == nil {
		return msg
	}
	all, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if err != nil || int64(len(all)) != m.Size() || !bytes.HasPrefix(all, m.Header()) {
		t.Fatalf("%d octets of %d, %v", len(all), m.Size(), err)
	}
	for _, n := range []int{1, 3, 100} {
		for off := 0; off < len(all); off += n {
			b := make([]byte, n)
			got, err := m.ReadAt(b, int64(off))
			if want := all[off:min(off+n, len(all))]; string(b[:got]) != string(want) || got < n && err != io.EOF {
				t.Fatalf("at %d: %q, want %q, %v", off, b[:got], want, err)
			}
		}
	}
	return string(all)
}

// A part is replaced with its header, and only it. RFC 5703 §5.
func TestReplacePart(t *testing.T) {
	image := letter[strings.Index(letter, "Content-Type: image"):strings.Index(letter, "\r\n--b--")]
	got := kept(t, `foreverypart { if header :mime :type "content-type" "image" { replace "It was a picture: ö."; } }`, letter)
	want := strings.Replace(letter, image, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIt was a picture: =C3=B6.", 1)
	if got != want {
		t.Errorf("%q", got)
	}
	got = kept(t, "foreverypart { if header :mime :subtype \"content-type\" \"html\" { replace :mime text:\nContent-Type: text/x-note; a=b\n\nnote\n.\n; addheader \"X-A\" \"b\"; } }", letter)
	html := letter[strings.Index(letter, "Content-Type: text/html"):strings.Index(letter, "\r\n--b\r\nContent-Type: image")]
	want = "X-A: b\r\n" + strings.Replace(letter, html, "Content-Type: text/x-note; a=b\r\n\r\nnote", 1)
	if got != want {
		t.Errorf("%q", got)
	}
	// All of them, with header changes before, between and behind, twice.
	got = kept(t, `addheader "X-1" "1"; foreverypart { if not header :mime :type "content-type" "multipart" { replace "a"; replace "gone"; addheader "X-2" "2"; } } deleteheader "x-1"; foreverypart { if body :contains "gone" { if header :mime :type "content-type" "text" { replace "again"; } } }`, letter)
	s := message.Parse([]byte(got))
	if len(s.Root.Children) != 3 || strings.Count(got, "\r\n\r\nagain\r\n") != 3 || strings.Count(got, "X-2: 2\r\n") != 3 || strings.Contains(got, "X-1") || strings.Contains(got, "gone") {
		t.Errorf("%q", got)
	}
}

// What was replaced is seen at once, and its parts aren't gone into. RFC 5703 §5.
func TestReplaceIsSeen(t *testing.T) {
	nested := "Subject: out\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\nContent-Type: text/plain\r\n\r\none\r\n--i\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--i--\r\n--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: text/plain\r\n\r\nthree\r\n--o--\r\n"
	for script, want := range map[string]string{
		`foreverypart { if header :mime :subtype "content-type" "alternative" { replace "new"; extracttext "t"; set "n" "${n}[${t}]"; } else { if header :mime :type "content-type" "text" { extracttext "t"; set "n" "${n}${t}"; } } }`: "[new  ]three",
		`foreverypart { if header :mime :subtype "content-type" "alternative" { replace "new"; } } foreverypart { if header :mime :type "content-type" "text" { extracttext "t"; set "n" "${n}${t}"; } }`:                                "newthree",
		`foreverypart { if header :mime "subject" "in" { replace "new"; set "n" "x"; } } foreverypart { if header :mime "subject" "in" { extracttext "t"; set "n" "${n}${t}"; } }`:                                                       "xnew",
	} {
		s := compileText(t, everything()+`set "n" ""; `+script+` set "r" ""; foreverypart { break; } notify :message "${n}" "mailto:a@b.example";`, Options{})
		out, err := s.Run(t.Context(), testEnv(), rawMessage(nested))
		if err != nil || out.Actions[0].Notice.Message != want {
			t.Errorf("%s: %q, %v", script, out.Actions[0].Notice.Message, err)
		}
	}
	inner := "replace :mime text:\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n.\n; foreverypart { replace \"b\"; }"
	checkOutcome(t, `foreverypart { if header :mime :type "content-type" "image" { `+inner+` } }`, "implicit keep ! this part was made by replace: it can only be replaced as a whole")
	if got := kept(t, `foreverypart { `+inner+` break; }`, letter); !strings.HasSuffix(got, "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nb\r\n--x--\r\n") {
		t.Errorf("%q", got)
	}
	got := kept(t, `foreverypart { if header :mime :type "content-type" "multipart" { replace "all of it"; } else { replace "never"; } }`, letter)
	if !strings.HasSuffix(got, "\r\n\r\nall of it\r\n") || strings.Contains(got, "never") {
		t.Errorf("%q", got)
	}
}

// Of a message that is replaced the header stays, but for what says how the body is to be read. RFC 5703 §5.
func TestReplaceMessage(t *testing.T) {
	head := letter[:strings.Index(letter, "MIME-Version")]
	if got := kept(t, `replace "away with it";`, letter); got != head+"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\naway with it\r\n" {
		t.Errorf("%q", got)
	}
	if got := kept(t, "replace :mime text:\nSubject: no\nContent-Type: text/html\n\n<p>\n.\n;", letter); got != head+"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>\r\n" {
		t.Errorf("%q", got)
	}
	// What is kept of the old ones can't be changed by scripts.
	got := kept(t, `replace :subject "Grüße" :from "Bob <bob@here.example>" "x"; deleteheader "Original-Subject"; deleteheader "original-from"; addheader "Original-From" "Carl <carl@there.example>";`, letter)
	want := strings.Replace(head, "Subject: ", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nOriginal-Subject: ", 1)
	want = strings.Replace(want, "From: ", "From: Bob <bob@here.example>\r\nOriginal-From: ", 1)
	if got != want+"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n" {
		t.Errorf("%q", got)
	}
	if got := kept(t, `set "a" "no address"; replace :from "${a}" "x"; addheader "X" "y"; if body :is "x" { discard; } keep;`, letter); strings.Contains(got, "Original-From") || !strings.HasPrefix(got, "X: y\r\n") {
		t.Errorf("%q", got)
	}
	for _, text := range []string{`replace :from "nobody" "x";`, "replace :mime text:\nX: ö\n\n.\n;", `replace;`, `replace :mime :mime "x";`, `replace :mime :subject "a" "x";`, `replace :mime :from "bob@here.example" "x";`} {
		if _, err := Compile(everything()+text, Options{}); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// RFC 5703 §6: what is enclosed comes back as it was; what is redirected is as it was before.
func TestEnclose(t *testing.T) {
	got := kept(t, `enclose :subject "Look" :headers ["X-Number", "Received", "Content-Type"] "Found in the mail."; if not header "x-number" "17" { discard; } if header "x-empty" "" { discard; } keep;`, letter)
	s := message.Parse([]byte(got))
	h := message.ParseHeader(got)
	if h.Get("Subject") != " Look" && h.Get("Subject") != "Look" || !strings.Contains(h.Get("From"), "bob@here.example") || h.Get("Date") == "" || len(h.All("Received")) != 2 || h.Get("Return-Path") == "" || h.Get("Message-ID") != "" {
		t.Errorf("%q", got)
	}
	if s.Root.Subtype != "mixed" || len(s.Root.Children) != 2 || s.Root.Children[1].Message == nil {
		t.Fatalf("%q", got)
	}
	inner := s.Root.Children[1]
	if text := got[inner.BodyOffset : inner.BodyOffset+inner.BodySize]; text != letter {
		t.Errorf("%q", text)
	}
	if first := s.Root.Children[0]; got[first.BodyOffset:first.BodyOffset+first.BodySize] != "Found in the mail.\r\n" {
		t.Errorf("%q", got)
	}
	if got := kept(t, `enclose "a"; enclose :headers "From" "b";`, letter); strings.Count(got, "message/rfc822") != 2 || !strings.Contains(got, "From: \"Ann Other\" <Ann+news@Far.example>\r\n") {
		t.Errorf("%q", got)
	}
	s2 := compileText(t, everything()+`addheader "X" "y"; enclose "a"; deleteheader "Subject"; redirect :copy "x@y.example"; keep;`, Options{})
	out, err := s2.Run(t.Context(), testEnv(), rawMessage(letter))
	if err != nil || wholeText(t, out.Actions[0].Message, letter) != "X: y\r\n"+letter || !strings.Contains(wholeText(t, out.Actions[1].Message, letter), "message/rfc822") {
		t.Errorf("%v", err)
	}
	checkOutcome(t, strings.Repeat(`enclose "x"; `, maxEnclosures), "implicit keep changed")
	checkOutcome(t, strings.Repeat(`enclose "x"; `, maxEnclosures+1), "implicit keep ! the message has been enclosed too often: 4 times are allowed")
}
