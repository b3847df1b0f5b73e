package message

import (
	"strings"
	"time"
)

// ParseDate reads the value of a Date field, and reports whether it found at least a day, a month and a year.
//
// It takes RFC 5322 section 3.3 with the obsolete syntax of section 4.3 and what else is sent: names in any case and
// length, days and months swapped, dashes between them, C's asctime, ISO 8601, missing seconds, times and zones (UTC is
// taken then). The result keeps the zone that was given.
func ParseDate(v string) (time.Time, bool) {
	v = Unfold(v)
	d := dateParser{day: -1, month: -1, year: -1}
	if d.usual(v) {
		return d.time()
	}
	return parseAnyDate(v)
}

// parseAnyDate is ParseDate for what is unfolded, word by word.
func parseAnyDate(v string) (time.Time, bool) {
	d := dateParser{day: -1, month: -1, year: -1}
	l := fieldLexer{s: v}
	for range maxDateWords {
		w := l.dateWord()
		if w == "" {
			break
		}
		d.word(w)
	}
	return d.time()
}

// usual reads what nearly all messages have, "Thu, 15 Feb 2007 01:02:03 +0200" with one or two digits for the day, and reports whether it was that.
func (d *dateParser) usual(v string) bool {
	const day, rest = len("Thu, "), " Feb 2007 01:02:03 +0200"
	n := len(v) - len(rest) - day
	if n != 1 && n != 2 || v[3] != ',' || v[4] != ' ' || nameIn("montuewedthufrisatsun", v[:3]) == 0 {
		return false
	}
	first, digits := leadingNumber(v[day:])
	v = v[day+n:]
	d.month = nameIn(months, v[1:4])
	if digits != n || first < 1 || first > 31 || d.month == 0 || v[0] != ' ' || v[4] != ' ' || v[9] != ' ' || v[18] != ' ' {
		return false
	}
	d.day = first
	if d.year, digits = leadingNumber(v[5:9]); digits != 4 {
		return false
	}
	if _, digits = leadingNumber(v[20:]); digits != 4 || v[12] != ':' || v[15] != ':' {
		return false
	}
	d.clock(v[10:18])
	return d.hasTime && d.offset(v[19:])
}

// nameIn is the number, from 1 on, of a name of three letters, in any case, among names one after the other; 0: it is none of them.
func nameIn(names, name string) int {
	for i := 0; i+3 <= len(names); i += 3 {
		if name[0]|0x20 == names[i] && name[1]|0x20 == names[i+1] && name[2]|0x20 == names[i+2] {
			return i/3 + 1
		}
	}
	return 0
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

const maxDateWords = 32

// dateWord returns the next run of octets that are neither blanks, commas nor comments. In the obsolete syntax these may
// stand around the colons of a time, RFC 5322 section 4.3.
func (l *fieldLexer) dateWord() string {
	for l.next(',') {
	}
	w := l.dateRun()
	for range 4 {
		l.skip()
		if l.pos == len(l.s) || w == "" || l.s[l.pos] != ':' && w[len(w)-1] != ':' {
			break
		}
		w += l.dateRun()
	}
	return w
}

func (l *fieldLexer) dateRun() string {
	l.skip()
	start := l.pos
	for l.pos < len(l.s) && !isWSP(l.s[l.pos]) && l.s[l.pos] != ',' && l.s[l.pos] != '(' {
		l.pos++
	}
	return l.s[start:l.pos]
}

// A dateParser collects what the words say. Numbers that are not known yet are -1.
type dateParser struct {
	day, month, year   int
	hour, minute, sec  int
	zone               *time.Location
	hasTime, afternoon bool
	noon               bool // AM or PM was said
}

func (d *dateParser) word(w string) {
	switch c := w[0]; {
	case (c == '+' || c == '-') && d.hasTime && d.offset(w):
	case strings.IndexByte(w, ':') > 0:
		d.clock(w)
	case strings.IndexByte(w, '-') > 0 || strings.IndexByte(w, '/') > 0 || strings.Count(w, ".") == 2:
		d.dashed(w)
	case c >= '0' && c <= '9':
		d.number(w)
	default:
		d.name(w)
	}
}

// number takes a day or a year, whichever it can be.
func (d *dateParser) number(w string) {
	n, digits := leadingNumber(w)
	switch {
	case digits == 0 || digits > 4:
	case digits <= 2 && d.day < 0 && n >= 1 && n <= 31:
		d.day = n
	case d.year < 0:
		d.year = fullYear(n, digits)
	}
}

// fullYear completes a short year. RFC 5322 section 4.3.
func fullYear(n, digits int) int {
	switch {
	case digits == 3, digits == 2 && n >= 50:
		return n + 1900
	case digits <= 2:
		return n + 2000
	}
	return n
}

func leadingNumber(w string) (n, digits int) {
	for digits < len(w) && w[digits] >= '0' && w[digits] <= '9' {
		if digits < 9 {
			n = n*10 + int(w[digits]-'0')
		}
		digits++
	}
	return n, digits
}

// clock reads 12:34, 12:34:56, 12:34:56.789, each perhaps with a zone directly behind it; and ISO 8601's date T time.
func (d *dateParser) clock(w string) {
	if t := strings.IndexAny(w, "Tt"); t > 0 && strings.IndexByte(w[:t], '-') > 0 {
		d.dashed(w[:t])
		w = w[t+1:]
	}
	if d.hasTime {
		return
	}
	var f [3]int
	for i := range f {
		n, digits := leadingNumber(w)
		if digits == 0 || digits > 2 {
			return
		}
		f[i], w = n, w[digits:]
		if w == "" || w[0] != ':' || i == 2 {
			break
		}
		w = w[1:]
	}
	if f[0] > 24 || f[1] > 59 || f[2] > 60 {
		return
	}
	d.hour, d.minute, d.sec, d.hasTime = f[0], f[1], f[2], true
	if w != "" && w[0] == '.' {
		w = strings.TrimLeft(w[1:], "0123456789")
	}
	if w != "" && !d.offset(w) {
		d.name(w)
	}
}

// dashed reads 24-Mar-2007, 2007-03-24, 24/03/2007, 24.03.2007 and Fri-24-Mar-2007.
func (d *dateParser) dashed(w string) {
	fields := strings.FieldsFunc(w, func(r rune) bool { return r == '-' || r == '/' || r == '.' })
	for i, f := range fields[:min(len(fields), 4)] {
		n, digits := leadingNumber(f)
		switch {
		case digits == 0:
			d.name(f)
		case digits == 4 && d.year < 0:
			d.year = n
		case i == 1 && d.month < 0 && digits <= 2 && n >= 1 && n <= 12:
			d.month = n
		default:
			d.number(f)
		}
	}
}

// name takes a month, a zone or AM and PM. Names of days tell nothing.
func (d *dateParser) name(w string) {
	w = strings.ToLower(strings.Trim(w, ".;"))
	if m := monthNumber(w); m > 0 && d.month < 0 {
		d.month = m
		return
	}
	switch w {
	case "am", "pm":
		d.noon, d.afternoon = true, w == "pm"
		return
	}
	if d.zone != nil || !d.hasTime {
		return
	}
	if rest, ok := strings.CutPrefix(w, "gmt"); ok && d.offset(rest) {
		return
	}
	if rest, ok := strings.CutPrefix(w, "utc"); ok && d.offset(rest) {
		return
	}
	if h, ok := namedZone(w); ok {
		d.zone = fixedZone(h * 60)
	}
}

func monthNumber(w string) int {
	if len(w) < 3 {
		return 0
	}
	return nameIn(months, w[:3])
}

// namedZone returns the hours east of UTC of an obsolete zone. Military letters were defined with the wrong sign and
// mean nothing. RFC 5322 section 4.3.
func namedZone(w string) (int, bool) {
	switch w {
	case "ut", "gmt", "utc", "z":
		return 0, true
	case "edt":
		return -4, true
	case "est", "cdt":
		return -5, true
	case "cst", "mdt":
		return -6, true
	case "mst", "pdt":
		return -7, true
	case "pst":
		return -8, true
	case "bst", "cet", "met", "mez":
		return 1, true
	case "cest", "mest", "eet", "mesz":
		return 2, true
	case "msk":
		return 3, true
	case "jst", "kst":
		return 9, true
	}
	return 0, len(w) == 1
}

// offset reads +0200, -0530, +02:00, +2 or Z.
func (d *dateParser) offset(w string) bool {
	if len(w) < 2 || w[0] != '+' && w[0] != '-' || d.zone != nil {
		return false
	}
	digits := strings.Replace(w[1:], ":", "", 1)
	n, k := leadingNumber(digits[:min(len(digits), 4)])
	switch {
	case k == 0:
		return false
	case k <= 2:
		n *= 100
	}
	minutes := n/100*60 + n%100
	if n%100 > 59 || minutes > 24*60 {
		return false
	}
	if w[0] == '-' {
		minutes = -minutes
	}
	d.zone = fixedZone(minutes)
	return true
}

func fixedZone(minutes int) *time.Location {
	if minutes == 0 {
		return time.UTC
	}
	return time.FixedZone("", minutes*60)
}

func (d *dateParser) time() (time.Time, bool) {
	if d.day < 0 || d.month < 0 || d.year < 0 {
		return time.Time{}, false
	}
	if d.zone == nil {
		d.zone = time.UTC
	}
	if d.noon && d.hour <= 12 {
		d.hour %= 12
		if d.afternoon {
			d.hour += 12
		}
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.sec, 0, d.zone)
	if t.Year() < 0 || t.Year() > 9999 || d.day > daysIn(d.month, d.year) {
		return time.Time{}, false
	}
	return t, true
}

func daysIn(month, year int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// FormatDate writes a time as a Date field has it. RFC 5322 section 3.3.
func FormatDate(t time.Time) string { return t.Format("Mon, 2 Jan 2006 15:04:05 -0700") }
