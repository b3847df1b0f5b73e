package imap

import (
	"bytes"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// NUL goes out by BINARY alone (RFC 9051 §9, CHAR8), in small messages and in such as stream.
func TestNULGoesOutByBinaryAlone(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	header := "Subject: a\x00b\r\nX: \x00\r\n\r\n"
	small := header + "c\x00\x00d\r\n"
	large := header + strings.Repeat("e\x00f\r\n", 200_000)
	w.deliver(ann, inbox.ID, small, 0)
	w.deliver(ann, inbox.ID, large, 0)
	masked := func(s string) []byte { return bytes.ReplaceAll([]byte(s), []byte{0}, []byte{maskedNUL}) }
	for _, c := range []struct {
		item, label string
		want        []byte
	}{
		{"1 BODY.PEEK[]", "BODY[]", masked(small)},
		{"1 RFC822.HEADER", "RFC822.HEADER", masked(header)},
		{"1 BODY.PEEK[TEXT]<1.3>", "BODY[TEXT]<1>", masked("\x00\x00d")},
		{"1 BODY.PEEK[HEADER.FIELDS (X)]", "BODY[HEADER.FIELDS (X)]", masked("X: \x00\r\n\r\n")},
		{"1 BINARY.PEEK[]", "BINARY[]", []byte(small)},
		{"2 BODY.PEEK[]", "BODY[]", masked(large)},
		{"2 BINARY.PEEK[]", "BINARY[]", []byte(large)},
	} {
		line, got := fetchLiteral(t, w, "FETCH "+c.item)
		if !strings.Contains(line, "("+c.label+" ") || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %s, %d bytes", c.item, line, len(got))
		}
		if _, more := fetchLiteral(t, w, "FETCH "+c.item); !bytes.Equal(more, got) {
			t.Errorf("%s: what is stored has changed", c.item)
		}
	}
}
