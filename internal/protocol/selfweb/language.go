package selfweb

import (
	"net/http"

	"postroad/internal/format/words"
)

// languagePath takes the form by which people choose a language.
const languagePath = Path + "/language"

// tongue is a language that can be chosen, by its own name.
type tongue struct {
	Tag, Name string
	Chosen    bool
}

// tongues are those that there are.
func tongues(chosen string) []tongue {
	all := []tongue{{Tag: "en", Name: "English"}, {Tag: "de", Name: "Deutsch"}, {Tag: "fr", Name: "Français"}}
	for i := range all {
		all[i].Chosen = all[i].Tag == chosen
	}
	return all
}

// inOwnLanguage has the pages of somebody who has signed in, and has chosen a language, be in it.
func (v *visit) inOwnLanguage() error {
	tag, err := v.Directory.Language(v.r.Context(), v.who.Account.ID)
	if t := words.In(tag); t != nil {
		v.t, v.tongue = t, tag
	}
	return err
}

// setLanguage takes the choice; none is as the browser asks.
func (v *visit) setLanguage() {
	tag := v.r.PostFormValue("language")
	if tag != "" && words.In(tag) == nil {
		v.message(http.StatusBadRequest, "There is no such language here.")
		return
	}
	if err := v.Directory.SetLanguage(v.r.Context(), v.who.Account.ID, tag); err != nil {
		v.broken(err)
		return
	}
	v.act("language", "language="+tag)
	v.redirect(Path)
}
