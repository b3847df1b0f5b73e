package mailbox

import (
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/fulltext"
)

// texts checks what can be searched: each content is in one segment or in the tail, and its text is there.
func (c *checker) texts() error {
	m, _, ok, err := readManifest(c.r)
	if err != nil {
		c.say("%v", err)
		return nil
	}
	if !ok {
		return nil // to be made anew
	}
	seen := map[ContentID]int{}
	for _, s := range m.segments {
		docs, err := readDocs(c.r, s)
		if err != nil {
			c.say("segment %d of the text index: %v", s.id, err)
		}
		for _, id := range docs {
			seen[id]++
		}
		if err := c.guides(s); err != nil {
			c.say("segment %d of the text index: %v", s.id, err)
		}
		for i := range s.chunks {
			for _, kind := range [...]byte{segmentTerms, segmentPostings} {
				if _, err := getPart(c.r, s, kind, i); err != nil {
					c.say("segment %d of the text index: %v", s.id, err)
				}
			}
		}
	}
	if err := c.strangeSegments(slices.Concat(m.making, m.segments)); err != nil {
		return err
	}
	tail, err := tailOf(c.r, 0, 1<<31-1)
	if err != nil {
		return err
	}
	for _, entry := range tail {
		if entry.id < m.floor {
			c.say("content %d is not in the text index, which says that all before %d are", entry.id, m.floor)
		}
		seen[entry.id]++
	}
	for id := range c.contents {
		if seen[id] != 1 {
			c.say("content %d is %d times in the text index", id, seen[id])
		}
	}
	return c.textRecords()
}

// guides checks that a segment's guides are about all of its chunks, and have their endings.
func (c *checker) guides(s segment) error {
	chunks, endings := 0, 0
	for i := range s.guides {
		v, err := getPart(c.r, s, segmentGuide, i)
		if err != nil {
			return err
		}
		g, ok := fulltext.OpenGuide(v)
		if !ok || !g.Sound() {
			return damagedGuide()
		}
		chunks += g.Chunks()
		for range g.Endings() {
			v, err := getPart(c.r, s, segmentEndings, endings)
			if err != nil {
				return err
			}
			if !g.SoundEndings(v) {
				return fault.New(fault.Corrupt, "endings of a guide of the text index are damaged")
			}
			endings++
		}
	}
	if endings != s.endings {
		return fault.New(fault.Corrupt, "its guides have %d records of endings, it has %d", endings, s.endings)
	}
	if s.guides > 0 && chunks != s.chunks {
		return fault.New(fault.Corrupt, "its guides are about %d chunks, it has %d", chunks, s.chunks)
	}
	return nil
}

// strangeSegments finds parts of segments that are not listed.
func (c *checker) strangeSegments(list []segment) error {
	cur, err := c.r.Cursor([]byte{keySegment}, []byte{keySegment + 1})
	if err != nil {
		return err
	}
	defer cur.Close()
	p, ok, err := cur.Seek([]byte{keySegment})
	for ok && err == nil {
		id := segmentID(read48(p.Key[1:]))
		if !slices.ContainsFunc(list, func(s segment) bool { return s.id == id }) {
			c.say("a part of segment %d of the text index belongs to nothing", id)
		}
		p, ok, err = cur.Seek(key48(keySegment, uint64(id)+1))
	}
	return err
}

func (c *checker) textRecords() error {
	have := map[ContentID]int{}
	places := map[ContentID]textPlace{}
	for p, err := range c.r.Scan(all(keyText)) {
		if err != nil {
			return err
		}
		id := ContentID(read48(p.Key[1:]))
		at, there, err := decodePlaceOfText(p.Value)
		switch {
		case there:
			places[id] = at
		case err == nil:
			_, err = appendChunk(nil, p.Value)
		}
		if err != nil {
			c.say("content %d: %v", id, err)
		}
		if have[id]++; c.contents[id] == 0 {
			if _, staged, err := c.r.Get(stagedKey(id)); err != nil || !staged {
				c.say("text of content %d belongs to nothing (%v)", id, err)
			}
		}
	}
	for p, err := range c.r.Scan(all(keyContent)) {
		if err != nil {
			return err
		}
		id := ContentID(read48(p.Key[1:]))
		rec, err := decodeContent(p.Value)
		if err != nil || c.contents[id] == 0 {
			continue // checkContents tells
		}
		if rec.texts != have[id] {
			c.say("content %d says it has %d records of text, there are %d", id, rec.texts, have[id])
		} else if at := places[id]; at.off+at.n > rec.size {
			c.say("the text of content %d would lie outside of it", id)
		}
	}
	return nil
}
