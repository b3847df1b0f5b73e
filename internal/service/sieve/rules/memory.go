package rules

import (
	"crypto/sha256"
	"io"
	"strings"

	"postroad/internal/model/mailbox"
)

// memoryID is a digest of words.
func memoryID(words ...string) (id mailbox.MemoryID) {
	h := sha256.New()
	for _, w := range words {
		io.WriteString(h, w+"\x00")
	}
	copy(id[:], h.Sum(nil))
	return id
}

// DuplicateID is where a duplicate is remembered (RFC 7352).
func DuplicateID(id string) mailbox.MemoryID { return memoryID("duplicate", id) }

// AnswerID is where it is remembered that somebody has had an answer (RFC 5230 §4.2).
func AnswerID(handle, to string) mailbox.MemoryID {
	return memoryID("answer", handle, strings.ToLower(to))
}

// FailureID is where it is remembered that the owner was told of a failing script.
func FailureID() mailbox.MemoryID { return memoryID("failure") }
