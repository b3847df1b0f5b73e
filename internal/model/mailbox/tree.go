package mailbox

import "slices"

// InboxName is what Walk and Tree call the inbox.
const InboxName = "INBOX"

// Placed is a folder and where it stands: the names from the root down to its own.
type Placed struct {
	Folder
	Names []string
}

// Tree is Folders with the folders' places. Names of folders above, which the session perhaps can't see, are told: without
// them there would be no name for what is below.
func (s *Session) Tree() []Placed {
	below := s.state().siblings()
	return s.appendPlaced(nil, below, 0, nil)
}

// SeesAny reports whether there is a folder that the session can see.
func (s *Session) SeesAny() bool {
	return slices.ContainsFunc(s.state().folders, func(n *node) bool { return s.rightsOn(&n.Folder)&RightLookup != 0 })
}

// siblings are the folders by their parent, in the order in which they are listed.
func (s *state) siblings() map[FolderID][]*node {
	below := map[FolderID][]*node{}
	for _, n := range s.folders {
		below[n.Parent] = append(below[n.Parent], n)
	}
	for _, ns := range below {
		slices.SortFunc(ns, compareSiblings)
	}
	return below
}

func (s *Session) appendPlaced(out []Placed, below map[FolderID][]*node, parent FolderID, above []string) []Placed {
	for _, n := range below[parent] {
		names := append(above[:len(above):len(above)], n.pathName())
		if s.rightsOn(&n.Folder)&RightLookup != 0 {
			out = append(out, Placed{s.shows(n.Folder), names})
		}
		out = s.appendPlaced(out, below, n.ID, names)
	}
	return out
}

// pathName is what a folder is called in paths.
func (n *node) pathName() string {
	if n.Role == Inbox {
		return InboxName
	}
	return n.Name
}

// Walk goes down from the root by names, also through folders that the session can't see: at is the deepest one that it can
// see (its ID is 0 if there is none), rest are the names behind that. So a folder that is hidden is as one that isn't there.
func (s *Session) Walk(names []string) (at Folder, rest []string) {
	st := s.state()
	above := FolderID(0)
	rest = names
	for i, name := range names {
		n := st.named(above, name)
		if n == nil {
			break
		}
		above = n.ID
		if s.rightsOn(&n.Folder)&RightLookup != 0 {
			at, rest = s.shows(n.Folder), names[i+1:]
		}
	}
	return at, rest
}

// named finds a folder by its name in paths.
func (s *state) named(parent FolderID, name string) *node {
	if parent == 0 && name == InboxName {
		return s.byRole(Inbox)
	}
	if n := s.child(parent, name); n != nil && n.Role != Inbox {
		return n
	}
	return nil
}
