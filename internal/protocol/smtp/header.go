package smtp

import "bytes"

// header watches a message's header stream by: it counts Received fields and
// sees whether Date and Message-ID are there. It isn't a parser; package message is.
type header struct {
	received  int
	date      bool
	messageID bool
	done      bool // the empty line has come
	binary    bool // nobody has looked at the line ends before
	bare      bool // of a binary message: the header has a CR or LF by itself
	cr        bool // likewise: the last byte was a CR

	line   [fieldStart]byte // the start of the current line
	length int              // of the current line so far, up to fieldStart
}

// fieldStart is as much of a line as tells the fields that matter.
const fieldStart = len("message-id:")

// see takes the next bytes of the message.
func (h *header) see(p []byte) {
	for len(p) > 0 && !h.done {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end+1]
		}
		if h.binary {
			h.ends(part)
		}
		h.length += copy(h.line[h.length:], part)
		p = p[len(part):]
		if end >= 0 {
			h.endLine()
		}
	}
}

// ends looks for CR and LF by themselves: BINARYMIME (RFC 3030 §3) lets them into bodies, not into headers, where everybody
// would take them for something else.
func (h *header) ends(part []byte) {
	for _, c := range part {
		if h.cr != (c == '\n') {
			h.bare = true
		}
		h.cr = c == '\r'
	}
}

// end is called when the message is over, empty line or not.
func (h *header) end() {
	h.endLine()
	h.done = true
}

func (h *header) endLine() {
	line := h.line[:h.length]
	h.length = 0
	switch {
	case string(line) == "\r\n" || string(line) == "\n":
		h.done = true
	case startsWith(line, "received:"):
		h.received++
	case startsWith(line, "date:"):
		h.date = true
	case startsWith(line, "message-id:"):
		h.messageID = true
	}
}

// startsWith compares without regard to case.
func startsWith(line []byte, name string) bool {
	return len(line) >= len(name) && is(line[:len(name)], name)
}
