package dmarc

import "postroad/internal/service/sender/memory"

// maxRemembered is the longest record that is remembered, in bytes.
const maxRemembered = 512

// Records remembers what records say. The zero value is ready; a nil one remembers nothing. It is safe for concurrent use.
type Records struct{ texts memory.Texts[Record] }

// parse is ParseRecord; nil: it is none. The Record must not be changed.
func (c *Records) parse(txt string) *Record {
	if c != nil {
		if r := c.texts.Get(txt); r != nil {
			return r
		}
	}
	r, ok := ParseRecord(txt)
	if !ok {
		return nil
	}
	if c != nil && len(txt) <= maxRemembered {
		c.texts.Put(txt, &r)
	}
	return &r
}
