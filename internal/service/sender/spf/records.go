package spf

import "sync"

// What is remembered: so many records, of so many octets and terms at most each, which are some 3 KB.
const (
	maxRecords     = 1000
	maxRemembered  = 512
	maxTermsOfMost = 20
)

// Records remembers what records say, by their text: a domain's is asked for with each of its messages. It asks nobody, and knows nothing of whose they
// are. The zero value is ready; a nil one remembers nothing. It is safe for concurrent use.
type Records struct {
	mu     sync.Mutex
	byText map[string]*record // which don't change; guarded by mu
}

// parse is parse.
func (c *Records) parse(txt string) (*record, error) {
	if c == nil || len(txt) > maxRemembered {
		return parse(txt)
	}
	c.mu.Lock()
	rec := c.byText[txt]
	c.mu.Unlock()
	if rec != nil {
		return rec, nil
	}
	rec, err := parse(txt)
	if err != nil || len(rec.terms) > maxTermsOfMost {
		return rec, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byText == nil || len(c.byText) >= maxRecords { // who is asked for all the time is soon back
		c.byText = make(map[string]*record)
	}
	c.byText[txt] = rec
	return rec, nil
}
