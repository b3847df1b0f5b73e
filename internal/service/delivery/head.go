package delivery

import (
	"strings"

	"postroad/internal/format/message"
)

// head is what the message's own header says to us.
type head struct {
	deliveredTo, listIDs []string
	from, to, cc         []string
	proofs               []string // that it is a journal report
	subject, messageID   string
	utf8                 bool // it isn't ASCII (RFC 6532)
	automatic            bool // a program has written it
	tlsOptional          bool // "TLS-Required: No" (RFC 8689 §3)
}

// maxHead is how much of a header is looked at if it is larger than what the summary keeps. What we put in front ourselves is in it.
const maxHead = 64 << 10

// header reads it, once.
func (r *run) header() *head {
	if r.head != nil {
		return r.head
	}
	raw := r.content.Summary().Header()
	if raw == nil {
		raw = make([]byte, min(r.content.Size(), maxHead))
		n, _ := r.content.ReadAt(raw, 0) // what can't be read fails when it is stored
		raw = raw[:n]
	}
	h := message.ParseHeader(string(raw))
	r.head = &head{deliveredTo: h.All(deliveredToField), listIDs: h.All("List-Id"), from: h.All("From"), to: h.All("To"), cc: h.All("Cc"), proofs: h.All(proofField), subject: h.Get("Subject"), messageID: h.Get("Message-ID"), utf8: !isPlainASCII(raw), automatic: h.Automatic()}
	if v := h.All("TLS-Required"); len(v) == 1 {
		r.head.tlsOptional = strings.EqualFold(strings.TrimSpace(v[0]), "No")
	}
	return r.head
}

// passed reports whether the message has gone on from an address of ours already.
func (h *head) passed(address string) bool {
	for _, v := range h.deliveredTo {
		if strings.EqualFold(strings.TrimSpace(v), address) {
			return true
		}
	}
	return false
}

func isPlainASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
