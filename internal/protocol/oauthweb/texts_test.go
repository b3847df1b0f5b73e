package oauthweb

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"postroad/internal/format/words"
)

// Each text of the pages is there in each language.
func TestTextsAreComplete(t *testing.T) {
	code, err := os.ReadFile("pages.go")
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{namelessProgram}
	for _, pattern := range []string{`\.T "([^"]*)"`, `(?:Problem|Done): "([^"]*)"`, `Problem = [^"\n]*"([^"]*)"`, `http\.Status[A-Za-z]+, "([^"]*)"`} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(code), -1)
		if len(found) == 0 {
			t.Errorf("nothing is found by %s", pattern)
		}
		for _, m := range found {
			texts = append(texts, m[1])
		}
	}
	if len(texts) < 25 {
		t.Errorf("only %d texts were found", len(texts))
	}
	for _, l := range words.All() {
		for _, text := range texts {
			if !l.Has(text) {
				t.Errorf("%s: %q is missing", l.Language(), text)
			}
		}
	}
}

// The pages are in the language that the browser asks for, what goes wrong too.
func TestLanguages(t *testing.T) {
	w := newWorld(t)
	for language, want := range map[string][]string{
		"de-AT, en;q=0.5": {`lang="de"`, "Geben Sie den Code ein", "Diesen Code gibt es nicht"},
		"fr":              {`lang="fr"`, "Saisissez le code", "Ce code n&#39;existe pas"},
		"pl":              {`lang="en"`, "Type the code", "There is no such code"},
	} {
		for _, path := range []string{pathDevice, pathDevice + "?user_code=BBBB-BBBB"} {
			r, err := http.NewRequest(http.MethodGet, w.web.URL+path, nil)
			must(t, err)
			r.Header.Set("Accept-Language", language)
			resp, err := w.client.Do(r)
			must(t, err)
			page, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			must(t, err)
			if !strings.Contains(string(page), want[0]) || resp.Header.Get("Content-Language") != want[0][6:8] || !strings.Contains(string(page), want[1]) ||
				strings.Contains(path, "?") != strings.Contains(string(page), want[2]) {
				t.Errorf("%s %s: %s", language, path, page)
			}
		}
	}
}
