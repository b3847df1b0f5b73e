package selfweb

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

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

var verb = regexp.MustCompile(`%[a-z]`)

// Each text is there in each language, with the same blanks to fill in; and nothing else is.
func TestTextsAreComplete(t *testing.T) {
	want := written(t)
	if len(want) < 200 {
		t.Fatalf("only %d texts were found", len(want))
	}
	for _, c := range catalogs[1:] {
		b, err := textFiles.ReadFile("texts/" + c.language + ".json")
		must(t, err)
		must(t, json.Unmarshal(b, &map[string]string{}))
		for _, text := range want {
			if text == "" {
				continue
			}
			got := c.all[text]
			if got == "" {
				t.Errorf("%s: %q is missing", c.language, text)
			} else if !slices.Equal(verb.FindAllString(got, -1), verb.FindAllString(text, -1)) {
				t.Errorf("%s: %q has other blanks: %q", c.language, text, got)
			}
		}
	}
}
