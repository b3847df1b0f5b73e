package sieve

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"postroad/internal/format/message"
)

// dateTest is "date" or "currentdate". RFC 5260 §4, §5.
type dateTest struct {
	from *source // nil: the current date
	name string
	part datePart
	keep bool // the zone that was written
	zone *value
	keys *matcher
}

// datePart makes a string of a time.
type datePart func(t time.Time) string

var dateParts = map[string]datePart{
	"year":    func(t time.Time) string { return fmt.Sprintf("%04d", t.Year()) },
	"month":   func(t time.Time) string { return t.Format("01") },
	"day":     func(t time.Time) string { return t.Format("02") },
	"date":    func(t time.Time) string { return t.Format("2006-01-02") },
	"julian":  julian,
	"hour":    func(t time.Time) string { return t.Format("15") },
	"minute":  func(t time.Time) string { return t.Format("04") },
	"second":  func(t time.Time) string { return t.Format("05") },
	"time":    func(t time.Time) string { return t.Format("15:04:05") },
	"iso8601": iso8601,
	"std11":   message.FormatDate,
	"zone":    func(t time.Time) string { return t.Format("-0700") },
	"weekday": func(t time.Time) string { return strconv.Itoa(int(t.Weekday())) },
}

// julian is the Modified Julian Day of the date in its zone.
func julian(t time.Time) string {
	_, offset := t.Zone()
	days := floorDiv(t.Unix()+int64(offset), 86400)
	return strconv.FormatInt(days+40587, 10)
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// iso8601 is RFC 3339's form, with Z for no offset.
func iso8601(t time.Time) string { return t.Format("2006-01-02T15:04:05Z07:00") }

var dateTags = []tag{{name: "zone", value: aString, group: "zone"}, {name: "originalzone", group: "zone"}}

func (c *compiler) dateTest(a *args) test {
	name := c.argText(a, 0)
	t := &dateTest{from: c.source(a, []value{name}), keep: a.has("originalzone")}
	return c.finishDate(a, t, 1)
}

func (c *compiler) currentDate(a *args) test { return c.finishDate(a, &dateTest{}, 0) }

func (c *compiler) finishDate(a *args, t *dateTest, at int) test {
	part := c.argText(a, at)
	if !c.constant(&part, "the part of a date") {
		return nil
	}
	t.name = lowerASCII(part.lit)
	if t.part = dateParts[t.name]; t.part == nil {
		c.fail(part.pos, "'%s' is no part of a date", cut(oneLine(part.lit), 32))
		return nil
	}
	if t.zone = c.tagText(a, "zone"); t.zone != nil && t.zone.constant() {
		if _, ok := parseZone(t.zone.lit); !ok {
			c.fail(t.zone.pos, "'%s' is no time zone: it must look like \"+0100\"", cut(oneLine(t.zone.lit), 32))
		}
	}
	if t.keys = c.matcher(a, c.argList(a, at+1)); t.keys == nil {
		return nil
	}
	return t
}

// parseZone reads an offset. RFC 5260 §4.1.
func parseZone(s string) (*time.Location, bool) {
	if len(s) != 5 || s[0] != '+' && s[0] != '-' || strings.Trim(s[1:], "0123456789") != "" {
		return nil, false
	}
	h, _ := strconv.Atoi(s[1:3])
	min, _ := strconv.Atoi(s[3:])
	offset := h*3600 + min*60
	if h > 23 || min > 59 {
		return nil, false
	}
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), true
}

func (t *dateTest) eval(m *machine) (bool, error) {
	when, ok, err := t.when(m)
	if err != nil {
		return false, err
	}
	if t.keys.kind == matchCount {
		n := 0
		if ok {
			n = 1
		}
		return m.count(t.keys, n)
	}
	if !ok {
		return false, nil
	}
	return m.matches(t.keys, m.shown(t, when))
}

// shownDate is a part of a time, in a zone.
type shownDate struct {
	part   string
	unix   int64
	offset int
}

// shown is the part that a test wants, made once.
func (m *machine) shown(t *dateTest, when time.Time) string {
	_, offset := when.Zone()
	d := shownDate{t.name, when.Unix(), offset}
	s, ok := m.dates[d]
	if !ok {
		if m.dates == nil {
			m.dates = map[shownDate]string{}
		}
		s = t.part(when)
		m.dates[d] = s
	}
	return s
}

// when is the time that is tested, in its zone.
func (t *dateTest) when(m *machine) (when time.Time, ok bool, err error) {
	when, ok = m.now(), true
	if t.from != nil {
		ok = false
		_, err = m.walk(t.from, func(f *field) (bool, error) {
			when, ok = f.when()
			return true, nil // RFC 5260 §4: only the first field counts
		})
	}
	if err != nil || !ok {
		return when, false, err
	}
	switch {
	case t.keep:
	case t.zone != nil:
		loc, good := parseZone(m.text(t.zone))
		if !good {
			return when, false, m.failure(t.zone.pos, "'%s' is no time zone", cut(oneLine(m.text(t.zone)), 32))
		}
		when = when.In(loc)
	default:
		when = when.In(m.now().Location())
	}
	return when, true, nil
}

// lastDate reads a date that is the whole field, or stands behind its last semicolon.
func lastDate(v string) (time.Time, bool) {
	if i := strings.LastIndexByte(v, ';'); i >= 0 {
		v = v[i+1:]
	}
	return message.ParseDate(strings.TrimSpace(v))
}
