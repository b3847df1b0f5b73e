package setup

import (
	"io"
	"strings"
)

// zoneTTL is what each record holds for, in seconds: mistakes are mended within the hour. There is no $TTL, which would
// change what comes after the place where this is pasted.
const zoneTTL = "3600"

// WriteZone writes records as a part of the domain's master file (RFC 1035 §5), ready to be pasted into it or included.
// What is optional, or belongs into another zone, is there as a comment.
func WriteZone(w io.Writer, domain string, records []Record) error {
	var b strings.Builder
	b.WriteString("; Records of " + comment(domain) + " for its mail.\n")
	for i := range records {
		writeEntry(&b, &records[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeEntry writes one record below its reason.
func writeEntry(b *strings.Builder, r *Record) {
	b.WriteString("\n; " + comment(r.Why) + "\n")
	switch {
	case r.Elsewhere:
		b.WriteString("; Not in this zone:\n")
	case r.Need == Optional:
		b.WriteString("; Optional:\n")
	}
	lines := entry(r)
	for _, l := range lines {
		if r.Elsewhere || r.Need == Optional {
			b.WriteString("; ")
		}
		b.WriteString(l + "\n")
	}
}

// entry is a record as lines of a master file: a long text has a line for each string, in parentheses.
func entry(r *Record) []string {
	head := r.Name + " " + zoneTTL + " IN " + r.Type + " "
	if r.Type != "TXT" || len(r.Strings) < 2 {
		return []string{head + r.spell()}
	}
	lines := []string{head + "("}
	for _, s := range r.Strings {
		lines = append(lines, "    "+quote(s))
	}
	lines[len(lines)-1] += " )"
	return lines
}

// comment keeps a text on its line.
func comment(s string) string { return clean(s, len(s)) }
