package sieve

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"
)

// duplicate is "duplicate". RFC 7352.
type duplicate struct {
	header, id, handle *value
	every              time.Duration
	last               bool
}

// How long duplicates are remembered. RFC 7352 §3.3.
const (
	duplicateEvery = 7 * 24 * time.Hour
	duplicateMost  = 90 * 24 * time.Hour
)

var duplicateTags = []tag{
	{name: "header", value: aString, group: "source"}, {name: "uniqueid", value: aString, group: "source"}, {name: "handle", value: aString},
	{name: "seconds", value: aNumber}, {name: "last"},
}

func (c *compiler) duplicate(a *args) test {
	d := &duplicate{header: c.tagText(a, "header"), id: c.tagText(a, "uniqueid"), handle: c.tagText(a, "handle"), every: duplicateEvery, last: a.has("last")}
	if s, ok := a.tagNumber("seconds"); ok {
		d.every = min(time.Duration(min(s, 1<<30))*time.Second, duplicateMost)
	}
	return d
}

func (d *duplicate) eval(m *machine) (bool, error) {
	id, ok := d.unique(m)
	if !ok || d.every == 0 || m.env.World == nil {
		return false, nil
	}
	h := sha256.New()
	if d.handle != nil {
		io.WriteString(h, "handle\x00"+m.text(d.handle)+"\x00")
	}
	io.WriteString(h, "id\x00"+id)
	key := hex.EncodeToString(h.Sum(nil)[:16])
	m.fuel -= 100
	seen, err := m.env.World.Seen(m.ctx, key)
	if err != nil {
		return false, err
	}
	if !seen || d.last {
		if len(m.results.remember) >= maxRemember {
			return false, m.failure(m.frame.unit.start(), "the script looks for too many duplicates")
		}
		m.results.remember = append(m.results.remember, Remembered{key, m.now().Add(d.every), d.last})
	}
	return seen, nil
}

// maxRemember bounds how much a run may add to what is remembered.
const maxRemember = 32

// unique is what tells the message from others.
func (d *duplicate) unique(m *machine) (string, bool) {
	if d.id != nil {
		return m.text(d.id), true
	}
	name := "Message-ID"
	if d.header != nil {
		name = m.text(d.header)
	}
	f := m.head().first(name)
	if f == nil {
		return "", false
	}
	return strings.TrimSpace(f.decoded()), true
}
