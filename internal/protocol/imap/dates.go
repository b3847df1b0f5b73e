package imap

import (
	"strings"
	"time"
)

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// appendDateTime writes a date-time (RFC 9051 §9) in its zone, in quotes.
func appendDateTime(dst []byte, sec int64, zoneMinutes int) []byte {
	t := time.Unix(sec+int64(zoneMinutes)*60, 0).UTC()
	y, m, d := t.Date()
	h, mi, s := t.Clock()
	dst = append(dst, '"')
	dst = append(append2(dst, d), '-')
	dst = append(append(dst, months[3*(m-1):3*m]...), '-')
	dst = append(append2(append2(dst, y/100%100), y%100), ' ')
	dst = append(append2(dst, h), ':')
	dst = append(append2(dst, mi), ':')
	dst = append(append2(dst, s), ' ')
	if zoneMinutes < 0 {
		dst, zoneMinutes = append(dst, '-'), -zoneMinutes
	} else {
		dst = append(dst, '+')
	}
	return append(append2(append2(dst, zoneMinutes/60), zoneMinutes%60), '"')
}

// append2 writes two digits.
func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }

// dateTime consumes a date-time.
func (d *decoder) dateTime() time.Time {
	q := d.quoted()
	if d.err != nil {
		return time.Time{}
	}
	t, ok := parseDateTime(string(q))
	if !ok {
		d.expected("a date and time like \" 7-Feb-1994 21:52:25 -0800\"")
	}
	return t
}

// parseDateTime reads "dd-Mon-yyyy hh:mm:ss +zzzz"; the first digit of the day may be a space.
func parseDateTime(s string) (time.Time, bool) {
	if t, ok := usualDateTime(s); ok {
		return t, true
	}
	return anyDateTime(s)
}

func anyDateTime(s string) (time.Time, bool) {
	t, err := time.Parse("_2-Jan-2006 15:04:05 -0700", s)
	if err != nil || len(s) != 26 || !isDigit(s[12]) || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, false
	}
	_, zone := t.Zone()
	return t.In(time.FixedZone("", zone)), zone%60 == 0
}

// usualDateTime is parseDateTime for what is as it should be: each message of an APPEND may have one.
func usualDateTime(s string) (time.Time, bool) {
	if len(s) != len("01-Jan-2020 08:47:56 +0000") || s[2] != '-' || s[6] != '-' || s[11] != ' ' || s[14] != ':' || s[17] != ':' || s[20] != ' ' {
		return time.Time{}, false
	}
	day, bad := digits(s[0:2], 0)
	century, bad := digits(s[7:9], bad)
	year, bad := digits(s[9:11], bad)
	hour, bad := digits(s[12:14], bad)
	minute, bad := digits(s[15:17], bad)
	second, bad := digits(s[18:20], bad)
	zoneHours, bad := digits(s[22:24], bad)
	zoneMinutes, bad := digits(s[24:26], bad)
	month := strings.Index(months, s[3:6])
	year += 100 * century
	if bad > 9 || month < 0 || month%3 != 0 || year < 1 || hour > 23 || minute > 59 || second > 59 || zoneHours > 14 || zoneMinutes > 59 || s[21] != '+' && s[21] != '-' {
		return time.Time{}, false
	}
	zone := 60 * (60*zoneHours + zoneMinutes)
	if s[21] == '-' {
		zone = -zone
	}
	t := time.Date(year, time.Month(1+month/3), day, hour, minute, second, 0, time.FixedZone("", zone))
	return t, t.Day() == day && t.Year() >= 1 // the 31st of April would be the first of May
}

// digits reads two digits. What bad was, or a larger number if one of them is none, comes back as the second.
func digits(s string, bad byte) (int, byte) {
	return 10*int(s[0]-'0') + int(s[1]-'0'), max(bad, s[0]-'0', s[1]-'0')
}

// date consumes a date, in quotes or not, and returns its first second as if in UTC.
func (d *decoder) date() time.Time {
	var text []byte
	if d.peek() == '"' {
		text = d.quoted()
	} else {
		text = d.atom()
	}
	if d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse("_2-Jan-2006", string(text))
	if err != nil {
		d.expected("a date like 1-Feb-1994")
	}
	return t
}
