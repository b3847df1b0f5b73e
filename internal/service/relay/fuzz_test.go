package relay

import (
	"bufio"
	"bytes"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"postroad/internal/format/message"
	"postroad/internal/service/transfer"
)

// FuzzReply: whatever a hop says, what comes out is bounded and fit for a log.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"220 hello\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 no\n", "550\r\n", "250-a\r\n251 b\r\n", "55", "999 x\r\n",
		"451 4.\r\n", "300 x\r\n", "250 2.1.5\r\n", "220-\r\n220-\x00\r\n220 \xff\xfe\r\n", strings.Repeat("220-x\r\n", 200),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readReply(bufio.NewReaderSize(bytes.NewReader(b), 2*maxReplyLine))
		slow, err2 := readReply(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(b)), 2*maxReplyLine))
		if (err == nil) != (err2 == nil) || r.code != slow.code || len(r.lines) != len(slow.lines) {
			t.Fatalf("%v %v, and byte by byte %v %v", r, err, slow, err2)
		}
		if err != nil {
			return
		}
		if r.code < 200 || r.code > 599 || len(r.lines) == 0 || len(r.lines) > maxReplyLines {
			t.Errorf("%+v", r)
		}
		if s := r.status(); r.code/100 != 3 && (enhanced(s) != s || s[0] != byte('0'+r.code/100)) {
			t.Errorf("status %q of %d", s, r.code)
		}
		text := r.text()
		if len(text) > transfer.MaxText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("text %q", text)
		}
		parseExtensions(r.lines)
	})
}

// normal is what text is on the wire: every line has CRLF.
func normal(b []byte, finish bool) []byte {
	var out bytes.Buffer
	l := &lineEnds{to: &out}
	l.Write(b)
	if finish {
		l.finish()
	} else {
		l.flush()
	}
	return out.Bytes()
}

// FuzzSevenBit: a converted message has only 7-bit bytes and the parts and contents of the original.
func FuzzSevenBit(f *testing.F) {
	for _, s := range []string{
		"Subject: x\r\n\r\nh\xe9llo\r\n",
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n- \xc3\xa9 = \r\n.\r\n\r\n-- \r\nend",
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\npre\r\n--b\r\n\r\n\xe9\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\xff\r\n--b--\r\n",
		"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n\xe9",
		"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe9\r\n--b--\r\n",
		"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: z\r\n\r\n\xe9\xe9\xe9\r\n--b--\r\n",
		"Content-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("QUJD", 300) + "\r\n",
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n=E9" + strings.Repeat("x", 1000) + " \r\n",
		"Content-Type: message/global\r\n\r\nSubject: \xc3\xa9\r\n\r\n\xc3\xa9",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat("\xe9--b--", 60) + "\r\n--b--\r\n",
		"a: b", "\r\n\xff", "\xff", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := sevenBit(b); err != nil { // and whatever line ends it has
			t.Fatal(err)
		}
		b = normal(b, true)
		out, err := sevenBit(b)
		if out == nil || err != nil {
			return
		}
		if countHigh(out) > 0 {
			t.Fatalf("8-bit bytes left in %q", out)
		}
		before, after := leaves(b), leaves(out)
		if len(before) != len(after) {
			t.Fatalf("%d parts became %d:\n%q\n%q", len(before), len(after), b, out)
		}
		for i := range before {
			if before[i] != after[i] {
				t.Errorf("part %d:\n got %q\nwant %q\nin %q\nof %q", i, after[i], before[i], out, b)
			}
		}
	})
}

// sevenBit is b converted as it would be sent, nil if it can't be.
func sevenBit(b []byte) ([]byte, error) {
	c, err := convert(bytes.NewReader(b), message.Parse(b))
	if c == nil || err != nil {
		return nil, err
	}
	var out bytes.Buffer
	ends := &lineEnds{to: &out}
	if err := c.writeTo(ends); err != nil {
		return nil, err
	}
	return out.Bytes(), ends.finish()
}

// leaves are the types and decoded contents of a message's parts.
func leaves(b []byte) (all []string) {
	message.Parse(b).Root.Walk(func(p *message.Part) bool {
		if p.IsMultipart() || p.Message != nil && p.Subtype == "rfc822" {
			return true
		}
		body, _ := io.ReadAll(p.Body(bytes.NewReader(b)))
		all = append(all, p.Type+"/"+p.Subtype+" "+string(body))
		return false
	})
	return all
}

// FuzzQP: what quoted-printable writes decodes to the same bytes, by our decoder and another, in short lines.
func FuzzQP(f *testing.F) {
	f.Add([]byte("h\xe9llo \r\n- x\r\n\r \n\r\t"), 3)
	f.Add([]byte(strings.Repeat("x", 75)+"-"+strings.Repeat(" ", 80)+"\r\n"+strings.Repeat("-", 200)), 7)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var out bytes.Buffer
		q := newQPWriter(&out)
		if n := len(b); n > 0 {
			cut = (cut%n + n) % n
			q.Write(b[:cut])
			b := b[cut:]
			q.Write(b)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		for l := range strings.SplitSeq(out.String(), "\r\n") {
			if len(l) > 76 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, " ") || strings.HasSuffix(l, "\t") || strings.ContainsAny(l, "\r\n") || countHigh([]byte(l)) > 0 {
				t.Errorf("line %q", l)
			}
		}
		theirs, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(out.Bytes())))
		if err != nil || !bytes.Equal(theirs, b) {
			t.Errorf("theirs: %q (%v), want %q", theirs, err, b)
		}
		ours, err := io.ReadAll(message.Decoder("quoted-printable", bytes.NewReader(out.Bytes())))
		if err != nil || !bytes.Equal(ours, b) {
			t.Errorf("ours: %q (%v), want %q", ours, err, b)
		}
	})
}

// FuzzDots: data as it is sent has CRLF only, and undoing the transparency gives the message back.
func FuzzDots(f *testing.F) {
	f.Add([]byte(".\r\n..\n.\r.x\r\n\r\r\n\n.."), 4)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		buf := new([blockSize]byte)
		var out bytes.Buffer
		d := &dots{to: &block{to: &out, buf: buf}}
		ends := &lineEnds{to: d}
		if n := len(b); n > 0 {
			cut = (cut%n + n) % n
			ends.Write(b[:cut])
			ends.Write(b[cut:])
		}
		ends.finish()
		d.finish()
		text, ok := strings.CutSuffix(out.String(), ".\r\n")
		if !ok || text != "" && !strings.HasSuffix(text, "\r\n") {
			t.Fatalf("%q ends badly", out.String())
		}
		var back strings.Builder
		for l := range strings.SplitAfterSeq(text, "\r\n") {
			l2, dotted := strings.CutPrefix(l, ".")
			if strings.ContainsAny(strings.TrimSuffix(l, "\r\n"), "\r\n") || l == ".\r\n" || dotted && !strings.HasPrefix(l2, ".") {
				t.Errorf("line %q", l)
			}
			back.WriteString(l2)
		}
		if want := normal(b, true); back.String() != string(want) {
			t.Errorf("got %q, want %q", back.String(), want)
		}
		s, err := look(bytes.NewReader(b), 0, int64(len(b)), false)
		if err != nil || s.sent() != int64(len(normal(b, true))) {
			t.Errorf("surveyed %d bytes, sent %d", s.sent(), len(normal(b, true)))
		}
	})
}
