package tlsrpt

import (
	"net/url"
	"strings"
)

// RecordName goes in front of a domain to make the name of its record (RFC 8460 §3).
const RecordName = "_smtp._tls."

// Limits of ParseRecord.
const (
	maxRecord = 4096
	// MaxURIs is how many addresses for reports are kept: the first ones.
	MaxURIs = 10
)

const version = "v=TLSRPTv1"

// Record says who wants reports (RFC 8460 §3).
type Record struct {
	// RUA are the addresses: mailto and https URIs. Not none.
	RUA []string
}

// ParseRecord reads the text records at RecordName and the domain. Texts that aren't TLSRPT records don't count; ok is false
// unless exactly one is left (§3) and it has an address of a scheme that we know.
func ParseRecord(texts []string) (r Record, ok bool) {
	var found []string
	for _, t := range texts {
		if rest, ok := strings.CutPrefix(t, version); ok && len(t) <= maxRecord {
			if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] == ';' {
				found = append(found, rest[1:])
			}
		}
	}
	if len(found) != 1 {
		return r, false
	}
	for field := range strings.SplitSeq(found[0], ";") {
		name, value, _ := strings.Cut(strings.Trim(field, " \t"), "=")
		if name == "rua" && r.RUA == nil {
			r.RUA = uris(value)
		}
	}
	return r, len(r.RUA) > 0
}

// uris keeps those that reports can go to.
func uris(list string) (all []string) {
	for s := range strings.SplitSeq(list, ",") {
		s = strings.Trim(s, " \t")
		u, err := url.Parse(s)
		if err != nil || strings.ContainsAny(s, "! ") || len(all) == MaxURIs {
			continue
		}
		if u.Scheme == "mailto" && strings.Contains(u.Opaque, "@") || u.Scheme == "https" && u.Host != "" {
			all = append(all, s)
		}
	}
	return all
}
