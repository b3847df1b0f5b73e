package dkim

import "postroad/internal/service/sender/memory"

// Keys remembers what keys say, of which each is of 1 to 8 KB with its record: reading one costs half as much as verifying a signature. The zero value
// is ready; a nil one remembers nothing. It is safe for concurrent use.
type Keys struct{ texts memory.Texts[Key] }

// parse is ParseKey.
func (c *Keys) parse(record string) (*Key, error) {
	if c == nil {
		return ParseKey(record)
	}
	if k := c.texts.Get(record); k != nil {
		return k, nil
	}
	k, err := ParseKey(record)
	if err != nil {
		return nil, err
	}
	c.texts.Put(record, k)
	return k, nil
}
