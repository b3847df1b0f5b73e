package message

import "strings"

// Automatic reports whether a header is that of what a program writes by itself: an answer while somebody is away, a receipt, a report. It says
// so in Auto-Submitted (RFC 3834 §5), or is a multipart/report (RFC 6522). It is the writer's word: strangers may say what they like.
func (h *Header) Automatic() bool {
	for _, v := range h.All("Auto-Submitted") {
		if word := firstWord(v); word != "" && !strings.EqualFold(word, "no") {
			return true
		}
	}
	return strings.EqualFold(firstWord(h.Get("Content-Type")), "multipart/report")
}

// firstWord is what stands before parameters and comments.
func firstWord(value string) string {
	value = Unfold(value)
	if i := strings.IndexAny(value, ";("); i > 0 {
		value = value[:i]
	}
	return strings.TrimSpace(value)
}
