package mailbox

import (
	"slices"
	"sort"
)

// state is an account at one change number. States are immutable once made;
// the next shares with the last all that didn't change.
type state struct {
	seq     uint64 // counts the states of one account value: larger is later
	gen     uint64 // the kv generation that this state belongs to
	head    head
	kw      *keywordTable
	folders []*node // by ID
	origins bool    // there are contents that came from other accounts, or were
	scripts *Scripts
	away    *Away  // nil: never set
	shaped  ModSeq // the last change that wasn't one of items; or a later one, if that isn't known
	acted   ModSeq // see noteAct; 0: nothing has happened since the state was read
}

// node is a folder and, if somebody looked, its view.
type node struct {
	Folder
	view *View // nil: not loaded
}

func (s *state) search(id FolderID) (int, bool) {
	i := sort.Search(len(s.folders), func(i int) bool { return s.folders[i].ID >= id })
	return i, i < len(s.folders) && s.folders[i].ID == id
}

func (s *state) folder(id FolderID) *node {
	if i, ok := s.search(id); ok {
		return s.folders[i]
	}
	return nil
}

func (s *state) byRole(r Role) *node {
	for _, n := range s.folders {
		if n.Role == r {
			return n
		}
	}
	return nil
}

func (s *state) child(parent FolderID, name string) *node {
	for _, n := range s.folders {
		if n.Parent == parent && n.Name == name {
			return n
		}
	}
	return nil
}

func (s *state) hasChildren(id FolderID) bool {
	return slices.ContainsFunc(s.folders, func(n *node) bool { return n.Parent == id })
}

// put replaces or adds a folder in a slice that this state owns.
func (s *state) put(n *node) {
	i, ok := s.search(n.ID)
	if ok {
		s.folders[i] = n
	} else {
		s.folders = slices.Insert(s.folders, i, n)
	}
}

func (s *state) remove(id FolderID) {
	if i, ok := s.search(id); ok {
		s.folders = slices.Delete(s.folders, i, i+1)
	}
}

// rows counts the rows of the views that are loaded.
func (s *state) rows() int {
	n := 0
	for _, f := range s.folders {
		if f.view != nil {
			n += f.view.Len()
		}
	}
	return n
}
