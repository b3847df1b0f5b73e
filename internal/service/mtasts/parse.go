package mtasts

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

const version = "STSv1"

// ParseRecord finds the policy's identifier in the text records at _mta-sts.<domain>. Records
// that aren't about MTA-STS are passed over; of the others there must be exactly one, and it must
// be well-formed (RFC 8461 §3.1). It fails with fault.NotFound if there is none and fault.Invalid otherwise.
func ParseRecord(texts []string) (id string, err error) {
	found := 0
	for _, t := range texts {
		fields, ok := strings.CutPrefix(t, "v="+version)
		fields = trim(fields)
		if !ok || !strings.HasPrefix(fields, ";") {
			continue
		}
		if found++; found > 1 {
			return "", fault.New(fault.Invalid, "MTA-STS: several records")
		}
		if id, err = parseFields(fields[1:]); err != nil {
			return "", err
		}
	}
	if found == 0 {
		return "", fault.New(fault.NotFound, "MTA-STS: no record")
	}
	return id, nil
}

// parseFields reads sts-fields; only the last may be empty.
func parseFields(s string) (id string, err error) {
	for s != "" {
		var field string
		var more bool
		field, s, more = strings.Cut(s, ";")
		field = trim(field)
		if field == "" && !more {
			break
		}
		name, value, ok := strings.Cut(field, "=")
		switch {
		case !ok || !isName(name) || !isExtension(value):
			return "", fault.New(fault.Invalid, "MTA-STS: malformed record")
		case name != "id":
		case id != "" || !isID(value):
			return "", fault.New(fault.Invalid, "MTA-STS: malformed id")
		default:
			id = value
		}
	}
	if id == "" {
		return "", fault.New(fault.Invalid, "MTA-STS: a record without id")
	}
	return id, nil
}

func trim(s string) string { return strings.Trim(s, " \t") }

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// isName is sts-ext-name and sts-policy-ext-name: 1 to 32 characters.
func isName(s string) bool {
	if s == "" || len(s) > 32 || !alnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alnum(c) && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isExtension is sts-ext-value.
func isExtension(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == ';' || c == '=' {
			return false
		}
	}
	return s != ""
}

// isID is 1*32(ALPHA / DIGIT).
func isID(s string) bool {
	for i := range len(s) {
		if !alnum(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// ParsePolicy reads a policy file (RFC 8461 §3.2). What breaks the grammar or a limit is fault.Invalid.
//
// Fields that are unknown are passed over. Of one that must not be repeated, the first counts.
// Deviation: empty lines are let pass, since editors leave them and nothing depends on them.
func ParsePolicy(file []byte) (Policy, error) {
	if len(file) > MaxBytes || !utf8.Valid(file) {
		return Policy{}, fault.New(fault.Invalid, "MTA-STS: the policy is too long or no text")
	}
	r := reader{seen: map[string]bool{}}
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line = strings.TrimRight(line, " \t"); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if value = trim(value); !ok || !isName(name) || !isText(value) || !r.field(name, value) {
			return Policy{}, fault.New(fault.Invalid, "MTA-STS: the policy has a malformed line")
		}
	}
	for _, name := range []string{"version", "mode", "max_age"} {
		if !r.seen[name] {
			return Policy{}, fault.New(fault.Invalid, "MTA-STS: the policy has no %s", name)
		}
	}
	if r.p.Mode != None && len(r.p.MX) == 0 {
		return Policy{}, fault.New(fault.Invalid, "MTA-STS: the policy names no host")
	}
	return r.p, nil
}

// reader gathers a policy's fields.
type reader struct {
	p    Policy
	seen map[string]bool
}

// field takes in one field. It returns false if its value can't be.
func (r *reader) field(name, value string) bool {
	if name == "mx" {
		return r.mx(value)
	}
	if r.seen[name] {
		return true // the first counts
	}
	switch name {
	case "version":
		r.seen[name] = true
		return value == version
	case "mode":
		r.seen[name] = true
		return r.mode(value)
	case "max_age":
		r.seen[name] = true
		return r.maxAge(value)
	}
	return true
}

// mx is ["*."] Domain.
func (r *reader) mx(value string) bool {
	host := strings.ToLower(value)
	name, err := dns.ASCII(strings.TrimPrefix(host, "*."))
	if err != nil || name != strings.TrimPrefix(host, "*.") || len(r.p.MX) == MaxHosts {
		return false
	}
	r.p.MX = append(r.p.MX, host)
	return true
}

func (r *reader) mode(value string) bool {
	for _, m := range []Mode{None, Testing, Enforce} {
		if m.String() == value {
			r.p.Mode = m
			return true
		}
	}
	return false
}

// maxAge is 1*10(DIGIT), in seconds.
func (r *reader) maxAge(value string) bool {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || len(value) > 10 {
		return false
	}
	r.p.MaxAge = min(time.Duration(n)*time.Second, MaxAge)
	return true
}

// isText is sts-policy-ext-value, which all other values are too: no control characters.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7F {
			return false
		}
	}
	return s != ""
}
