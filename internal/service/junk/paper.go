package junk

import (
	"io"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/signs"
)

// mostParsed is up to what size a stored message is parsed again for its signs, in bytes.
const mostParsed = 8 << 20

// see sees what there is in a message.
func (s *Service) see(m features.Message) paper {
	p := paper{m: m}
	s.study(&p, nil)
	return p
}

// study makes out what there is in p.m. parsed is its structure, if that is known, whose offsets are into its Body.
func (s *Service) study(p *paper, parsed *message.Structure) {
	m := &p.m
	r := s.extract.Read(m)
	defer r.Close()
	m.Facts = r.Facts(m)
	list := m.Summary.Addresses(summary.From)
	a, ok := list.Next()
	if _, more := list.Next(); ok && !more && a.Group == message.NoGroup {
		p.from = a
	}
	if parsed == nil {
		parsed = parse(m.Body, mostParsed)
	}
	if parsed != nil {
		texts := s.decoded.take()
		defer s.decoded.give(texts)
		facts := s.signFacts(p)
		facts.Keep, m.Decoded = texts.keepIt, texts.textAt
		p.signs = signs.Look(parsed, m.Body, facts)
		for _, sign := range p.signs.Signs() {
			m.Facts.Signs = append(m.Facts.Signs, sign.Kind.String())
		}
	}
	p.set = r.Extract(m)
	m.Decoded = nil
	p.author = s.author(p)
}

// signFacts are the facts about the sender that decide what is a sign.
func (s *Service) signFacts(p *paper) signs.Facts {
	f := &p.m.Facts
	return signs.Facts{Checked: f.SPF != "" || f.DKIM != "" || f.DMARC != "", Proven: f.Proven != "", Vouched: f.Vouched, Local: s.o.Local}
}

// parse parses a message of up to most bytes; nil: it is larger, or can't be read.
func parse(body io.ReaderAt, most int64) *message.Structure {
	b, err := io.ReadAll(io.NewSectionReader(body, 0, most+1))
	if err != nil || int64(len(b)) > most {
		return nil
	}
	return message.Parse(b)
}
