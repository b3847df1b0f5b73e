package junk

import (
	"io"
	"slices"
	"strings"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/signs"
	"postroad/internal/service/sender/authres"
)

// mostParsed is up to what size a stored message is parsed again for its signs, in bytes.
const mostParsed = 8 << 20

// see sees what there is in a message. parsed is its structure, if that is known, whose offsets are into body.
func (s *Service) see(m features.Message, parsed *message.Structure, body io.ReaderAt) paper {
	header := headerOf(&m)
	m.Facts = features.FactsOf(header, "")
	p := paper{m: m}
	list := m.Summary.Addresses(summary.From)
	a, ok := list.Next()
	if _, more := list.Next(); ok && !more && a.Group == message.NoGroup {
		p.from = a
	}
	if parsed == nil {
		parsed, body = parse(m.Body, mostParsed), m.Body
	}
	if parsed != nil {
		texts := s.decoded.take(parsed, m.Summary)
		defer s.decoded.give(texts)
		facts := s.signFacts(&p, header)
		facts.Keep, p.m.Decoded = texts.keep, texts.text
		p.signs = signs.Look(parsed, body, facts)
		for _, sign := range p.signs.Signs() {
			p.m.Facts.Signs = append(p.m.Facts.Signs, sign.Kind.String())
		}
	}
	p.set = s.extract.Extract(&p.m)
	p.m.Decoded = nil
	p.author = s.author(&p)
	return p
}

// signFacts are the facts about the sender that decide what is a sign.
func (s *Service) signFacts(p *paper, header []byte) signs.Facts {
	f := &p.m.Facts
	return signs.Facts{Checked: f.SPF != "" || f.DKIM != "" || f.DMARC != "", Proven: f.Proven != "", Vouched: vouched(header), Local: s.o.Local}
}

// vouched are the domains that are proved to have to do with a message, by what our own field says.
func vouched(header []byte) (domains []string) {
	h, err := authres.Parse(ownResults(header))
	if err != nil {
		return nil
	}
	for _, m := range h.Methods {
		if m.Result != authres.Pass || m.Name != "dkim" && m.Name != "spf" {
			continue
		}
		for _, p := range m.Props {
			if d := p.Value[strings.LastIndexByte(p.Value, '@')+1:]; (p.Name == "d" || p.Name == "mailfrom") && !slices.Contains(domains, d) {
				domains = append(domains, strings.ToLower(d))
			}
		}
	}
	return domains
}

// ownResults is our own Authentication-Results field: the first, before any Received. What is behind that came with the message, and if nobody
// has checked it, is the first there is.
func ownResults(header []byte) string {
	ix := message.ParseHeader(string(header))
	for _, f := range ix.Fields {
		switch name := ix.Name(f); {
		case strings.EqualFold(name, "Authentication-Results"):
			return ix.Value(f)
		case strings.EqualFold(name, "Received"):
			return ""
		}
	}
	return ""
}

// parse parses a message of up to most bytes; nil: it is larger, or can't be read.
func parse(body io.ReaderAt, most int64) *message.Structure {
	b, err := io.ReadAll(io.NewSectionReader(body, 0, most+1))
	if err != nil || int64(len(b)) > most {
		return nil
	}
	return message.Parse(b)
}
