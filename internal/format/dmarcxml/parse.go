package dmarcxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
)

// maxDepth is how deep elements may lie in one another: 5 are needed, extensions may have some more.
const maxDepth = 30

// Parse reads a report's file. Elements that aren't known are passed over, records that make no sense too. Errors: fault.Invalid,
// fault.TooLarge.
func Parse(b []byte) (*Report, error) {
	if len(b) > MaxBytes {
		return nil, fault.New(fault.TooLarge, "a DMARC report has at most %d bytes", MaxBytes)
	}
	p := parser{r: &Report{}}
	if err := p.shallow(b); err != nil {
		return nil, err
	}
	p.d = decoder(b)
	if err := p.feedback(); err != nil {
		return nil, err
	}
	r := p.r
	if r.ID == "" || r.Policy.Domain == "" || r.Begin.IsZero() || r.End.Before(r.Begin) || len(r.Records) == 0 {
		return nil, fault.New(fault.Invalid, "the DMARC report lacks its identifier, its domain, its time or its records")
	}
	return r, nil
}

// decoder reads XML, which never expands entities of its own, so that small files stay small.
func decoder(b []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(name string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(name) {
		case "us-ascii", "ascii", "utf8":
			return in, nil
		case "iso-8859-1", "latin1", "windows-1252":
			return &latin1{in: in}, nil
		}
		return nil, errors.New("unknown character set")
	}
	return d
}

// latin1 reads ISO 8859-1 as UTF-8.
type latin1 struct {
	in   io.Reader
	left []byte
}

func (l *latin1) Read(p []byte) (int, error) {
	if len(l.left) == 0 {
		var raw [512]byte
		n, err := l.in.Read(raw[:])
		if n == 0 {
			return 0, err
		}
		for _, c := range raw[:n] {
			l.left = append(l.left, string(rune(c))...)
		}
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}

type parser struct {
	d *xml.Decoder
	r *Report
}

// shallow refuses what is too deep before anything is built of it.
func (p *parser) shallow(b []byte) error {
	d := decoder(b)
	for depth := 0; ; {
		t, err := d.RawToken()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unreadable(err)
		}
		switch t.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
		if depth > maxDepth {
			return fault.New(fault.TooLarge, "a DMARC report has at most %d elements inside one another", maxDepth)
		}
	}
}

func unreadable(err error) error {
	return fault.Wrap(fault.Invalid, err, "the DMARC report can't be read")
}

// feedback reads the document.
func (p *parser) feedback() error {
	root, err := p.next()
	if err != nil {
		return unreadable(err)
	}
	if root == nil || root.Name.Local != "feedback" {
		return fault.New(fault.Invalid, "not a DMARC report")
	}
	for {
		e, err := p.next()
		if err != nil {
			return unreadable(err)
		}
		if e == nil {
			return nil
		}
		if err := p.element(e); err != nil {
			return err
		}
	}
}

// next is the next element inside the current one; nil at its end.
func (p *parser) next() (*xml.StartElement, error) {
	for {
		t, err := p.d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		}
	}
}

func (p *parser) element(e *xml.StartElement) error {
	switch e.Name.Local {
	case "report_metadata":
		var w wireMetadata
		if err := p.d.DecodeElement(&w, e); err != nil {
			return unreadable(err)
		}
		return p.metadata(&w)
	case "policy_published":
		var w wirePolicy
		if err := p.d.DecodeElement(&w, e); err != nil {
			return unreadable(err)
		}
		p.r.Policy = w.policy()
	case "record":
		return p.record(e)
	default:
		if err := p.d.Skip(); err != nil {
			return unreadable(err)
		}
	}
	return nil
}

func (p *parser) record(e *xml.StartElement) error {
	if len(p.r.Records) == MaxRecords {
		return fault.New(fault.TooLarge, "a DMARC report has at most %d records", MaxRecords)
	}
	var w wireRecord
	if err := p.d.DecodeElement(&w, e); err != nil {
		return unreadable(err)
	}
	if r, ok := w.record(); ok {
		p.r.Records = append(p.r.Records, r)
	}
	return nil
}

func (p *parser) metadata(w *wireMetadata) error {
	r := p.r
	begin, err := unix(w.Range.Begin)
	end, err2 := unix(w.Range.End)
	if err := errors.Join(err, err2); err != nil {
		return unreadable(err)
	}
	r.Organization, r.Email, r.ExtraContact, r.ID = cut(w.Organization), cut(w.Email), cut(w.Extra), cut(w.ID)
	r.Begin, r.End, r.Generator, r.Errors = begin, end, cut(w.Generator), nil
	for _, e := range w.Errors[:min(len(w.Errors), maxErrors)] {
		if e = cut(e); e != "" {
			r.Errors = append(r.Errors, e)
		}
	}
	return nil
}

// unix reads a time in seconds; some write fractions.
func unix(s string) (time.Time, error) {
	s, _, _ = strings.Cut(strings.TrimSpace(s), ".")
	n, err := strconv.ParseInt(s, 10, 40)
	return time.Unix(n, 0).UTC(), err
}
