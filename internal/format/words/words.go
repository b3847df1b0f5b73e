// Package words holds what the server writes to people, on pages and in messages of its own, in their languages.
//
// Texts are in English in the code and the templates; other languages lie in texts, one file each, keyed by the English text. Those who
// write texts have a test that theirs are there.
package words

import (
	"embed"
	"encoding/json"
	"fmt"

	"golang.org/x/text/language"
)

//go:embed texts/*.json
var textFiles embed.FS

// Texts are those of one language. They are immutable.
type Texts struct {
	language string
	all      map[string]string // by the English text; nil: English
}

// Language is the language's tag (BCP 47), such as "de".
func (t *Texts) Language() string { return t.language }

// Has reports whether a text is there in the language. All are in English.
func (t *Texts) Has(text string) bool { return t.language == "en" || t.all[text] != "" }

// Say gives a text, with its arguments filled in as by fmt.Sprintf. What isn't translated stays English.
func (t *Texts) Say(text string, args ...any) string {
	if other := t.all[text]; other != "" {
		text = other
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// tags are the languages that there are, English first.
var tags = []language.Tag{language.English, language.German, language.French}

var matcher = language.NewMatcher(tags)

// catalogs holds the texts of each language.
var catalogs = loadTexts()

func loadTexts() (all []*Texts) {
	for _, tag := range tags {
		t := &Texts{language: tag.String()}
		if b, err := textFiles.ReadFile("texts/" + t.language + ".json"); err == nil {
			if json.Unmarshal(b, &t.all) != nil {
				t.all = nil // a test reads them
			}
		}
		all = append(all, t)
	}
	return all
}

// All are the texts of each language, English first. The caller doesn't change the list.
func All() []*Texts { return catalogs }

// For chooses the language that a browser asks for by Accept-Language (RFC 9110 §12.5.4); English if there is none that would do.
func For(accepted string) *Texts {
	if len(accepted) > 1000 {
		accepted = ""
	}
	wanted, _, err := language.ParseAcceptLanguage(accepted)
	if err != nil {
		return catalogs[0]
	}
	_, at, _ := matcher.Match(wanted...)
	return catalogs[at]
}

// In are the texts of a language; nil if there are none, or tag is "".
func In(tag string) *Texts {
	for _, t := range catalogs {
		if t.language == tag {
			return t
		}
	}
	return nil
}
