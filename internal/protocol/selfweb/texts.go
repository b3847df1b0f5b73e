package selfweb

import (
	"embed"
	"encoding/json"
	"fmt"

	"golang.org/x/text/language"
)

//go:embed texts/*.json
var textFiles embed.FS

// texts are those of one language, by the English text.
type texts struct {
	language string
	all      map[string]string // nil: English
}

// say gives a text, with its arguments filled in. What isn't translated stays English.
func (t *texts) say(text string, args ...any) string {
	if other := t.all[text]; other != "" {
		text = other
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// languages are those that there are, English first.
var languages = []language.Tag{language.English, language.German, language.French}

var matcher = language.NewMatcher(languages)

// catalogs holds the texts of each language.
var catalogs = loadTexts()

func loadTexts() (all []*texts) {
	for _, tag := range languages {
		t := &texts{language: tag.String()}
		if b, err := textFiles.ReadFile("texts/" + t.language + ".json"); err == nil {
			if json.Unmarshal(b, &t.all) != nil {
				t.all = nil // a test reads them
			}
		}
		all = append(all, t)
	}
	return all
}

// textsFor chooses the language that a browser asks for (RFC 9110 §12.5.4).
func textsFor(accepted string) *texts {
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
