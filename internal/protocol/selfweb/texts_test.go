package selfweb

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"postroad/internal/format/words"
	"postroad/internal/service/auth"
)

// written are all English texts: those of the templates, of the menu, and of what is said after something was done.
func written(t *testing.T) (all []string) {
	t.Helper()
	said := regexp.MustCompile(`\.T "((?:[^"\\]|\\.)*)"`)
	names, err := fs.Glob(pageFiles, "pages/*.html")
	must(t, err)
	for _, name := range names {
		b, err := pageFiles.ReadFile(name)
		must(t, err)
		for _, m := range said.FindAllStringSubmatch(string(b), -1) {
			all = append(all, m[1])
		}
	}
	for _, s := range sections() {
		all = append(all, s.text)
	}
	for _, m := range []map[string]string{doneTexts, activityTexts} {
		for _, text := range m {
			all = append(all, text)
		}
	}
	for _, text := range aboutPasskeys {
		all = append(all, text)
	}
	for _, kind := range []auth.KeyKind{auth.Password, auth.AppPassword, auth.Certificate, auth.Token, auth.Passkey} {
		all = append(all, string(kind))
	}
	all = append(all, "a command on the server", "the administrators' token")
	for _, o := range offers() {
		all = append(all, o.Text)
	}
	return append(all, inCode(t)...)
}

// inCode are the sentences that stand in the code.
func inCode(t *testing.T) (all []string) {
	t.Helper()
	sentence := regexp.MustCompile(`"([A-Z][^"\\]* [^"\\]*[.?])"`)
	files, err := fs.Glob(os.DirFS("."), "*.go")
	must(t, err)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		must(t, err)
		for _, m := range sentence.FindAllStringSubmatch(string(b), -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// Each text is there in each language, see package words for the blanks to fill in.
func TestTextsAreComplete(t *testing.T) {
	want := written(t)
	if len(want) < 200 {
		t.Fatalf("only %d texts were found", len(want))
	}
	for _, c := range words.All() {
		for _, text := range want {
			if text != "" && !c.Has(text) {
				t.Errorf("%s: %q is missing", c.Language(), text)
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for lang, want := range map[string]string{"en": "0 B, 4.9 MB, 12 GB", "de": "0 B, 4,9 MB, 12 GB", "fr": "0 o, 4,9 Mo, 12 Go"} {
		v := view{t: words.In(lang)}
		if got := v.Size(0) + ", " + v.Size(4_900_000) + ", " + v.Size(12e9); got != want {
			t.Errorf("%s: %s, want %s", lang, got, want)
		}
	}
}
