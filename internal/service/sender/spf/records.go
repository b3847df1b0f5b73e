package spf

import "postroad/internal/service/sender/memory"

// What is remembered: records of so many octets and terms at most each, which are some 3 KB.
const (
	maxRemembered  = 512
	maxTermsOfMost = 20
)

// Records remembers what records say. The zero value is ready; a nil one remembers nothing. It is safe for concurrent use.
type Records struct{ texts memory.Texts[record] }

// parse is parse.
func (c *Records) parse(txt string) (*record, error) {
	if c == nil || len(txt) > maxRemembered {
		return parse(txt)
	}
	if rec := c.texts.Get(txt); rec != nil {
		return rec, nil
	}
	rec, err := parse(txt)
	if err == nil && len(rec.terms) <= maxTermsOfMost {
		c.texts.Put(txt, rec)
	}
	return rec, err
}
