package footer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"

	"postroad/internal/format/message"
)

// Copy writes a message of size octets with edits made in it.
func Copy(w io.Writer, msg io.ReaderAt, size int64, edits []Edit) error {
	at := int64(0)
	for _, e := range append(slices.Clone(edits), Edit{From: size, To: size}) {
		if _, err := io.Copy(w, io.NewSectionReader(msg, at, e.From-at)); err != nil {
			return err
		}
		if _, err := w.Write(e.With); err != nil {
			return err
		}
		at = e.To
	}
	return nil
}

// encode gives octets a transfer encoding. Those that are no identity and not base64 become quoted-printable, which describe says.
func encode(encoding string, b []byte) []byte {
	var out bytes.Buffer
	if encoding == "base64" {
		text := base64.StdEncoding.EncodeToString(b)
		for line := range slices.Chunk([]byte(text), 76) { // RFC 2045 section 6.8
			out.Write(line)
			out.WriteString("\r\n")
		}
		return out.Bytes()
	}
	w := quotedprintable.NewWriter(&out)
	w.Write(b) //nolint:errcheck // a buffer takes all
	w.Close()  //nolint:errcheck
	return out.Bytes()
}

// describe changes a part's header to say that it is UTF-8 in an encoding.
func describe(p *message.Part, msg io.ReaderAt, encoding string) ([]Edit, bool) {
	raw := make([]byte, p.HeaderSize)
	if n, _ := msg.ReadAt(raw, p.HeaderOffset); n < len(raw) {
		return nil, false
	}
	h := message.ParseHeader(string(raw))
	fields := map[string]string{"content-type": typeField(p), "content-transfer-encoding": "Content-Transfer-Encoding: " + encoding + "\r\n"}
	var edits []Edit
	end := int64(0) // where the header's last field ends
	for _, f := range h.Fields {
		name := strings.ToLower(h.Name(f))
		if with, ok := fields[name]; ok {
			edits = append(edits, Edit{p.HeaderOffset + int64(f.Start), p.HeaderOffset + int64(f.End), []byte(with)})
			delete(fields, name)
		}
	}
	if len(h.Fields) > 0 {
		end = int64(h.Fields[len(h.Fields)-1].End)
	}
	for _, name := range [...]string{"content-type", "content-transfer-encoding"} {
		if with, ok := fields[name]; ok {
			edits = append(edits, Edit{p.HeaderOffset + end, p.HeaderOffset + end, []byte(with)})
		}
	}
	slices.SortStableFunc(edits, func(a, b Edit) int { return int(a.From - b.From) })
	return edits, p.HeaderSize > 0
}

// typeField is a part's Content-Type with UTF-8 as its character set.
func typeField(p *message.Part) string {
	var b strings.Builder
	b.WriteString("Content-Type: " + p.Type + "/" + p.Subtype + "; charset=utf-8")
	for _, x := range p.Params {
		if x.Name != "charset" && plainParam(x.Name) && plainParam(x.Value) {
			b.WriteString("; " + x.Name + "=" + x.Value)
		}
	}
	return b.String() + "\r\n"
}

// plainParam reports whether a word may stand in a parameter as it is: those of texts (format, delsp) do.
func plainParam(s string) bool {
	return s != "" && len(s) < 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

// references writes what isn't ASCII as character references of HTML.
func references(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}
