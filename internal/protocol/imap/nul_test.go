package imap

import (
	"bytes"
	"fmt"
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

// What is appended in binary is kept in base64 (RFC 3516 §4.4): all can fetch it, and BINARY gives it as it was.
func TestBinaryAppendIsKeptAsText(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	long := strings.Repeat("\x00\x01\xff\r\n", 50_000)
	add := func(msg string) {
		t.Helper()
		c.ok(fmt.Sprintf("APPEND INBOX ~{%d+}\r\n%s", len(msg), msg))
	}
	add("Subject: x\r\n\r\na\x00b")
	add("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
		"--x\r\n\r\nplain\r\n" +
		"--x\r\nContent-Type: image/x\r\nContent-Transfer-Encoding:\r\n binary\r\nContent-ID: <1>\r\n\r\n" + long + "\r\n" +
		"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nc\x00\r\n--x--\r\n")
	untouched := "Subject: \x00\r\nContent-Transfer-Encoding: x-own\r\n\r\n\x00\r\n"
	add(untouched)
	for _, x := range []struct{ item, want string }{
		{"1 BODY.PEEK[]", "Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBi\r\n"},
		{"1 BINARY.PEEK[1]", "a\x00b"},
		{"2 BODY.PEEK[1]", "plain"},
		{"2 BODY.PEEK[2.MIME]", "Content-Type: image/x\r\nContent-ID: <1>\r\nContent-Transfer-Encoding: base64\r\n\r\n"},
		{"2 BODY.PEEK[2]<0.12>", "AAH/DQoAAf8N"},
		{"2 BINARY.PEEK[2]", long},
		{"2 BINARY.PEEK[3.1]", "c\x00"},
		{"3 BINARY.PEEK[]", untouched},
	} {
		if _, got := fetchLiteral(t, w, "FETCH "+x.item); string(got) != x.want {
			t.Errorf("%s: %.300q, %d bytes", x.item, got, len(got))
		}
	}
}
