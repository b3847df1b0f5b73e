package message

import (
	"slices"
	"strings"
	"testing"
)

func readings(header string, typ func(typ, subtype string), name func(name string)) bool {
	h := ParseHeader(header)
	return h.Readings(typ, name)
}

// TestReadings: all that somebody may read is told.
func TestReadings(t *testing.T) {
	const header = "Content-Type: Text/Plain; name=a\r\ncontent-type : x/y; name=\"b\"; name=c\r\n" +
		"Content-Disposition: inline; filename=d; filename*=utf-8''e; filename*0=f; filename*1=g; filename*0=h\r\nSubject: name=x\r\n\r\nContent-Type: no/no; name=no\r\n"
	var types, names []string
	whole := readings(header, func(typ, sub string) { types = append(types, typ+"/"+sub) }, func(name string) { names = append(names, name) })
	if got := strings.Join(types, " "); got != "text/plain x/y" || !whole {
		t.Errorf("%q, %v", got, whole)
	}
	if got := strings.Join(names, " "); got != "a b c d e e" {
		t.Errorf("%q", got)
	}
	many := "Content-Type: x/y" + strings.Repeat(";a=b", maxReadings-1)
	none := func(string) {}
	if !readings(many, func(string, string) {}, none) || readings(many+";a=b", func(string, string) {}, none) {
		t.Error("the limit isn't where it is said to be")
	}
}

// TestReadingsThatDiffer: it is told if programs may take a part apart in different ways.
func TestReadingsThatDiffer(t *testing.T) {
	for header, want := range map[string]bool{
		"Content-Type: text/plain\r\nContent-Type: text/html\r\n":                                          true,
		"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=a\r\n":                        false,
		"Content-Type: multipart/mixed; boundary=a\r\nSubject: x\r\nContent-Type: text/plain\r\n":          false,
		"Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b\r\n":       false,
		"Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed;\r\n boundary=a\r\n":   true,
		"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n":                                        false,
		"Content-Type: multipart/mixed; boundary=a; boundary=a\r\n":                                        true,
		"Content-Type: multipart/mixed; boundary=a; boundary*0=b\r\n":                                      false,
		"Content-Type: multipart/mixed; boundary*=''b; boundary=a\r\n":                                     false,
		"Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n":                                    true,
		"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n":                         false,
		"Content-Transfer-Encoding: base64\r\ncontent-transfer-encoding: BASE64 \r\nContent-ID: <x@y>\r\n": true,
		"Content-Type: message/rfc822\r\nContent-Type: text/plain\r\n":                                     false,
	} {
		if got := readings(header+"\r\n", func(string, string) {}, func(string) {}); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

// FuzzReadings: what a Part has is among what may be read.
func FuzzReadings(f *testing.F) {
	f.Add("Content-Type: x/y; name=a; name*=utf-8''b\r\n")
	f.Add("Content-Disposition: x; filename*0*=''a%; filename*1=\"b\xff\"; filename*7=c; filename=\"\r\n")
	f.Fuzz(func(t *testing.T, header string) {
		if len(header) > 10_000 || strings.HasPrefix(header, "\n") || strings.HasPrefix(header, "\r\n") {
			return
		}
		root := Parse([]byte(header)).Root
		var types, names []string
		readings(header[:root.HeaderSize], func(typ, sub string) { types = append(types, typ+"/"+sub) }, func(name string) { names = append(names, name) })
		if root.Typed && !slices.Contains(types, root.Type+"/"+root.Subtype) {
			t.Errorf("%s/%s isn't among %q", root.Type, root.Subtype, types)
		}
		for name, list := range map[string][]Param{"name": root.Params, "filename": root.DispositionParams} {
			if v := param(list, name); v != "" && !slices.Contains(names, v) {
				t.Errorf("%q isn't among %q", v, names)
			}
		}
	})
}
