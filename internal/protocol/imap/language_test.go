package imap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postroad/internal/fault"
)

// TestTextsAreTranslated: what this package says to people, it can say in every language. A new text belongs into translations.go.
func TestTextsAreTranslated(t *testing.T) {
	known := map[string]bool{}
	for _, x := range translations {
		en, numbers := numbersOut(x.en)
		if known[en] {
			t.Errorf("%q stands there twice", x.en)
		}
		known[en] = true
		for _, said := range []string{x.de, x.fr} {
			want := strings.Count(x.en, "%d") + len(numbers)
			pattern, _ := numbersOut(said)
			if said == "" || strings.Count(pattern, "%d") != want || strings.ContainsAny(said, "\r\n[") {
				t.Errorf("%q: %q", x.en, said)
			}
		}
	}
	for text, at := range spokenTexts(t) {
		if en, _ := numbersOut(text); !known[en] {
			t.Errorf("%s: %q is not in translations.go", at, text)
		}
	}
	for _, k := range fault.Kinds() {
		if !known[k.String()] {
			t.Errorf("%q is not in translations.go", k)
		}
	}
	if !slices.IsSortedFunc(translations, func(a, b translation) int { return strings.Compare(a.en, b.en) }) {
		t.Error("not in order")
	}
}

// saying tells which argument of a function is a text for people.
var saying = map[string]int{"no": 1, "remark": 2, "remarkNumber": 2, "fault.New": 1, "fault.Wrap": 2, "say": 0}

// notForPeople are texts of failures that become others on the way, or are about nothing that a client has done.
var notForPeople = []string{"imap: a listener with TLS needs a certificate", "message summary damaged"}

// spokenTexts finds the texts for people in this package's code, and where they stand.
func spokenTexts(t *testing.T) map[string]string {
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	must(t, err)
	texts := map[string]string{}
	note := func(e ast.Expr) {
		if text, ok := literalText(e); ok && !slices.Contains(notForPeople, text) {
			texts[text] = files.Position(e.Pos()).String()
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		must(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.CallExpr:
				if i, ok := saying[calledName(x)]; ok && len(x.Args) > i {
					note(x.Args[i])
				}
			case *ast.CompositeLit:
				noteReply(x, note)
			}
			return true
		})
	}
	return texts
}

// noteReply notes the text of a reply or limitError.
func noteReply(x *ast.CompositeLit, note func(ast.Expr)) {
	id, ok := x.Type.(*ast.Ident)
	if !ok || id.Name != "reply" && id.Name != "limitError" {
		return
	}
	for i, e := range x.Elts {
		switch kv, keyed := e.(*ast.KeyValueExpr); {
		case keyed && kv.Key.(*ast.Ident).Name == "text":
			note(kv.Value)
		case !keyed && i == 1:
			note(e)
		}
	}
}

func calledName(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if id, ok := f.X.(*ast.Ident); ok && id.Name == "fault" {
			return "fault." + f.Sel.Name
		}
		return f.Sel.Name
	}
	return ""
}

// literalText is the text of a string, or of the format of a Sprintf.
func literalText(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		return text, err == nil
	case *ast.CallExpr:
		if calledName(x) == "Sprintf" {
			return literalText(x.Args[0])
		}
	}
	return "", false
}

func TestLanguageOf(t *testing.T) {
	s := &Server{languages: newLanguages()}
	for wanted, want := range map[string]string{
		"de": "de", "DE-AT-1996": "de", "fr-x-yz": "fr", "fr-x": "fr", "En-us": "en", "i-default": defaultLanguage, "default": defaultLanguage,
		"it": "", "*": "", "": "", "-": "", "d-e": "", "x": "", "german": "",
	} {
		l, ok := s.languageOf(wanted)
		if ok != (want != "") || ok && l.name() != want {
			t.Errorf("%q: %q %v", wanted, l.name(), ok)
		}
	}
}
