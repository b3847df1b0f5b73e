package features

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func told(m *Message) []string {
	x := New()
	return x.Tell(m, x.Extract(m))
}

// TestTell: features are told in words that need no knowledge of how they are made.
func TestTell(t *testing.T) {
	m := parse("From: \"Ann 'x@y.example'\" <win_99@mail.bank.example>\nReply-To: z@other.example\nTo: a@b.example, c@d.example\nSubject: FREE!!! pills for you\n" +
		"Date: Mon, 2 Feb 2026 10:00:00 +0100\nX-Mailer: Blast 3\nImportance: high\nContent-Type: multipart/mixed; boundary=q\n\n" +
		"--q\nContent-Type: multipart/alternative; boundary=r\n\n--r\n\ncheap watches\n--r\nContent-Type: text/html; charset=utf-8\n\n" +
		"<p style='display:none'>hidden words here</p><a href='http://198.51.100.7/a%41%42%43%44/x.php?e=a@b.example'>http://bank.example</a>" +
		"<img src='http://count.example/x' width=1 height=1>\n--r--\n--q\nContent-Type: application/zip; name=bill.pdf.exe\n\nMZ\n--q--\n")
	m.Facts = Facts{From: "bounce@sender.example", DMARC: "fail", SPF: "pass", Helo: "[192.0.2.1]", Signs: []string{"link-text"}}
	got := told(m)
	for _, want := range []string{
		`the word "watches"`, `the words "cheap watches"`, `the subject has "pills"`, "the subject has exclamation marks", "a link to a number in place of a name",
		"a link to count.example", "a link to a name below .example", "a link with an address in it", "a link to a file .php", "text that isn't shown", "HTML with 2 to 7 tags",
		"pictures too small to be seen", "pictures with hardly any text", "links that show another host than they lead to", "4 to 7 parts",
		"it is built as multipart/mixed (multipart/alternative (text/plain, text/html), application/zip)", "an attached file .exe", "an attached file .pdf.exe",
		"the author is at win_99@mail.bank.example", `the author's name has "ann"`, "the author's name is another address than the author's", "answers go to another domain than the author's",
		"the header field importance says high", "the header field to comes right after reply-to", `the program that wrote it calls itself "blast"`, "the time zone +0100",
		"there is no Message-ID", "it is to 2 to 3 recipients", "the check of DMARC fail", "nothing proves the author's domain", "bounces go to another domain than the author's",
		"bounces go to sender.example", "a sign of phishing: link-text",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("lacks %q; has %q", want, got)
		}
	}
}

// TestTellAll: there is a sentence for whatever is a feature: none falls back to its short name.
func TestTellAll(t *testing.T) {
	kind := regexp.MustCompile(`^(` + strings.Join(slices.DeleteFunc(slices.Clone(labels[:]), func(l string) bool { return l == "" }), "|") + `): `)
	files, _ := filepath.Glob("../../../format/*/testdata/*.eml")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m := parse(strings.ReplaceAll(string(b), "\r\n", "\n"))
		m.Facts = FactsOf(m.Summary.Header(), "")
		short := names(m)
		for i, s := range told(m) {
			if s == "" || strings.Contains(s, "%!") || kind.MatchString(s) && !strings.HasPrefix(s, "from: ") {
				t.Errorf("%s: %q is told as %q", f, short[i], s)
			}
		}
	}
	for k := Kind(1); k < kinds; k++ {
		if s := tell(k, "something else", ""); strings.Contains(s, ": something") {
			if k != Sign && k != LinkShape && k != Address && k != To && k != Order {
				t.Errorf("kind %d: %q", k, s)
			}
		}
	}
}

func TestAboutMany(t *testing.T) {
	for s, want := range map[string][2]string{"0": {"0", "0 to 1"}, "1": {"1", "2 to 7"}, "2": {"2 to 3", "8 to 31"}, "x": {"x", "x"}, "99": {"99", "99"}} {
		if one, two := aboutMany(s, 1), aboutMany(s, 2); one != want[0] || two != want[1] {
			t.Errorf("%s: %s, %s", s, one, two)
		}
	}
	if s := order("0multipart/mixed1multipart/alternative2text/plain2text/html1image/png0x"); s != "multipart/mixed (multipart/alternative (text/plain, text/html), image/png), x" {
		t.Error(s)
	}
}
