package junk

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postroad/internal/service/delivery"
	"postroad/internal/service/junk/features"
)

// inQP and inBase64 are a text in an encoding, with the field that tells which.
func inQP(text string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b.String()
}

func inBase64(text string) string {
	var b strings.Builder
	b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	for e := base64.StdEncoding.EncodeToString([]byte(text)); len(e) > 0; e = e[min(76, len(e)):] {
		b.WriteString(e[:min(76, len(e))] + "\r\n")
	}
	return b.String()
}

// TestDecodedOnce: a message has the same features whether its texts were decoded to look for signs or are decoded for the features; in front of what was parsed
// may stand what reception adds.
func TestDecodedOnce(t *testing.T) {
	w := newWorld(t, 1)
	var words strings.Builder
	for n := range 12_000 {
		fmt.Fprintf(&words, "wört%c%c%c = %d\r\n", 'a'+n%26, 'a'+n/26%26, 'a'+n/676, n)
	}
	var all []string
	for _, text := range []string{"Grüße = gut\r\n", words.String(), words.String()[:features.MaxDecoded], strings.Repeat("ü", 40_000), ""} {
		for _, in := range []func(string) string{inQP, inBase64} {
			all = append(all, "From: a@b.example\r\nContent-Type: text/plain; charset=utf-8\r\n"+in(text),
				"From: a@b.example\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n"+in(text)+
					"\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\n"+in("<p><a href=http://c.example/>"+text+"</a>")+"\r\n--x--\r\n")
		}
	}
	files, _ := filepath.Glob("../../format/*/testdata/*.eml")
	for _, f := range files {
		raw, err := os.ReadFile(f)
		w.must(err)
		all = append(all, string(raw))
	}
	for i, text := range all {
		c := w.content("Return-Path: <x@y.example>\r\n" + text)
		l := w.s.Letter(&delivery.Envelope{From: "x@y.example", Source: "smtp"}, c).(*letter)
		l.look()
		m := l.m
		if m.Decoded != nil {
			t.Fatal("what was decoded stays in use")
		}
		if got, want := slices.Sorted(slices.Values(l.set)), slices.Sorted(slices.Values(w.s.extract.Extract(&m))); !slices.Equal(got, want) {
			t.Errorf("message %d: %d features with texts decoded before, %d without", i, len(got), len(want))
		}
	}
}

// TestDecodedIsUsed: what signs have decoded isn't decoded again.
func TestDecodedIsUsed(t *testing.T) {
	w := newWorld(t, 1)
	c := w.content("From: a@b.example\r\nContent-Type: text/plain; charset=utf-8\r\n" + inQP("Grüße = gut\r\n"))
	parsed, _ := c.Parsed()
	d := w.s.decoded.take()
	root, _ := c.Summary().Root()
	d.keep(parsed.Root.BodyOffset, []byte("other words altogether"), true)
	m := features.Message{Summary: c.Summary(), Body: c, Decoded: d.text}
	if !slices.Contains(w.s.extract.Extract(&m), features.Of(features.Word, "altogether")) {
		t.Errorf("the text at %d was decoded again", root.Body.Offset)
	}
	d.keep(7, make([]byte, features.MaxDecoded-1), false)
	if _, ok := d.text(7); ok {
		t.Error("part of a text is taken for all of it")
	}
	d.keep(8, make([]byte, features.MaxDecoded+5), false)
	if b, ok := d.text(8); !ok || len(b) != features.MaxDecoded {
		t.Errorf("%d octets are kept of a long text", len(b))
	}
}

// TestFrontIsSeen: a message with fields in front has the features that it will have when it is stored with them, however long its header gets.
func TestFrontIsSeen(t *testing.T) {
	w := newWorld(t, 1)
	text := letterFrom("b.example", false, 1, "the report", goodText(1)+" http://c.example/ "+strings.Repeat("word ", 100))
	results := "Authentication-Results: mx.example.test;\r\n\tspf=pass smtp.mailfrom=x@b.example;\r\n\tdmarc=pass header.from=b.example\r\n"
	for _, long := range []int{0, 10_000, 15_000, 16 << 10, 30_000, 60_000, 63_000, 70_000, 200_000} {
		lines := strings.Repeat("X-Line: "+strings.Repeat("x", 90)+"\r\n", long/100)
		for _, front := range []string{"Return-Path: <y@b.example>\r\nX-Scanned: by a program\r\n" + results, results + lines} {
			msg := lines + text
			fronted := w.content(msg).Prefixed([]byte(front))
			l := w.s.Letter(&delivery.Envelope{From: "y@b.example", Source: "smtp"}, fronted).(*letter)
			l.look()
			want := w.s.see(features.Message{Summary: fronted.Summary(), Body: fronted}) // as it is stored
			if !slices.Equal(slices.Sorted(slices.Values(l.set)), slices.Sorted(slices.Values(want.set))) {
				t.Errorf("%d, %.12s: %d features, stored %d", long, front, len(l.set), len(want.set))
			}
			if d := cmp.Diff(l.m.Facts, want.m.Facts, cmpopts.EquateComparable(netip.Addr{})); d != "" || l.author != want.author {
				t.Errorf("%d, %.12s: %s", long, front, d)
			}
		}
	}
}
