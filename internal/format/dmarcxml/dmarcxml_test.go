package dmarcxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postroad/internal/fault"
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// sample is the sample report of RFC 9990, as its last draft has it.
func sample() *Report {
	return &Report{
		Organization: "Sample Reporter", Email: "report_sender@example-reporter.com", ExtraContact: "...", ID: "3v98abbp8ya9n3va8yr8oa3ya",
		Begin: time.Unix(302832000, 0).UTC(), End: time.Unix(302918399, 0).UTC(), Generator: "Example DMARC Aggregate Reporter v1.2",
		Policy: Policy{Domain: "example.com", P: "quarantine", SP: "none", NP: "none", Testing: "n", Discovery: "treewalk"},
		Records: []Record{{
			IP: netip.MustParseAddr("192.0.2.123"), Count: 123, Disposition: "pass", DKIM: "pass", SPF: "fail",
			EnvelopeFrom: "example.com", HeaderFrom: "example.com",
			Signatures: []Signature{{Domain: "example.com", Selector: "abc123", Result: "pass"}},
			Sender:     Sender{Domain: "example.com", Result: "fail"},
		}},
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSampleOfTheRFC: it is read, and what is written has the same elements with the same content.
func TestSampleOfTheRFC(t *testing.T) {
	got, err := Parse(read(t, "rfc9990.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sample(), got, sameAddr); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(leaves(t, read(t, "rfc9990.xml")), leaves(t, sample().XML())); d != "" {
		t.Error(d)
	}
	if !bytes.Contains(sample().XML(), []byte(`<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">`)) {
		t.Error("no namespace")
	}
}

// leaves are the elements with text, by their paths: where order counts (those of a sequence), paths are compared apart.
func leaves(t *testing.T, b []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	var path []string
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Space+" "+token.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if s := strings.TrimSpace(string(token)); s != "" {
				all[strings.Join(path, "/")] += s
			}
		}
	}
}

// TestOrder: the schema demands an order for the first level, records, policy_evaluated and auth_results.
func TestOrder(t *testing.T) {
	r := sample()
	r.Errors, r.Records[0].Reasons = []string{"e"}, []Reason{{"other", "why"}}
	file := string(r.XML())
	for _, order := range [][]string{
		{"<version>1.0<", "<report_metadata>", "<policy_published>", "<record>"}, {"<row>", "<identifiers>", "<auth_results>"},
		{"<disposition>", "<dkim>pass", "<spf>fail", "<reason>"}, {"<auth_results>", "<dkim>\n", "<spf>\n"},
	} {
		last := -1
		for _, what := range order {
			at := strings.Index(file, what)
			if at <= last {
				t.Errorf("%s is at %d:\n%s", what, at, file)
			}
			last = at
		}
	}
}

// TestOlderReports: RFC 7489 appendix C.
func TestOlderReports(t *testing.T) {
	got, err := Parse(read(t, "rfc7489.xml"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Report{
		Organization: "Société", Email: "dmarc@receiver.example", ExtraContact: "https://receiver.example/dmarc", ID: "1234567890",
		Begin: time.Unix(1772323200, 0).UTC(), End: time.Unix(1772409599, 0).UTC(), Errors: []string{"no rua", "two records"},
		Policy: Policy{Domain: "example.org", P: "none", SP: "reject", DKIM: "r", SPF: "s", FO: "0:d", Percent: "50"},
		Records: []Record{{
			IP: netip.MustParseAddr("192.0.2.7"), Count: 2, Disposition: "none", DKIM: "fail", SPF: "pass",
			Reasons:    []Reason{{"sampled_out", "by chance"}, {Type: "forwarded"}},
			EnvelopeTo: "receiver.example", EnvelopeFrom: "example.org", HeaderFrom: "example.org",
			Signatures: []Signature{{"a.example", "s1", "fail", "bad"}, {Domain: "b.example", Result: "permerror"}},
			Sender:     Sender{Domain: "example.org", Scope: "mfrom", Result: "pass"},
		}},
	}
	if d := cmp.Diff(want, got, sameAddr); d != "" {
		t.Error(d)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9.:<&"' äß\]>-]{0,20}`).Filter(func(s string) bool { return s == strings.TrimSpace(s) })
		name := rapid.StringMatching(`([a-z0-9-]{1,9}\.[a-z]{1,5})?`)
		word := rapid.StringMatching(`[a-z_]{0,9}`)
		r := sample()
		r.Organization, r.Email, r.ID, r.Generator = text.Draw(t, "org"), text.Draw(t, "email"), "1"+text.Draw(t, "id"), text.Draw(t, "generator")
		r.Policy = Policy{"x" + name.Draw(t, "domain"), word.Draw(t, "p"), word.Draw(t, "sp"), word.Draw(t, "np"), word.Draw(t, "adkim"), word.Draw(t, "aspf"),
			text.Draw(t, "fo"), word.Draw(t, "method"), word.Draw(t, "testing"), word.Draw(t, "pct")}
		x := Record{IP: netip.MustParseAddr("2001:db8::1"), Count: rapid.Uint64Range(0, 1<<48-1).Draw(t, "n"), Disposition: word.Draw(t, "d"),
			DKIM: word.Draw(t, "dkim"), SPF: word.Draw(t, "spf"), HeaderFrom: name.Draw(t, "from"), EnvelopeFrom: name.Draw(t, "mail"), EnvelopeTo: name.Draw(t, "to")}
		for range rapid.IntRange(0, 3).Draw(t, "some") {
			x.Reasons = append(x.Reasons, Reason{word.Draw(t, "type"), text.Draw(t, "comment")})
			x.Signatures = append(x.Signatures, Signature{name.Draw(t, "d"), text.Draw(t, "s"), word.Draw(t, "result"), text.Draw(t, "human")})
			x.Sender = Sender{name.Draw(t, "d"), word.Draw(t, "scope"), word.Draw(t, "result"), text.Draw(t, "human")}
		}
		r.Records = append(r.Records, x)
		got, err := Parse(r.XML())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got, sameAddr); d != "" {
			t.Fatal(d)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	with := func(records int) []byte {
		file := string(sample().XML())
		from, to := strings.Index(file, "<record>"), strings.Index(file, "</feedback>")
		one := "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row></record>"
		return []byte(file[:from] + strings.Repeat(one, records) + file[to:])
	}
	file := string(sample().XML())
	nested := func(n int) []byte {
		inside := strings.Repeat("<a>", n) + strings.Repeat("</a>", n)
		return []byte(strings.Replace(file, "</feedback>", "<extension>"+inside+"</extension></feedback>", 1))
	}
	// A billion laughs: entities that are made of entities.
	laughs := `<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><feedback><report_metadata><org_name>&b;</org_name></report_metadata></feedback>`
	for _, c := range []struct {
		name string
		file []byte
		kind fault.Kind
		ok   bool
	}{
		{"depth at the limit", nested(maxDepth - 2), 0, true},
		{"depth", nested(maxDepth - 1), fault.TooLarge, false},
		{"depth far beyond", nested(100_000), fault.TooLarge, false},
		{"records", with(MaxRecords + 1), fault.TooLarge, false},
		{"bytes", bytes.Repeat([]byte(" "), MaxBytes+1), fault.TooLarge, false},
		{"entities", []byte(laughs), fault.Invalid, false},
		{"empty", nil, fault.Invalid, false},
		{"another document", []byte("<html><body/></html>"), fault.Invalid, false},
		{"cut off", []byte(file[:len(file)/2]), fault.Invalid, false},
		{"no records", []byte(file[:strings.Index(file, "<record>")] + "</feedback>"), fault.Invalid, false},
		{"no time", []byte(strings.Replace(file, "<begin>302832000", "<begin>x", 1)), fault.Invalid, false},
		{"time backwards", []byte(strings.Replace(file, "<begin>302832000", "<begin>402832000", 1)), fault.Invalid, false},
		{"unknown charset", []byte(strings.Replace(file, "UTF-8", "EBCDIC", 1)), fault.Invalid, false},
	} {
		_, err := Parse(c.file)
		if c.ok != (err == nil) || err != nil && !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if r, err := Parse(with(5000)); err != nil || len(r.Records) != 5000 {
		t.Errorf("many records: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample().XML())
	f.Add([]byte("<feedback><record><row/></record></feedback>"))
	for _, name := range []string{"rfc7489.xml", "rfc9990.xml"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(r.XML())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again, sameAddr); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	r := sample()
	for len(r.Records) < 1000 {
		r.Records = append(r.Records, r.Records[0])
	}
	file := r.XML()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := Parse(file); err != nil {
			b.Fatal(err)
		}
	}
}
