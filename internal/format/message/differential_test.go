package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message"
	"github.com/google/go-cmp/cmp"
	"github.com/jhillyerd/enmime/v2"
	"pgregory.net/rapid"
)

// These tests compare us with other parsers where they agree with us. Where they don't, the difference is on a list, with
// the reason why we stand by our answer.

// A leaf is what is compared of a part that holds no parts: type and decoded octets (but not of text, whose character set
// and line ends the others change).
type leaf struct{ Type, Content string }

func ourLeaves(msg []byte, intoMessages bool) (ls []leaf) {
	Parse(msg).Root.Walk(func(p *Part) bool {
		if p.IsMultipart() || p.Message != nil && intoMessages {
			return true
		}
		b, _ := io.ReadAll(p.Body(bytes.NewReader(msg)))
		ls = append(ls, newLeaf(p.Type+"/"+p.Subtype, b))
		return false
	})
	return ls
}

func newLeaf(typ string, content []byte) leaf {
	l := leaf{Type: typ, Content: string(content)}
	if strings.HasPrefix(typ, "text/") || strings.HasPrefix(typ, "message/") {
		l.Content = ""
	}
	return l
}

func goMessageLeaves(msg []byte) (ls []leaf, err error) {
	e, err := gomessage.Read(bytes.NewReader(msg))
	if err != nil && !gomessage.IsUnknownCharset(err) {
		return nil, err
	}
	err = e.Walk(func(_ []int, e *gomessage.Entity, err error) error {
		if err != nil && !gomessage.IsUnknownCharset(err) {
			return err
		}
		typ, _, err := e.Header.ContentType()
		if err != nil {
			return err
		}
		if strings.HasPrefix(typ, "multipart/") {
			return nil
		}
		b, err := io.ReadAll(e.Body)
		ls = append(ls, newLeaf(typ, b))
		return err
	})
	return ls, err
}

func enmimeLeaves(msg []byte) (ls []leaf, err error) {
	root, err := enmime.ReadParts(bytes.NewReader(msg))
	if err != nil {
		return nil, err
	}
	root.DepthMatchAll(func(p *enmime.Part) bool {
		if !strings.HasPrefix(p.ContentType, "multipart/") {
			ls = append(ls, newLeaf(p.ContentType, p.Content))
		}
		return false
	})
	return ls, nil
}

// goMessageDiffers and enmimeDiffers list the messages of testdata that are read differently, and why.
var goMessageDiffers = map[string]string{
	"spam.eml":            "go-message refuses the header line without a colon",
	"unix.eml":            "go-message refuses the From line",
	"invite.eml":          "go-message takes the line --sig-alt to end the multipart whose boundary is sig",
	"encoded-message.eml": "go-message fails on the encoding x-uuencode, and on a last boundary without a part",
	"digest.eml":          "go-message does not know multipart/digest: RFC 2046 section 5.1.5 makes its parts messages",
}

var enmimeDiffers = map[string]string{
	"spam.eml":            "enmime refuses the header line without a colon",
	"digest.eml":          "enmime does not know multipart/digest: RFC 2046 section 5.1.5 makes its parts messages",
	"encoded-message.eml": "enmime leaves out the empty part after the last boundary, which is there in the bytes",
}

func TestStructureAgrees(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.eml")
	for _, file := range files {
		name := filepath.Base(file)
		msg, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ours := ourLeaves(msg, false)
		for _, other := range []struct {
			name   string
			leaves func([]byte) ([]leaf, error)
			known  map[string]string
		}{{"go-message", goMessageLeaves, goMessageDiffers}, {"enmime", enmimeLeaves, enmimeDiffers}} {
			theirs, err := other.leaves(msg)
			diff := cmp.Diff(theirs, ours)
			agrees := err == nil && diff == ""
			if why, known := other.known[name]; known == agrees {
				t.Errorf("%s and %s: on the list of differences is %q, but: %v\n%s", name, other.name, why, err, diff)
			}
		}
	}
}

// Messages as they should be are read alike by all.
func TestComposedAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draft(drawEntity(t, 3))
		msg := d.Bytes()
		ours := ourLeaves(msg, false)
		theirs, err := goMessageLeaves(msg)
		if diff := cmp.Diff(theirs, ours); err != nil || diff != "" {
			t.Fatalf("go-message: %v\n%s\n%s", err, diff, msg)
		}
		theirs, err = enmimeLeaves(msg)
		if diff := cmp.Diff(theirs, ours); err != nil || diff != "" {
			t.Fatalf("enmime: %v\n%s\n%s", err, diff, msg)
		}
	})
}

func drawEntity(t *rapid.T, depth int) Entity {
	kinds := 4
	if depth == 0 {
		kinds = 3
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return NewText(rapid.String().Draw(t, "text"))
	case 1:
		return NewAttachment(rapid.StringMatching(`[a-zäöü ]{1,80}\.txt`).Draw(t, "name"), "", rapid.SliceOf(rapid.Byte()).Draw(t, "content"))
	case 2:
		return NewHTML("<p>" + rapid.StringMatching(`[a-z ]{0,200}`).Draw(t, "html"))
	}
	n := rapid.IntRange(1, 3).Draw(t, "children")
	e := NewMultipart(rapid.SampledFrom([]string{"mixed", "alternative", "related"}).Draw(t, "subtype"))
	for range n {
		e.Children = append(e.Children, drawEntity(t, depth-1))
	}
	return e
}

// addressDiffers explains why an address list that net/mail can read is read differently here; "" if it isn't.
func addressDiffers(s string) string {
	switch {
	case strings.Contains(s, "=?"):
		return "encoded words: net/mail knows fewer character sets, and none in quoted strings"
	case strings.ContainsAny(s, "()"):
		return "comments: net/mail takes every comment as the name, or none"
	case strings.ContainsAny(s, `"\`):
		return "quotes: net/mail writes local parts with their quotes"
	case strings.ContainsAny(s, "[]"):
		return "domain literals: net/mail normalizes them"
	case strings.Contains(s, ":"):
		return "groups: net/mail leaves their names out"
	}
	return ""
}

func compareAddresses(t *testing.T, s string) {
	t.Helper()
	theirs, err := mail.ParseAddressList(s)
	if err != nil || addressDiffers(s) != "" {
		return
	}
	var want, got []string
	for _, a := range theirs {
		want = append(want, a.Name+"|"+a.Address)
	}
	for _, a := range ParseAddresses(s) {
		got = append(got, a.DisplayName()+"|"+a.Addr())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q\n%s", s, diff)
	}
}

func FuzzAddressesAgree(f *testing.F) {
	for _, s := range []string{"a@b", "Ann Example <a@b>, c@d.e", "Ann B. <a.b@c.d>", "ä <a@ö>", "<a@b>,<c@d>", "a@b , c <d@e>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { compareAddresses(t, s) })
}

// Dates as they should be are read alike by net/mail.
func TestDatesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-2e9, 4e9).Draw(t, "time"), 0).In(time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone")))
		layout := rapid.SampledFrom([]string{"Mon, ", ""}).Draw(t, "day") + rapid.SampledFrom([]string{"2", "02"}).Draw(t, "digits") +
			" Jan 2006 15:04" + rapid.SampledFrom([]string{":05", ""}).Draw(t, "seconds") + " -0700" + rapid.SampledFrom([]string{"", " (CEST)"}).Draw(t, "comment")
		s := at.Format(layout)
		theirs, err := mail.ParseDate(s)
		if ours, ok := ParseDate(s); err != nil || !ok || !ours.Equal(theirs) {
			t.Fatalf("%q: net/mail reads %v, %v, we %v, %v", s, theirs, err, ours, ok)
		}
	})
}

// The headers of good messages are read alike by net/mail.
func TestHeaderAgrees(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.eml")
	compared := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(b))
		if err != nil || filepath.Base(file) == "unix.eml" {
			continue // It refuses spam.eml, and takes the blanks before a colon for a part of the name.
		}
		compared++
		h := Parse(b).Header
		for name, want := range m.Header {
			got := h.All(name)
			if len(got) != len(want) {
				t.Errorf("%s has fields %s %q, net/mail reads %q", file, name, got, want)
				continue
			}
			for i := range want { // net/mail turns a fold with all its blanks into one space
				want[i], got[i] = strings.Join(strings.Fields(want[i]), " "), strings.Join(strings.Fields(got[i]), " ")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s\n%s", file, name, diff)
			}
		}
		rest, _ := io.ReadAll(m.Body)
		if want := b[Parse(b).Root.BodyOffset:]; !bytes.Equal(rest, want) {
			t.Errorf("%s: bodies differ", file)
		}
		for _, name := range []string{"From", "To", "Cc", "Reply-To"} {
			compareAddresses(t, m.Header.Get(name))
		}
	}
	if compared < 9 {
		t.Error(errors.New(fmt.Sprint("only ", compared, " messages compared")))
	}
}
