package relay

import "io"

// qpWriter writes quoted-printable that decodes to exactly the bytes written to it: CRLF becomes a
// line end, and a CR or LF alone is encoded (RFC 2045 §6.7). A dash is encoded at the start of
// a line, so that no line can become a boundary by being broken in the right place.
type qpWriter struct {
	to   io.Writer
	line []byte // of the encoded text
	cr   bool   // the last byte was a CR, whose meaning depends on the next
	raw  bool   // line ends with a blank as it is
	err  error
}

// maxQP is how long an encoded line is, without the "=" of a soft line end.
const maxQP = 75

func newQPWriter(w io.Writer) *qpWriter {
	return &qpWriter{to: w, line: make([]byte, 0, maxQP+3)}
}

// Write implements io.Writer.
func (q *qpWriter) Write(p []byte) (int, error) {
	for _, c := range p {
		if q.cr {
			q.cr = false
			if c == '\n' {
				q.endLine()
				continue
			}
			q.escape('\r')
		}
		switch {
		case c == '\r':
			q.cr = true
		case c == '=', c > '~', c < ' ' && c != '\t', c == '-' && (len(q.line) == 0 || len(q.line) == maxQP):
			q.escape(c)
		default:
			q.room(1)
			q.line = append(q.line, c)
			q.raw = c == ' ' || c == '\t'
		}
	}
	return len(p), q.err
}

func (q *qpWriter) escape(c byte) {
	const hex = "0123456789ABCDEF"
	q.room(3)
	q.line = append(q.line, '=', hex[c>>4], hex[c&15])
	q.raw = false
}

// room makes a soft line end if n more characters don't fit.
func (q *qpWriter) room(n int) {
	if len(q.line)+n > maxQP {
		q.line = append(q.line, '=')
		q.send()
	}
}

// endLine makes a hard line end. A blank before it would get lost, so it is encoded.
func (q *qpWriter) endLine() {
	q.keepBlank()
	q.send()
}

func (q *qpWriter) keepBlank() {
	if q.raw {
		c := q.line[len(q.line)-1]
		q.line = q.line[:len(q.line)-1]
		q.escape(c)
	}
}

func (q *qpWriter) send() {
	if q.err == nil {
		_, q.err = q.to.Write(append(q.line, crlf...))
	}
	q.line, q.raw = q.line[:0], false
}

// Close writes what is left. It doesn't end the last line.
func (q *qpWriter) Close() error {
	if q.cr {
		q.cr = false
		q.escape('\r')
	}
	q.keepBlank()
	if q.err == nil && len(q.line) > 0 {
		_, q.err = q.to.Write(q.line)
	}
	q.line = q.line[:0]
	return q.err
}
