package imap

import (
	"context"
	"slices"
	"strings"
)

// LANGUAGE (RFC 5255 §3): in which language the server talks to people. What is said to those who write mail programs, the
// texts of BAD, is in English always.

// language is a language other than i-default, whose texts stand in the code. Languages are shared, and don't change.
type language struct {
	tag   string
	texts map[string]string // by the English text, with %d for its numbers; nil: English
	// namespaces are translations of otherUsers and sharedBy (RFC 5255 §3.4).
	namespaces map[string]string
}

const (
	defaultLanguage = "i-default"
	anyLanguage     = "*" // a language range
)

// newLanguages makes the languages out of the table of translations.
func newLanguages() map[string]*language {
	de := &language{tag: "de", texts: map[string]string{}, namespaces: map[string]string{otherUsers: "Andere Benutzer", sharedBy: "Gemeinsam"}}
	fr := &language{tag: "fr", texts: map[string]string{}, namespaces: map[string]string{otherUsers: "Autres utilisateurs", sharedBy: "Partagés"}}
	for _, t := range translations {
		en, _ := numbersOut(t.en)
		de.texts[en], fr.texts[en] = t.de, t.fr
	}
	return map[string]*language{"de": de, "fr": fr, "en": {tag: "en"}, defaultLanguage: nil}
}

// languageCommand is LANGUAGE: RFC 5255 §3.2.
func (s *session) languageCommand(context.Context) (reply, error) {
	var ranges []string
	for s.dec.ok() && s.dec.trySP() {
		if ranges = append(ranges, string(s.dec.astring())); len(ranges) > maxLanguages {
			s.dec.fail("too many languages")
		}
	}
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if len(ranges) == 0 {
		s.out.line("* LANGUAGE (", strings.Join(s.srv.languageTags(), " "), ")")
		return reply{text: "languages told"}, nil
	}
	if last := len(ranges) - 1; ranges[last] == anyLanguage { // RFC 4647 §3.4: nothing follows, so it is the default
		ranges[last] = "default"
	}
	for _, r := range ranges {
		if l, ok := s.srv.languageOf(r); ok {
			s.lang = l
			s.out.line("* LANGUAGE (", l.name(), ")")
			if s.mail != nil {
				s.tellNamespaces()
			}
			return reply{text: "so be it"}, nil
		}
	}
	return reply{}, no("", "none of these languages is spoken here")
}

// maxLanguages is how many languages may be asked for at once.
const maxLanguages = 100

func (l *language) name() string {
	if l == nil {
		return defaultLanguage
	}
	return l.tag
}

// namespace is the translation of a namespace's name as NAMESPACE tells it, "" if there is none (RFC 5255 §3.4).
func (l *language) namespace(name string) string {
	if l == nil || l.namespaces == nil {
		return ""
	}
	return ` "TRANSLATION" ("` + encodeUTF7(l.namespaces[name]) + string(separator) + `")`
}

// languageTags lists what languages there are.
func (s *Server) languageTags() []string {
	var tags []string
	for tag := range s.languages {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags
}

// languageOf finds the language that a range means: the range itself, or else what it is a dialect of (RFC 4647 §3.4). A "*" could
// mean any, and so none, unless nothing comes behind it (anyLanguage). "default" is what those get who ask for nothing.
func (s *Server) languageOf(wanted string) (*language, bool) {
	tag := strings.ToLower(wanted)
	if tag == "default" {
		return nil, true
	}
	for tag != "" {
		if l, ok := s.languages[tag]; ok {
			return l, true
		}
		cut := strings.LastIndexByte(tag, '-')
		if cut < 0 {
			return nil, false
		}
		if tag = tag[:cut]; cut >= 2 && tag[cut-2] == '-' { // a single letter goes with what it introduced
			tag = tag[:cut-2]
		}
	}
	return nil, false
}

// say puts a text into the client's language, if it has one and the text is translated.
func (s *session) say(text string) string {
	if s.lang == nil || s.lang.texts == nil {
		return text
	}
	key, numbers := numbersOut(text)
	said, ok := s.lang.texts[key]
	if !ok {
		return text
	}
	for _, n := range numbers {
		said = strings.Replace(said, "%d", n, 1)
	}
	return said
}

// numbersOut puts %d in the place of each number in a text, or of what stands for one already.
func numbersOut(text string) (pattern string, numbers []string) {
	if !strings.ContainsAny(text, "0123456789") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		n := i
		for n < len(text) && isDigit(text[n]) {
			n++
		}
		if n > i {
			numbers = append(numbers, text[i:n])
			b.WriteString("%d")
			i = n
			continue
		}
		b.WriteByte(text[i])
		i++
	}
	return b.String(), numbers
}

// remark sends an untagged status response.
func (s *session) remark(status, code, text string) {
	b := append(append(append(s.out.buf(), "* "...), status...), ' ')
	if code != "" {
		b = append(append(append(b, '['), code...), "] "...)
	}
	s.out.set(append(append(b, s.say(text)...), crlf...))
}

// remarkNumber sends an untagged OK whose response code is a name and a number.
func (s *session) remarkNumber(name string, n uint64, text string) {
	b := append(append(append(s.out.buf(), "* OK ["...), name...), ' ')
	b = append(appendUint(b, n), "] "...)
	s.out.set(append(append(b, s.say(text)...), crlf...))
}
