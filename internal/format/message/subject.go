package message

import "strings"

// BaseSubject returns a subject without the marks of replies and forwards, and whether there were any: the key of
// threads. The subject may have encoded words in it. RFC 5256 section 2.1; its steps are named below.
func BaseSubject(subject string) (base string, reply bool) {
	return BaseOfText(DecodeWords(Unfold(subject)))
}

// BaseOfText is BaseSubject for a subject that is decoded already.
func BaseOfText(subject string) (base string, reply bool) {
	s := oneSpace(subject) // (1)
	for {
		var cut bool
		if s, cut = cutTrailers(s); cut { // (2)
			reply = true
		}
		if s, cut = cutLeaders(s); cut { // (3) to (5)
			reply = true
		}
		inner, ok := cutForward(s) // (6)
		if !ok {
			return s, reply // (7)
		}
		s, reply = inner, true
	}
}

// oneSpace turns each run of blanks into one space.
func oneSpace(s string) string {
	if !strings.ContainsAny(s, "\t\r\n") && !strings.Contains(s, "  ") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	blank := false
	for i := 0; i < len(s); i++ {
		if isWSP(s[i]) {
			blank = true
			continue
		}
		if blank {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteByte(s[i])
	}
	if blank {
		b.WriteByte(' ')
	}
	return b.String()
}

// cutTrailers removes "(fwd)" and blanks from the end.
func cutTrailers(s string) (_ string, cut bool) {
	for {
		s = strings.TrimRight(s, " ")
		if n := len(s) - len("(fwd)"); n < 0 || !strings.EqualFold(s[n:], "(fwd)") {
			return s, cut
		}
		s, cut = s[:len(s)-len("(fwd)")], true
	}
}

// cutLeaders removes blanks, blobs ("[list]") and "re:", "fw:", "fwd:" from the front. A blob before anything else goes
// only if something is left then.
func cutLeaders(s string) (_ string, cut bool) {
	for {
		s = strings.TrimLeft(s, " ")
		last, rest := skipBlobs(s)
		after, ok := cutRefwd(rest)
		switch {
		case ok:
			s, cut = after, true
			continue
		case rest != "":
			return rest, cut
		}
		return last, cut
	}
}

// skipBlobs returns what follows the blobs that s begins with, and that with the last blob before it.
func skipBlobs(s string) (last, rest string) {
	last = s
	for {
		next, ok := cutBlob(s)
		if !ok {
			return last, s
		}
		last, s = s, next
	}
}

// cutBlob removes subj-blob = "[" *BLOBCHAR "]" *WSP, where BLOBCHAR is anything but brackets.
func cutBlob(s string) (string, bool) {
	if s == "" || s[0] != '[' {
		return s, false
	}
	i := strings.IndexAny(s[1:], "[]")
	if i < 0 || s[1+i] != ']' {
		return s, false
	}
	return strings.TrimLeft(s[i+2:], " "), true
}

// cutRefwd removes subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":".
func cutRefwd(s string) (string, bool) {
	n := 0
	switch {
	case hasPrefixFold(s, "fwd"):
		n = 3
	case hasPrefixFold(s, "re"), hasPrefixFold(s, "fw"):
		n = 2
	default:
		return s, false
	}
	rest := strings.TrimLeft(s[n:], " ")
	rest, _ = cutBlob(rest)
	if rest == "" || rest[0] != ':' {
		return s, false
	}
	return rest[1:], true
}

// cutForward removes "[fwd:" and "]" around a subject.
func cutForward(s string) (string, bool) {
	if !hasPrefixFold(s, "[fwd:") || s[len(s)-1] != ']' {
		return s, false
	}
	return s[len("[fwd:") : len(s)-1], true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
