package imap

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// A mailbox name, as this package holds it, is a UTF-8 path: folder names with
// "/" between them. Folder names may hold anything, "/" too; what can't
// stand in a path is spelled "=" and two hexadecimal digits, and so is an "=" before two
// such digits. So every folder has a name, and names lead back to folders.

const separator = '/'

// maxPath bounds a mailbox name in bytes.
const maxPath = maxLevels * (mailbox.MaxName + 1)

// maxLevels is how deep names may nest: a folder of somebody else has two names more than its depth.
const maxLevels = mailbox.MaxDepth + 2

// mailboxName consumes a mailbox name and returns it as a path; "INBOX" in any case gives "INBOX".
func (s *session) mailboxName() string {
	path, _ := s.spelledName()
	return path
}

// spelledName is mailboxName, and also returns the name as the client has spelled it if the path has another
// spelling than that, else "".
func (s *session) spelledName() (path, spelled string) {
	name := s.decodeName(s.dec.astring())
	if path = canonical(name); path != name {
		spelled = name
	}
	return path, spelled
}

// canonical gives a path the one spelling that LIST shows. A separator at its end remains.
func canonical(path string) string {
	path = norm.NFC.String(path) // Net-Unicode, RFC 9051 §5.1
	bare := strings.TrimSuffix(path, string(separator))
	names, ok := splitPath(bare)
	if !ok {
		return path
	}
	for i, n := range names {
		names[i] = escapeName(n)
	}
	return strings.Join(names, string(separator)) + path[len(bare):]
}

// decodeName reads a name as it came over the wire: modified UTF-7, or UTF-8 if the client has
// enabled that (RFC 9051 §5.1, RFC 6855 §3).
func (s *session) decodeName(raw []byte) string {
	name, ok := string(raw), true
	if s.utf8 {
		ok = utf8.ValidString(name)
	} else {
		name, ok = decodeUTF7(name)
	}
	switch {
	case s.dec.err != nil:
		return ""
	case !ok:
		s.dec.err = no("CANNOT", "that mailbox name is not validly encoded")
	case len(name) > maxPath:
		s.dec.err = no("LIMIT", "mailbox name too long")
	}
	return foldInbox(name)
}

// foldInbox spells INBOX, which may be in any case, in capitals (RFC 9051 §5.1).
func foldInbox(name string) string {
	if first, _, _ := strings.Cut(name, string(separator)); strings.EqualFold(first, "INBOX") {
		name = "INBOX" + name[len(first):]
	}
	return name
}

// appendName writes a path as the client wants to see it, in quotes.
func (s *session) appendName(dst []byte, path string) []byte {
	if !s.utf8 {
		path = encodeUTF7(path)
	}
	return appendQuoted(dst, path)
}

// escapeName spells a folder's name so that it may stand in a path.
func escapeName(name string) string {
	if strings.IndexFunc(name, mustEscape) < 0 && !strings.Contains(name, "=") {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		switch {
		case mustEscape(r), r == '=' && isHexPair(name[i+1:]):
			for _, c := range []byte(string(r)) {
				b.WriteByte('=')
				b.WriteByte("0123456789ABCDEF"[c>>4])
				b.WriteByte("0123456789ABCDEF"[c&15])
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// mustEscape tells what can't stand in a name: the separator, controls (RFC 5198 §2), and the wildcards, which no
// client could name exactly in LIST.
func mustEscape(r rune) bool {
	return r == separator || r == '*' || r == '%' || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// isHexPair reports whether behind a "=" s would begin with a byte that escapeName writes so. Others, like those
// of "a=20b", stay as they are.
func isHexPair(s string) bool {
	if len(s) < 2 || unhex(s[0]) < 0 || unhex(s[1]) < 0 {
		return false
	}
	c := rune(unhex(s[0])<<4 | unhex(s[1]))
	return c == '=' || c >= utf8.RuneSelf || mustEscape(c)
}

func unhex(c byte) int { return strings.IndexByte("0123456789ABCDEF", c) }

// unescapeName is the reverse of escapeName.
func unescapeName(s string) string {
	if !strings.Contains(s, "=") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && isHexPair(s[i+1:]) {
			b.WriteByte(byte(unhex(s[i+1])<<4 | unhex(s[i+2])))
			i += 2
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// splitPath gives a path's folder names; ok is false if one of them is empty or no text.
func splitPath(path string) (names []string, ok bool) {
	names = strings.Split(path, string(separator))
	for i, n := range names {
		if names[i] = unescapeName(n); n == "" || !utf8.ValidString(names[i]) || strings.IndexFunc(n, unicode.IsControl) >= 0 {
			return nil, false
		}
	}
	return names, len(names) <= maxLevels
}

var (
	errNoMailbox = fault.New(fault.NotFound, "no such mailbox")
	errBadName   = no("CANNOT", "that is not a possible mailbox name")
)

// folder finds the folder of a path.
func (s *session) folder(ctx context.Context, path string) (box, error) {
	at, rest, err := s.walk(ctx, path)
	if err == nil && (len(rest) > 0 || at.ID == 0) {
		err = errNoMailbox
	}
	return at, err
}

// walk goes down a path as far as there are folders: the last one found (its ID is 0 if
// there was none), and the names that are left.
func (s *session) walk(ctx context.Context, path string) (at box, rest []string, err error) {
	names, ok := splitPath(path)
	if !ok {
		return box{}, nil, errBadName
	}
	own, rest := s.mail.Walk(names)
	at, known := box{own, s.mail}, len(names)-len(rest)
	if len(rest) == 0 || known >= 2 || s.srv.principals == nil || !inNamespace(path) {
		return at, rest, nil
	}
	there, behind, found, err := s.walkOther(ctx, path)
	switch {
	case found || err != nil:
		return there, behind, err
	case known == 1:
		// A folder of one's own has the name of a namespace: it was there before these were. It stays reachable.
		return at, rest, nil
	}
	return box{}, rest, nil
}
