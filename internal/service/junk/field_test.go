package junk

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/format/message"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk/model"
	"postroad/internal/service/junk/signs"
)

func TestField(t *testing.T) {
	found := []signs.Sign{{Kind: signs.LinkText, Severity: signs.Danger, Evidence: "bank.example > evil.example"}, {Kind: signs.FileProgram, Severity: signs.Warning, Evidence: "setup.exe"}}
	for want, c := range map[string]struct {
		r       ruling
		junk    bool
		reasons []string
	}{
		"X-Postroad-Junk: no; score=3; limit=99\r\n":                                   {ruling{score: model.Score{Junk: 0.03}, threshold: 0.99}, false, nil},
		"X-Postroad-Junk: no; score=99; limit=100\r\n":                                 {ruling{score: model.Score{Junk: 0.9985}, threshold: 0.999}, false, nil},
		"X-Postroad-Junk: yes; score=100; limit=100\r\n":                               {ruling{score: model.Score{Junk: 0.9991}, threshold: 0.999}, true, nil},
		"X-Postroad-Junk: no; score=100; limit=99; because=known\r\n":                  {ruling{score: model.Score{Junk: 0.999}, threshold: 0.99, because: "known"}, false, nil},
		"X-Postroad-Junk: yes; score=99; limit=90;\r\n\twhy=\"one;\r\n\t two ??\"\r\n": {ruling{score: model.Score{Junk: 0.99}, threshold: 0.9}, true, []string{"one", "two üx"[:6] + "\xff"}},
		"X-Postroad-Junk: yes; score=50; limit=99; because=policy;\r\n\tsigns=\"link-text:3:bank.example%20%3E%20evil.example\r\n\t file-program:2:setup.exe\"\r\n": {
			ruling{score: model.Score{Junk: 0.5}, threshold: 0.99, because: "policy", signs: found}, true, nil},
	} {
		got := field(&c.r, &delivery.Opinion{Junk: c.junk}, c.reasons)
		if got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
		h := message.ParseHeader(got + "\r\n")
		r, ok := ParseField(h.Get(delivery.JunkField))
		if !ok || r.Junk != c.junk || r.Because != c.r.because || r.Score != c.r.points() || r.Limit != points(c.r.threshold) || len(r.Why) != len(c.reasons) {
			t.Errorf("%q is read as %+v", got, r)
		}
		if diff := cmp.Diff(c.r.signs, r.Signs); diff != "" {
			t.Error(diff)
		}
	}
	for _, bad := range []string{"", "maybe; score=3", "yesterday", "score=3"} {
		if r, ok := ParseField(bad); ok {
			t.Errorf("%q is read as %+v", bad, r)
		}
	}
}

// FuzzField: whatever a message says of itself, the field is one field of short lines in ASCII.
func FuzzField(f *testing.F) {
	f.Add("body: cheap\r\nX-Evil: 1", "a\";score=1", 0.5)
	f.Add("=?utf-8?q?x?=", "\\\x00\u2028", 1.0)
	f.Fuzz(func(t *testing.T, a, b string, p float64) {
		sign := signs.Parse(string(signs.AppendText(nil, []signs.Sign{{Kind: signs.LinkText, Severity: signs.Danger, Evidence: a}})))
		r := ruling{score: model.Score{Junk: max(0, min(1, p))}, threshold: 0.99, signs: sign}
		got := field(&r, &delivery.Opinion{Junk: true}, []string{a, b, a, b, a, b, a})
		body, ok := strings.CutSuffix(got, "\r\n")
		if !ok || len(got) > 2000 {
			t.Fatalf("%q", got)
		}
		for i, line := range strings.Split(body, "\r\n") {
			if i > 0 && (line == "" || line[0] != '\t') || len(line) > 500 || strings.TrimSpace(line) == "" {
				t.Fatalf("line %d of %q", i, got)
			}
			for _, c := range []byte(line) {
				if c > '~' || c < ' ' && c != '\t' {
					t.Fatalf("%q", got)
				}
			}
		}
		h := message.ParseHeader(got + "\r\n")
		if len(h.Fields) != 1 {
			t.Fatalf("%d fields: %q", len(h.Fields), got)
		}
		if remark, ok := ParseField(h.Get(delivery.JunkField)); !ok || !remark.Junk {
			t.Fatalf("%q", got)
		}
		ParseField(a)
	})
}
