package imap

import (
	"bytes"
	"strings"
	"testing"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

const trace = "Return-Path: <a@b>\r\nReceived: from x\r\n\tby y\r\n"

// checkNoted checks that the fields which a record knows the places of are those that are found by looking through the header, and reports
// whether it knows.
func checkNoted(t *testing.T, r summary.Record, names ...string) bool {
	t.Helper()
	var list [][]byte
	for _, n := range names {
		list = append(list, bytes.ToLower([]byte(n)))
	}
	set, ok := summary.FieldsOf(list)
	if !ok {
		t.Fatalf("%q aren't noted", names)
	}
	got, ok := r.AppendFields([]byte("x"), set)
	if !ok {
		if string(got) != "x" {
			t.Fatalf("%q is left", got)
		}
		return false
	}
	if want := appendFields([]byte("x"), r.Header(), list, true); !bytes.Equal(append(got, crlf...), want) {
		t.Fatalf("%q: noted %q, there are %q", r.Header(), got, want)
	}
	return true
}

func FuzzNotedFields(f *testing.F) {
	f.Add([]byte("From: a\r\n b\r\nX: y\r\nsubject : c\r\nfrom: d\r\n\r\nTo: body"))
	f.Add([]byte(" From: a\nTo: b\n\n"))
	f.Add([]byte("From\nTo: b\n\n"))
	f.Add([]byte("From\n : a\nTo: b\n \n\n"))
	f.Add([]byte("To: b\nfrom: a"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		r := summary.Make(message.Parse(msg), "")
		for _, r := range []summary.Record{r, r.Prefixed([]byte(trace)), r.Prefixed([]byte("Subject: front\n")).Prefixed([]byte("x\r\n"))} {
			checkNoted(t, r, "From")
			checkNoted(t, r, "subject", "To", "return-path")
		}
	})
}

func TestNotedFields(t *testing.T) {
	head := "From: a\r\nX-Other: x\r\nTO: b,\r\n c\r\nSubject: s\r\nTo: d\r\n"
	many := strings.Repeat("To: a\r\n", 100)
	for _, tt := range []struct {
		header string
		noted  bool
	}{
		{head + "\r\n", true},
		{trace + head + "\r\n", true},
		{strings.ReplaceAll(head+"\r\n", "\r", ""), true},
		{many + "\r\n", true},
		{many + "To: b\r\n\r\n", false},
		{head, false},
		{head + "no field\r\n\r\n", false},
		{head + " \r\n\r\n", true},
		{"From me\r\n" + head + "\r\n", false},
		{head + "X: " + strings.Repeat("x", summary.MaxHeader) + "\r\n\r\n", false},
	} {
		r := summary.Make(message.Parse([]byte(tt.header+"body")), "")
		if checkNoted(t, r, "from", "to") != tt.noted {
			t.Errorf("noted of %.100q isn't %v", tt.header, tt.noted)
		}
		more := strings.Count(tt.header, "To") == 100
		if checkNoted(t, r.Prefixed([]byte(trace)), "return-path", "to") != (tt.noted && !more) {
			t.Errorf("with fields in front of %.100q: noted isn't %v", tt.header, tt.noted)
		}
	}
}
