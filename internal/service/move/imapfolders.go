package move

import (
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/imapclient"
)

// plan lists what is to be brought: the inbox first, Gmail's "All mail" last.
func (s *imapSource) plan() ([]imapFolder, error) {
	boxes, err := s.c.List()
	if err != nil {
		return nil, err
	}
	spaces, err := s.c.Namespaces()
	if err != nil {
		return nil, err
	}
	if err := s.named(boxes); err != nil {
		return nil, err
	}
	slices.SortStableFunc(boxes, func(a, b imapclient.Mailbox) int { return strings.Compare(a.Name, b.Name) })
	roles := rolePaths(boxes)
	var first, folders, last []imapFolder
	for _, b := range boxes {
		path := pathThere(b, spaces, roles)
		gmailAll := b.Has(`\ALL`) && s.c.Has("X-GM-EXT-1")
		switch {
		case path == nil || !s.wanted(b) || b.Has(`\NONEXISTENT`):
		case gmailAll:
			last = append(last, imapFolder{name: b.Name, path: []string{"Archive"}, all: true})
		case b.Has(`\ALL`), b.Has(`\FLAGGED`), b.Has(`\IMPORTANT`):
			s.warn("%s shows messages of other folders: left out", decodeUTF7(b.Name))
		case len(path) == 1 && path[0] == "INBOX":
			first = append(first, imapFolder{name: b.Name, path: path, none: b.Has(`\NOSELECT`)})
		default:
			folders = append(folders, imapFolder{name: b.Name, path: path, none: b.Has(`\NOSELECT`)})
		}
	}
	return slices.Concat(first, folders, last), nil
}

// specialUse are the names by which Import knows folders that have a role.
var specialUse = map[string]string{`\SENT`: "Sent", `\TRASH`: "Trash", `\JUNK`: "Junk", `\DRAFTS`: "Drafts", `\ARCHIVE`: "Archive"}

// rolePaths maps the names of mailboxes with a role to what they are called here. The first of a role gets it.
func rolePaths(boxes []imapclient.Mailbox) map[string]string {
	roles, taken := map[string]string{}, map[string]bool{}
	for _, b := range boxes {
		for _, attr := range b.Attrs {
			if to := specialUse[attr]; to != "" && !taken[to] {
				roles[b.Name], taken[to] = to, true
			}
		}
	}
	return roles
}

// pathThere is the folder's path here; nil if it is other people's.
func pathThere(b imapclient.Mailbox, spaces imapclient.Namespaces, roles map[string]string) []string {
	if strings.EqualFold(b.Name, "INBOX") {
		return []string{"INBOX"}
	}
	for _, prefix := range spaces.Others {
		if prefix != "" && (strings.HasPrefix(b.Name, prefix) || b.Name == strings.TrimSuffix(prefix, b.Delim)) {
			return nil
		}
	}
	// The longest name above it that has a role is called by it.
	parts := split(b.Name, b.Delim)
	for n := len(parts); n > 0; n-- {
		if to := roles[strings.Join(parts[:n], b.Delim)]; to != "" {
			return decodeAll(append([]string{to}, parts[n:]...))
		}
	}
	for _, prefix := range spaces.Personal {
		if rest, ok := strings.CutPrefix(b.Name, prefix); ok && prefix != "" && rest != "" {
			return decodeAll(split(rest, b.Delim))
		}
	}
	if b.Delim != "" && len(parts) > 1 && strings.EqualFold(parts[0], "INBOX") {
		parts[0] = "INBOX"
	}
	return decodeAll(parts)
}

func split(name, delim string) []string {
	if delim == "" {
		return []string{name}
	}
	return slices.DeleteFunc(strings.Split(name, delim), func(p string) bool { return p == "" })
}

func decodeAll(parts []string) []string {
	for i := range parts {
		parts[i] = decodeUTF7(parts[i])
	}
	if len(parts) > mailbox.MaxDepth {
		parts = append(parts[:mailbox.MaxDepth-1], strings.Join(parts[mailbox.MaxDepth-1:], "-"))
	}
	if len(parts) == 0 {
		return nil
	}
	return parts
}

// wanted applies Only and Exclude.
func (s *imapSource) wanted(b imapclient.Mailbox) bool {
	in := func(list []string) bool { return slices.ContainsFunc(list, func(f string) bool { return isIn(b, f) }) }
	return (len(s.Only) == 0 || in(s.Only)) && !in(s.Exclude)
}

// shownName is what a mailbox is called there, as people write it.
func shownName(b imapclient.Mailbox) string {
	return strings.Join(decodeAll(split(b.Name, b.Delim)), "/")
}

// isIn reports whether a mailbox is a folder, or below it.
func isIn(b imapclient.Mailbox, folder string) bool {
	name, folder := shownName(b), strings.Trim(folder, "/")
	return strings.EqualFold(name, folder) || len(name) > len(folder) && strings.EqualFold(name[:len(folder)+1], folder+"/")
}

// named checks that there are folders by the names that were given: a typing error in Exclude would bring too much, one in Only nothing.
func (s *imapSource) named(boxes []imapclient.Mailbox) error {
	const most = 30 // are told
	for _, f := range slices.Concat(s.Only, s.Exclude) {
		if slices.ContainsFunc(boxes, func(b imapclient.Mailbox) bool { return isIn(b, f) }) {
			continue
		}
		var names []string
		for _, b := range boxes[:min(len(boxes), most)] {
			names = append(names, shownName(b))
		}
		if len(boxes) > most {
			names = append(names, "...")
		}
		return fault.New(fault.Invalid, "there is no folder %q on the other server; it has %s", f, strings.Join(names, ", "))
	}
	return nil
}
