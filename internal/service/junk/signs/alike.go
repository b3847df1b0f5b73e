package signs

import (
	"strings"

	"postroad/internal/format/confusable"
)

// alike says how easily a host is taken for one of a known domain, which is a registered one: 0 if it isn't, or belongs to it.
//
// The same name under another top-level domain is no sign: many have several.
func alike(s *site, known string) Severity {
	mine, theirs := label(s.registered), label(known)
	switch {
	case mine == theirs || theirs == "":
		return 0
	case inside(s, known): // bank.example.evil.example
		return Danger
	case len(theirs) >= 4 && sameLook(s.look, theirs):
		return Danger
	case len(theirs) >= 6 && oneEdit(mine, theirs):
		return Warning
	case len(theirs) >= 5 && len(mine) > len(theirs) && partOf(mine, theirs): // bank-login.example
		return Notice
	}
	return 0
}

// inside reports whether a host has the labels of a domain before those that were registered.
func inside(s *site, domain string) bool {
	before := s.host[:len(s.host)-len(s.registered)] // with its final dot
	i := strings.Index(before, domain)
	return i >= 0 && (i == 0 || before[i-1] == '.') && i+len(domain) < len(before) && before[i+len(domain)] == '.'
}

// partOf reports whether a label is word with others around it, joined by hyphens.
func partOf(label, word string) bool {
	i := strings.Index(label, word)
	end := i + len(word)
	return i >= 0 && (i == 0 || label[i-1] == '-') && (end == len(label) || label[end] == '-')
}

// sameLook reports whether a label has a skeleton.
func sameLook(look, label string) bool {
	if strings.HasPrefix(label, "xn--") {
		label = shown(label)
	}
	return confusable.HasSkeleton(label, look)
}

// oneEdit reports whether one letter added, left out, changed, or two swapped make one word of the other.
func oneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if a[i+1:] == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}
