package reportmail

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
)

// Limits of what is unpacked: reports come from strangers.
const (
	// MaxPacked is the largest attachment that is looked at, decoded.
	MaxPacked = 4 << 20
	// MaxFile is the largest report, unpacked. The largest sites' daily reports have about 1 MB.
	MaxFile = 8 << 20
	// maxParts is how many parts of a message are looked at, maxEntries how many files of a zip archive.
	maxParts, maxEntries = 50, 20
)

var limits = message.Limits{Depth: 10, Parts: maxParts, HeaderBytes: 64 << 10, HeaderFields: 1000, KeptBytes: 64 << 10}

// Content is a message's bytes.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Find returns the first report in a message, unpacked: a part that isn't text for people, and is XML or JSON by
// its first character, perhaps compressed by gzip or in a zip archive. What lies in attached
// messages doesn't count. Errors: fault.NotFound: there is none; fault.TooLarge; fault.Invalid: it can't be unpacked; and
// what reading c fails with.
func Find(c Content) ([]byte, error) {
	p := message.NewParser(limits)
	if _, err := io.Copy(p, io.NewSectionReader(c, 0, c.Size())); err != nil {
		return nil, err
	}
	var file []byte
	err := fault.New(fault.NotFound, "the message has no report")
	p.Finish().Root.Walk(func(part *message.Part) bool {
		if err == nil || part.IsMessage() {
			return false
		}
		if candidate(part) {
			if f, e := open(c, part); e == nil {
				file, err = f, nil
			} else if !errors.Is(e, errOther) {
				err = e
			}
		}
		return true
	})
	return file, err
}

// candidate leaves out what people read, unless it is named like a report.
func candidate(p *message.Part) bool {
	if p.IsMultipart() || p.Opaque {
		return false
	}
	if p.Type != "text" || p.Subtype == "xml" {
		return true
	}
	name := strings.ToLower(p.Filename())
	return strings.HasSuffix(name, ".xml") || strings.HasSuffix(name, ".json")
}

// errOther: it isn't a report, nor an archive.
var errOther = errors.New("something else")

func open(c Content, p *message.Part) ([]byte, error) {
	packed, err := readAll(p.Body(c), MaxPacked)
	if err != nil {
		return nil, err
	}
	return Unpack(packed)
}

// Unpack returns the report in a file, which may be compressed: told by its first bytes, whatever it is called.
// Errors as with Find.
func Unpack(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0x1F, 0x8B}):
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the report can't be unpacked")
		}
		return readReport(r)
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return unzip(b)
	}
	return unpacked(b, nil)
}

// unpacked demands that it is XML or JSON.
func unpacked(b []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")), " \t\r\n")
	if len(start) == 0 || start[0] != '<' && start[0] != '{' {
		return nil, errOther
	}
	return start, nil
}

// unzip opens the first file of an archive that is a report.
func unzip(b []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the report can't be unpacked")
	}
	err = errOther
	for _, f := range z.File[:min(len(z.File), maxEntries)] {
		var out []byte
		if out, err = readEntry(f); !errors.Is(err, errOther) {
			return out, err
		}
	}
	return nil, err
}

func readEntry(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the report can't be unpacked")
	}
	defer r.Close()
	return readReport(r)
}

// readReport unpacks a report. What doesn't begin like one isn't unpacked any further: a small message may hold a thousand large files.
func readReport(r io.Reader) ([]byte, error) {
	b := bufio.NewReaderSize(r, maxBegin)
	begin, err := b.Peek(maxBegin)
	if err == nil || errors.Is(err, io.EOF) {
		if _, err := unpacked(begin, nil); err != nil {
			return nil, err
		}
	}
	return unpacked(readAll(b, MaxFile))
}

// maxBegin is within how many bytes a report begins, whatever blanks are in front of it.
const maxBegin = 4 << 10

// readAll reads up to most bytes; more are fault.TooLarge.
func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "the report can't be unpacked")
	case int64(len(b)) > most:
		return nil, fault.New(fault.TooLarge, "a report has at most %d bytes", most)
	}
	return b, nil
}
