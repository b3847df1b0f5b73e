package sieve

import (
	"strings"
	"unicode/utf8"
)

// parseMailbox reads one address, with or without a name, and returns it without. RFC 5228 §2.4.2.3.
func parseMailbox(s string) (string, bool) {
	list, ok := parseMailboxes(s)
	if !ok || len(list) != 1 {
		return "", false
	}
	return list[0], true
}

// maxMailboxes bounds the length of a list of addresses.
const maxMailboxes = 4000

// parseMailboxes reads a list of addresses: RFC 5322 §3.4 without groups, comments and routes, and with dots anywhere in local parts,
// which some have in their addresses.
func parseMailboxes(s string) ([]string, bool) {
	if len(s) > maxMailboxes || !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00") {
		return nil, false
	}
	var out []string
	for {
		one, rest, more := cutOutside(s, ',')
		addr, ok := mailbox(strings.Trim(one, " \t"))
		if !ok {
			return nil, false
		}
		out = append(out, addr)
		if !more {
			return out, true
		}
		s = rest
	}
}

// cutOutside cuts a text at a character that is in no quoted string.
func cutOutside(s string, at byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// mailbox = name-addr / addr-spec
func mailbox(s string) (string, bool) {
	phrase, rest, angle := cutOutside(s, '<')
	if !angle {
		return addrSpec(s)
	}
	inner, behind, closed := cutOutside(rest, '>')
	if !closed || strings.TrimSpace(behind) != "" || !isPhrase(strings.TrimSpace(phrase)) {
		return "", false
	}
	return addrSpec(inner)
}

// isPhrase reports whether a text can be a name: words and quoted strings.
func isPhrase(s string) bool {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte("<>@,;:\\[]()", s[i]) >= 0, s[i] < ' ' && s[i] != '\t':
			return false
		}
	}
	return !quoted
}

// addrSpec = local-part "@" domain. Blanks around them are left out.
func addrSpec(s string) (string, bool) {
	local, host, ok := cutOutside(s, '@')
	local, host = strings.Trim(local, " \t"), strings.Trim(host, " \t")
	if !ok || len(local) > 128 || len(host) > 255 || !isLocal(local) || !isHost(host) {
		return "", false
	}
	if local[0] == '"' { // quotes that nothing needs are left out
		if plain := unquote(local); isLocal(plain) && plain[0] != '"' && !strings.ContainsAny(plain, "\\\"") {
			local = plain
		}
	}
	return local + "@" + host, true
}

// isLocal checks a local part: atoms and dots, or a quoted string.
func isLocal(s string) bool {
	if len(s) >= 2 && s[0] == '"' {
		_, rest, closed := cutOutside(s, '@')
		return !closed && rest == "" && s[len(s)-1] == '"' && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 127 }) < 0
	}
	bad := func(r rune) bool { return r <= ' ' || r == 127 || strings.ContainsRune("<>@,;:\\[]()\"", r) }
	return s != "" && strings.IndexFunc(s, bad) < 0
}

// isHost checks a domain or a domain literal.
func isHost(s string) bool {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return strings.IndexFunc(s[1:len(s)-1], func(r rune) bool { return r <= ' ' || r >= 127 || strings.ContainsRune("[]\\", r) }) < 0
	}
	for label := range strings.SplitSeq(s, ".") {
		bad := func(r rune) bool {
			return r < 0x80 && r != '-' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
		}
		if label == "" || len(label) > 63 || strings.IndexFunc(label, bad) >= 0 {
			return false
		}
	}
	return true
}
