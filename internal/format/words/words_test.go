package words

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var verb = regexp.MustCompile(`%[a-z]`)

// The files can be read, say the same things, and leave the same blanks to be filled in.
func TestFiles(t *testing.T) {
	for _, c := range All()[1:] {
		b, err := textFiles.ReadFile("texts/" + c.Language() + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &map[string]string{}); err != nil {
			t.Fatal(c.Language(), err)
		}
		for text, other := range c.all {
			if !slices.Equal(verb.FindAllString(text, -1), verb.FindAllString(other, -1)) {
				t.Errorf("%s: %q has other blanks: %q", c.Language(), text, other)
			}
			for _, d := range All()[1:] {
				if !d.Has(text) {
					t.Errorf("%s: %q is missing", d.Language(), text)
				}
			}
		}
	}
}

func TestLanguages(t *testing.T) {
	for accepted, want := range map[string]string{
		"": "en", "de": "de", "de-AT,en;q=0.5": "de", "fr-CA, de;q=0.9": "fr", "en;q=0.5, fr;q=0.4": "en", "pl": "en", "*": "en", "!": "en", strings.Repeat("de,", 500): "en",
	} {
		if got := For(accepted).Language(); got != want {
			t.Errorf("%.20q: %s, want %s", accepted, got, want)
		}
	}
	for tag, there := range map[string]bool{"en": true, "de": true, "fr": true, "": false, "xx": false} {
		if got := In(tag); (got != nil) != there || there && got.Language() != tag {
			t.Errorf("%q: %v", tag, got)
		}
	}
	if got := In("de").Say("The password for %s", "x"); got != "Das Passwort für x" {
		t.Error(got)
	}
	if got := In("de").Say("No such text %d", 1); got != "No such text 1" || In("de").Has("No such text %d") || !In("en").Has("No such text %d") {
		t.Error(got)
	}
}
