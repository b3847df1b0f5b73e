package imap

import (
	"bytes"
	"io"
)

// A literal has no NUL (RFC 9051 §9, CHAR8); only BINARY can send one, in a literal8. Where another section
// of a message has NULs, maskedNUL takes their places: sizes stay, and no client's parser is upset.
const maskedNUL = 0x80

// maskNUL masks the NULs in b.
func maskNUL(b []byte) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return
		}
		b[i] = maskedNUL
		b = b[i+1:]
	}
}

// nulMasker masks the NULs of what is written to another writer. What it is given stays as it is.
type nulMasker struct{ to io.Writer }

func (m *nulMasker) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		p = bytes.Clone(p)
		maskNUL(p)
	}
	return m.to.Write(p)
}
