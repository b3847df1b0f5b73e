package scan_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"postroad/internal/service/scan"
)

// memory is a Draft.
type memory struct{ bytes.Buffer }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.Bytes()).ReadAt(p, off)
}
func (m *memory) Size() int64 { return int64(m.Len()) }

func draftOf(s string) *memory {
	m := &memory{}
	m.WriteString(s)
	return m
}

// draftable is a message that can be changed.
func draftable(text string) *scan.Message {
	return &scan.Message{ID: "id", Content: strings.NewReader(text), Size: int64(len(text)), Limit: 1 << 20, Draft: func() scan.Draft { return &memory{} }}
}

func text(t testing.TB, m *scan.Message) string {
	t.Helper()
	b, err := io.ReadAll(m.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// edited is the message, and the fields in front of it, after the changes of programs.
func edited(t testing.TB, msg string, all ...scan.Finding) (got, front string, failed bool) {
	t.Helper()
	var programs []scan.Program
	for _, f := range all {
		programs = append(programs, program("p", f))
	}
	r := scan.New(programs, scan.Options{}).Scan(t.Context(), draftable(msg), nil)
	for i := range r.Findings {
		failed = failed || r.Findings[i].Failed
	}
	if r.Edited != nil {
		b := make([]byte, r.Edited.Size())
		r.Edited.ReadAt(b, 0) //nolint:errcheck // the test sees
		msg = string(b)
	}
	return msg, r.Fields(), failed
}

func TestHeaderChanges(t *testing.T) {
	const msg = "Received: a\r\n\tb\r\nX: 1\r\nodd line\r\nx : 2\r\nX:3\r\n folded\r\n\r\nX: body\r\n"
	set := func(name string, place int, value string) scan.HeaderChange {
		return scan.HeaderChange{Name: name, Place: place, Value: value}
	}
	remove := func(name string, place int) scan.HeaderChange {
		return scan.HeaderChange{Name: name, Place: place, Do: scan.RemoveField}
	}
	for name, c := range map[string]struct {
		changes []scan.HeaderChange
		want    string
	}{
		"nothing":               {nil, msg},
		"the first":             {[]scan.HeaderChange{set("X", 1, "new")}, strings.Replace(msg, "X: 1", "X: new", 1)},
		"the second":            {[]scan.HeaderChange{set("X", 2, "new")}, strings.Replace(msg, "x : 2", "X: new", 1)},
		"the last":              {[]scan.HeaderChange{set("x", -1, "new\n\tline")}, strings.Replace(msg, "X:3\r\n folded", "x: new\r\n\tline", 1)},
		"one that isn't there":  {[]scan.HeaderChange{set("X", 4, "new")}, strings.Replace(msg, " folded\r\n", " folded\r\nX: new\r\n", 1)},
		"removed":               {[]scan.HeaderChange{remove("X", 2)}, strings.Replace(msg, "x : 2\r\n", "", 1)},
		"places stay":           {[]scan.HeaderChange{remove("X", 1), remove("X", 2)}, strings.Replace(strings.Replace(msg, "X: 1\r\n", "", 1), "x : 2\r\n", "", 1)},
		"all removed":           {[]scan.HeaderChange{remove("X", 0)}, "Received: a\r\n\tb\r\nodd line\r\n\r\nX: body\r\n"},
		"none to remove":        {[]scan.HeaderChange{remove("Y", 0), remove("Y", 1), remove("X", 4), remove("X", -4)}, msg},
		"added":                 {[]scan.HeaderChange{{Name: "Subject", Value: "s", Do: scan.AddField}}, strings.Replace(msg, " folded\r\n", " folded\r\nSubject: s\r\n", 1)},
		"ours":                  {[]scan.HeaderChange{set("X-Postroad-Junk", 1, "no"), remove("X-Postroad-Junk", 0), set("Return-Path", 1, "<>"), set("", 1, "x"), set("a b", 1, "x"), set("A\r\nB", 1, "x")}, msg},
		"a field of one's own":  {[]scan.HeaderChange{set("X", 1, "a\r\nBcc: x\r\n\r\nbody")}, strings.Replace(msg, "X: 1", "X: a\r\n\tBcc: x\r\n\tbody", 1)},
		"removed and set again": {[]scan.HeaderChange{remove("X", 1), set("X", 1, "back")}, strings.Replace(msg, "X: 1", "X: back", 1)},
		"long, of many":         {[]scan.HeaderChange{set("X", 1, strings.Repeat("a@example.org,\n\t", 2000))}, strings.Replace(msg, "X: 1", "X: "+strings.TrimSuffix(strings.Repeat("a@example.org,\r\n\t", 2000), "\r\n\t"), 1)},
	} {
		got, front, failed := edited(t, msg, scan.Finding{Changes: &scan.Changes{Header: c.changes}})
		if got != c.want || front != "" || failed {
			t.Errorf("%s: failed %v, front %q\n got %q\nwant %q", name, failed, front, got, c.want)
		}
	}
}

// Fields that others have put in front can be changed too, without writing the message anew.
func TestChangesInFront(t *testing.T) {
	add := scan.Finding{Fields: []scan.Field{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}}}
	change := scan.Finding{Changes: &scan.Changes{Header: []scan.HeaderChange{{Name: "X-A", Place: 1, Do: scan.RemoveField}, {Name: "X-B", Place: 1, Value: "3"}, {Name: "X-B", Place: 2, Do: scan.RemoveField}}}}
	if got, front, _ := edited(t, "X-B: here\r\n\r\n", add, change); got != "\r\n" || front != "X-B: 3\r\n" {
		t.Errorf("%q, front %q", got, front)
	}
}

func TestBodies(t *testing.T) {
	for msg, want := range map[string]string{
		"A: b\r\n\r\nold":  "A: b\r\n\r\n",
		"A: b\r\n":         "A: b\r\n\r\n",
		"A: b":             "A: b\r\n\r\n",
		"\r\nold":          "\r\n",
		"":                 "\r\n",
		"A: b\r\n\r\n":     "A: b\r\n\r\n",
		"no field\r\n\r\n": "no field\r\n\r\n",
	} {
		for body, is := range map[string]string{"": "", "new": "new", "a\nb\r\nc\rd\r": "a\r\nb\r\nc\r\nd\r\n", "\n\r\r\n": "\r\n\r\n\r\n", ".\r\n": ".\r\n"} {
			if got, _, failed := edited(t, msg, scan.Finding{Changes: &scan.Changes{Body: draftOf(body)}}); got != want+is || failed {
				t.Errorf("%q with %q: %q, %v", msg, body, got, failed)
			}
		}
	}
}

// Nobody makes a message larger than messages may be, or its header other than it was said.
func TestTooMuchChanged(t *testing.T) {
	many := make([]scan.HeaderChange, 1001)
	for name, c := range map[string]*scan.Changes{
		"body":    {Body: draftOf(strings.Repeat("x", 1<<20))},
		"changes": {Header: many},
		"names":   {Envelope: make([]scan.EnvelopeChange, 1001)},
	} {
		if got, _, failed := edited(t, "A: b\r\n\r\nold", scan.Finding{Changes: c}); !failed || got != "A: b\r\n\r\nold" {
			t.Errorf("%s: %q, %v", name, got, failed)
		}
	}
}

func FuzzHeaderChanges(f *testing.F) {
	f.Add("A: b\r\nX: 1\r\n\tx\r\n\r\nbody", "X", 1, "v\r\nY: z")
	f.Add("A: b", "a", -1, "")
	f.Add("\r\n\r\n", "a", 0, "\xff\n\n")
	f.Fuzz(func(t *testing.T, msg, name string, place int, value string) {
		msg = strings.ReplaceAll(strings.ReplaceAll(msg, "\r\n", "\n"), "\r", "")
		msg = strings.ReplaceAll(msg, "\n", "\r\n")
		got, _, _ := edited(t, msg, scan.Finding{Changes: &scan.Changes{Header: []scan.HeaderChange{{Name: name, Place: place, Value: value}}}})
		head, body, _ := strings.Cut("\r\n"+got, "\r\n\r\n")
		_, old, has := strings.Cut("\r\n"+msg, "\r\n\r\n")
		if has && body != old {
			t.Fatalf("body %q of %q, was %q", body, got, old)
		}
		before, _, _ := strings.Cut("\r\n"+msg, "\r\n\r\n")
		if n, m := fields(head), fields(before); n != m && n != m+1 {
			t.Errorf("%d fields in %q, %d in %q", n, head, m, before)
		}
	})
}

// fields counts the lines of a header that begin something.
func fields(head string) (n int) {
	for line := range strings.SplitSeq(strings.Trim(head, "\r\n"), "\r\n") {
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			n++
		}
	}
	return n
}

// What was fetched may have lines that end in LF alone: where its header ends is anybody's guess, so nothing is changed.
func TestBareLineEndsAreLeftAlone(t *testing.T) {
	for _, do := range []scan.HeaderAct{scan.SetField, scan.AddField, scan.RemoveField} {
		const msg = "Subject: a\nFrom: <x@y.example>\n\nbody\n"
		got, _, failed := edited(t, msg, scan.Finding{Changes: &scan.Changes{Header: []scan.HeaderChange{{Name: "Subject", Place: 1, Value: "b", Do: do}}}})
		if got != msg || !failed {
			t.Errorf("%d: %q, failed %v", do, got, failed)
		}
	}
}
