package reportmail

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
)

func example() *Mail {
	return &Mail{
		Organization: "Company Ü", From: "tlsrpt@mail.sender.example.com", To: []string{"mts-sts-tlsrpt@example.net"},
		Date: time.Date(2017, 5, 9, 16, 54, 30, 0, time.FixedZone("", -8*3600)), Domain: "example.net", Submitter: "mail.sender.example.com",
		Begin: time.Unix(1470013207, 0), End: time.Unix(1470186007, 0), ReportID: "735ff.e317+bf22029@example.net",
		ReportType: "tlsrpt", Text: "This is an aggregate TLS report from mail.sender.example.com\n",
		MediaType: "application/tlsrpt+gzip", Extension: "json", File: []byte(`{"x":1}`),
		Fields: []message.DraftField{{Name: "TLS-Report-Domain", Value: "example.net"}},
	}
}

// TestFrame: RFC 8460 §5.1, §5.3 and §5.3.1.
func TestFrame(t *testing.T) {
	b := Compose(example())
	s := message.Parse(b)
	for name, want := range map[string]string{
		"Subject":           "Report Domain: example.net Submitter: mail.sender.example.com Report-ID: <735ff.e317+bf22029@example.net>",
		"Message-ID":        "<735ff.e317+bf22029@example.net>",
		"TLS-Report-Domain": "example.net", "Auto-Submitted": "auto-generated", "To": "mts-sts-tlsrpt@example.net",
		"Date": "Tue, 9 May 2017 16:54:30 -0800",
	} {
		if got := strings.TrimSpace(message.Unfold(s.Header.Get(name))); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if from := message.ParseAddresses(s.Header.Get("From")); len(from) != 1 || from[0].DisplayName() != "Company Ü" || from[0].Addr() != "tlsrpt@mail.sender.example.com" {
		t.Errorf("From: %+v", from)
	}
	root := s.Root
	if root.Type+"/"+root.Subtype != "multipart/report" || root.Param("report-type") != "tlsrpt" || len(root.Children) != 2 {
		t.Fatalf("%s", b)
	}
	file := root.Children[1]
	if file.Type+"/"+file.Subtype != "application/tlsrpt+gzip" || file.Disposition != "attachment" ||
		file.Filename() != "mail.sender.example.com!example.net!1470013207!1470186007.json.gz" {
		t.Errorf("%+v", file)
	}
	got, err := Find(bytes.NewReader(b))
	if err != nil || string(got) != `{"x":1}` {
		t.Errorf("%q %v", got, err)
	}
	m := example()
	m.ReportType = ""
	if s := message.Parse(Compose(m)); s.Root.Subtype != "mixed" {
		t.Error(s.Root.Subtype)
	}
}

func zipped(names ...string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range names {
		f, _ := w.Create(n)
		if strings.HasSuffix(n, "xml") {
			f.Write([]byte("\xEF\xBB\xBF <feedback/>"))
		} else {
			f.Write([]byte("hello"))
		}
	}
	w.Close()
	return b.Bytes()
}

// bomb is small, and large when it is unpacked: a gzip file may consist of several (RFC 1952 §2.2).
func bomb(mib int) []byte {
	one := Gzip(append([]byte("<"), bytes.Repeat([]byte(" "), 1<<20-1)...))
	return bytes.Repeat(one, mib)
}

func TestUnpack(t *testing.T) {
	many := []string{}
	for range maxEntries + 1 {
		many = append(many, "x")
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
		kind fault.Kind
	}{
		{"plain XML", []byte("\n <a/>"), "<a/>", 0},
		{"gzip", Gzip([]byte(`{"a":1}`)), `{"a":1}`, 0},
		{"zip", zipped("x.txt", "r.xml"), "<feedback/>", 0},
		{"zip, too far behind", zipped(append(many, "r.xml")...), "", fault.Internal},
		{"zip of others", zipped("x.txt"), "", fault.Internal},
		{"zip, cut off", zipped("r.xml")[:40], "", fault.Invalid},
		{"gzip, cut off", Gzip([]byte(`{"a":1}`))[:12], "", fault.Invalid},
		{"gzip in gzip", Gzip(Gzip([]byte(`{"a":1}`))), "", fault.Internal},
		{"a bomb", append(bomb(MaxFile>>20), Gzip([]byte("x"))...), "", fault.TooLarge},
		{"a large bomb", bomb(1000), "", fault.TooLarge},
		{"other", []byte("\x89PNG"), "", fault.Internal},
		{"empty", nil, "", fault.Internal},
	} {
		got, err := Unpack(c.file)
		if string(got) != c.want || (err == nil) != (c.want != "") || err != nil && fault.KindOf(err) != c.kind {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
	}
	if got, err := Unpack(bomb(MaxFile >> 20)); err != nil || len(got) != MaxFile {
		t.Errorf("at the limit: %d %v", len(got), err)
	}
}

func TestFind(t *testing.T) {
	compose := func(parts ...message.Entity) []byte {
		d := message.Draft{Body: message.NewMultipart("mixed", parts...)}
		return d.Bytes()
	}
	report := message.NewAttachment("r.xml.gz", "application/octet-stream", Gzip([]byte("<feedback/>")))
	single := message.Draft{Body: message.NewAttachment("r.zip", "application/zip", zipped("r.xml"))}
	named := message.NewText("<feedback/>")
	named.Filename = "R.XML"
	deep := report
	for range 20 {
		deep = message.NewMultipart("mixed", deep)
	}
	many := make([]message.Entity, maxParts+10)
	for i := range many {
		many[i] = message.NewText("x")
	}
	for _, c := range []struct {
		name string
		msg  []byte
		kind fault.Kind
		ok   bool
	}{
		{"first of two", compose(message.NewText("hello"), report, message.NewAttachment("s.xml", "text/xml", []byte("<other/>"))), 0, true},
		{"alone", single.Bytes(), 0, true},
		{"behind what can't be unpacked", compose(message.NewAttachment("x.gz", "application/gzip", []byte{0x1F, 0x8B, 1}), report), 0, true},
		{"named so", compose(named), 0, true},
		{"text", compose(message.NewText("<feedback/>"), message.NewHTML("<html>")), fault.NotFound, false},
		{"in an attached message", compose(message.NewMessage(compose(report))), fault.NotFound, false},
		{"broken", compose(message.NewAttachment("x.gz", "application/gzip", []byte{0x1F, 0x8B, 1})), fault.Invalid, false},
		{"too large", compose(message.NewAttachment("x", "", bytes.Repeat([]byte("<"), MaxPacked+1))), fault.TooLarge, false},
		{"too deep", compose(deep), fault.NotFound, false},
		{"too many parts", compose(append(many, report)...), fault.NotFound, false},
		{"nothing", nil, fault.NotFound, false},
	} {
		got, err := Find(bytes.NewReader(c.msg))
		if c.ok != (err == nil) || err != nil && !fault.Is(err, c.kind) || c.ok && string(got) != "<feedback/>" {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
	}
}

func TestMailto(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"mailto:reports@example.com", "reports@example.com"}, {"MAILTO:a@b.example?subject=x", "a@b.example"},
		{"mailto:a%2Bb@c.example", "a+b@c.example"},
		{"mailto:", ""}, {"mailto:a", ""}, {"mailto:@b", ""}, {"mailto:a@", ""}, {"https://a@b", ""}, {"mailto:a@b,c@d", ""},
		{"mailto:a%0D%0ABcc:%20x@y.example", ""}, {"mailto:a@[192.0.2.1]", ""}, {"mailto:%zz@x", ""},
		{"mailto:" + strings.Repeat("a", MaxAddress) + "@b", ""},
	} {
		got, err := Mailto(c.uri)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q %v", c.uri, got, err)
		}
	}
}

// TestFieldsCannotBeAdded: whatever is put in, the header has the same fields.
func TestFieldsCannotBeAdded(t *testing.T) {
	m := example()
	m.Organization, m.Domain, m.Submitter, m.ReportID = "a\r\nBcc: x@y", "b\r\nBcc: x", "c\r\n\r\nd", "e\r\nBcc: x"
	s := message.Parse(Compose(m))
	if s.Header.Has("Bcc") || len(s.Header.Fields) != 9 {
		t.Errorf("%q", s.Header.Raw)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(Compose(example()))
	f.Add(append([]byte("Content-Type: application/zip\n\n"), zipped("r.xml")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := Find(bytes.NewReader(b)); err == nil && len(got) == 0 {
			t.Fatal("found nothing")
		}
	})
}
