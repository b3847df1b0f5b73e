package archive

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zipOf makes an archive.
func zipOf(t testing.TB, comment string, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range names {
		f, err := w.Create(n)
		if err == nil {
			_, err = f.Write([]byte("content of " + n))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetComment(comment); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func names(es []Entry) (all []string) {
	for _, e := range es {
		all = append(all, e.Name)
	}
	return all
}

func TestNames(t *testing.T) {
	want := []string{"a.txt", "dir/rechnung.pdf.exe", "größe.js"}
	for _, comment := range []string{"", "a comment", strings.Repeat("x", 60000)} {
		z := zipOf(t, comment, want...)
		if !IsZIP(z) {
			t.Error("is no ZIP")
		}
		if diff := cmp.Diff(want, names(Names(z))); diff != "" {
			t.Errorf("comment of %d: %s", len(comment), diff)
		}
	}
}

// TestPartOfALongDirectory: of a directory that doesn't fit, its end is listed.
func TestPartOfALongDirectory(t *testing.T) {
	var all []string
	for i := range 3000 {
		all = append(all, fmt.Sprintf("some/quite/long/path/to/file-%04d.txt", i))
	}
	z := zipOf(t, "", all...)
	got := names(Names(z[len(z)-20000:]))
	if len(got) < 200 || got[len(got)-1] != all[2999] {
		t.Errorf("%d names", len(got))
	}
	if got := Names(z); len(got) != MaxEntries {
		t.Errorf("%d names of a whole", len(got))
	}
}

func TestEncrypted(t *testing.T) {
	z := zipOf(t, "", "a.exe")
	at := bytes.Index(z, []byte("PK\x01\x02"))
	z[at+8] |= 1
	if got := Names(z); len(got) != 1 || !got[0].Encrypted {
		t.Errorf("%+v", got)
	}
}

func TestNoArchive(t *testing.T) {
	z := zipOf(t, "", "a.txt", "b.txt")
	for _, b := range [][]byte{nil, []byte("PK\x05\x06"), z[:len(z)-30], []byte(strings.Repeat("PK\x05\x06", 10))} {
		if got := Names(b); len(got) != 0 {
			t.Errorf("%.20q: %+v", b, got)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add(zipOf(f, "c", "a.txt", "b/c.exe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(Names(b)); n > MaxEntries || n*entryLen > len(b) {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
	})
}
