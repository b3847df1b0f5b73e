package footer

import (
	"bytes"
	"strings"
	"testing"

	"postroad/internal/format/message"
)

func parse(b []byte) *message.Structure {
	p := message.NewParser(message.Limits{})
	p.Write(b)
	return p.Finish()
}

// with returns the message with the text below, line ends as LF.
func with(t testing.TB, msg string, text Text) string {
	t.Helper()
	b := []byte(strings.ReplaceAll(msg, "\n", "\r\n"))
	var out bytes.Buffer
	if err := Copy(&out, bytes.NewReader(b), int64(len(b)), Add(parse(b), bytes.NewReader(b), text)); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

var ascii1 = Text{Plain: "Confidential.\nThe Company\n"}

const alternative = "Subject: x\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nHello\n--b\n" +
	"Content-Type: text/html\n\n<html><BODY>Hello</BODY></html>\n--b--\n"

func TestForms(t *testing.T) {
	const page = "\n<div><p>Confidential.<br>\nThe Company</p></div>\n"
	for name, c := range map[string]struct {
		msg  string
		text Text
		want string
	}{
		"plain":        {"Subject: x\n\nHello\n", ascii1, "Subject: x\n\nHello\n\nConfidential.\nThe Company\n"},
		"no line end":  {"Subject: x\n\nHello", ascii1, "Subject: x\n\nHello\n\nConfidential.\nThe Company\n"},
		"empty":        {"Subject: x\n\n", ascii1, "Subject: x\n\n\nConfidential.\nThe Company\n"},
		"page":         {"Content-Type: text/html\n\nHello\n", ascii1, "Content-Type: text/html\n\nHello\n" + page},
		"page's piece": {"Content-Type: text/html\n\nHello\n", Text{"a", "<b>größer</b>"}, "Content-Type: text/html\n\nHello\n\n<div><b>gr&#246;&#223;er</b></div>\n"},
		"alternative":  {alternative, ascii1, strings.NewReplacer("Hello\n--b", "Hello\n\nConfidential.\nThe Company\n\n--b", "</BODY>", page+"</BODY>").Replace(alternative)},
		"mixed": {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b\nContent-Type: text/plain; name=a.txt\n\nfile\n--b--\n", ascii1,
			"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n\nConfidential.\nThe Company\n\n--b\nContent-Type: text/plain; name=a.txt\n\nfile\n--b--\n"},
		"base64": {"Content-Transfer-Encoding: base64\n\nSGVsbG8K\n", Text{Plain: "x"}, "Content-Transfer-Encoding: base64\n\nSGVsbG8KDQp4DQo=\n"},
		"quoted": {"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\n", Text{Plain: "ö"},
			"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\n\n=C3=B6\n"},
		"seven bits": {"Subject: x\n\nHello\n", Text{Plain: "größer"},
			"Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nHello\n\ngr=C3=B6=C3=9Fer\n"},
		"other set": {"Content-Type: text/plain; format=flowed;\n charset=iso-8859-1\nSubject: x\nContent-Transfer-Encoding: 8bit\n\nGr\xfc\xdfe\n", Text{Plain: "€"},
			"Content-Type: text/plain; charset=utf-8; format=flowed\nSubject: x\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\n\n=E2=82=AC\n"},
		"eight bits": {"Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\nGrüße\n", Text{Plain: "€"},
			"Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\nGrüße\n\n€\n"},
	} {
		got := with(t, c.msg, c.text)
		if got != c.want {
			t.Errorf("%s:\n%s\nnot\n%s", name, got, c.want)
		}
		if again := with(t, got, c.text); again != got {
			t.Errorf("%s: twice:\n%s", name, again)
		}
	}
}

// TestUntouched: what can't be changed without harm stays, octet by octet.
func TestUntouched(t *testing.T) {
	for name, msg := range map[string]string{
		"signed":        "Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\n\n--b\n\nHello\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--\n",
		"signed inside": "Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nHello\n--b--\n--c--\n",
		"S/MIME":        "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\nAAAA\n",
		"encrypted":     "Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nHello\n--b--\n",
		"PGP":           "Subject: x\n\n-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n",
		"DKIM":          "DKIM-Signature: v=1\n\nHello\n",
		"report":        "Content-Type: multipart/report; boundary=b\n\n--b\n\nHello\n--b--\n",
		"image":         "Content-Type: image/png\n\nHello\n",
		"calendar":      "Content-Type: text/calendar\n\nHello\n",
		"attachment":    "Content-Disposition: attachment\n\nHello\n",
		"sealed part":   "Content-MD5: x\n\nHello\n",
		"file first":    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\nx\n--b\n\nHello\n--b--\n",
		"passed on":     "Content-Type: message/rfc822\n\nSubject: y\n\nHello\n",
		"UTF-16":        "Content-Type: text/plain; charset=utf-16\n\nHello\n",
		"unknown":       "Content-Transfer-Encoding: x-secret\n\nHello\n",
		"quoted":        "Subject: x\n\nYes.\n\n> Hello\n>\n> Confidential. The\n> Company\n",
		"quoted page":   "Content-Type: text/html\n\n<p>Yes<blockquote>Hello<p><i>Confidential.</i>\nThe Company</blockquote>",
	} {
		if got := with(t, msg, ascii1); got != msg {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte(strings.ReplaceAll(alternative, "\n", "\r\n")), "größer", "<p>")
	f.Add([]byte("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8K"), "x", "")
	f.Fuzz(func(t *testing.T, msg []byte, plain, page string) {
		if strings.TrimSpace(plain) == "" {
			return
		}
		edits := Add(parse(msg), bytes.NewReader(msg), Text{plain, page})
		at, size := int64(0), int64(len(msg))
		for _, e := range edits {
			if e.From < at || e.To < e.From || e.To > size {
				t.Fatalf("%+v of %d", edits, size)
			}
			at = e.To
		}
		var out bytes.Buffer
		if err := Copy(&out, bytes.NewReader(msg), int64(len(msg)), edits); err != nil {
			t.Fatal(err)
		}
		if len(edits) > 0 && len(parse(out.Bytes()).Root.Children) < len(parse(msg).Root.Children) {
			t.Fatalf("parts are gone:\n%s", out.Bytes())
		}
	})
}

// TestMany: what has more forms, or longer ones, than anybody needs is left alone.
func TestMany(t *testing.T) {
	forms := func(n int, text string) string {
		return "Content-Type: multipart/alternative; boundary=b\n\n--b\n" + strings.Repeat("Content-Type: text/plain\n\n"+text+"\n--b\n", n-1) + "\n" + text + "\n--b--\n"
	}
	for n, want := range map[int]int{maxParts: maxParts, maxParts + 1: 0} {
		if got := strings.Count(with(t, forms(n, "Hello"), ascii1), "Confidential."); got != want {
			t.Errorf("%d forms: %d", n, got)
		}
	}
	if long := forms(5, strings.Repeat("x\n", maxPart/8)); with(t, long, ascii1) != long {
		t.Error("a very long message was changed")
	}
}
