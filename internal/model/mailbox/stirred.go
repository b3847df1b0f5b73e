package mailbox

// Stirred is what has happened in an account to items alone.
type Stirred struct {
	Change  ModSeq   // the newest change
	Folders []Folder // those whose items have changed, as far as the session may read them, by ID
}

// Stirred tells in which folders items have changed after a change number that State has told. ok is false if more has happened since:
// to a folder itself, its rights or properties, to the account, or what isn't known any more. It looks at no item, and costs a glance at
// each folder.
func (s *Session) Stirred(after ModSeq) (is Stirred, ok bool) {
	st := s.state()
	if is.Change = st.head.change; st.shaped > after {
		return is, false
	}
	for _, n := range st.folders {
		if n.HighestModSeq > after && s.rightsOn(&n.Folder)&(RightLookup|RightRead) == RightLookup|RightRead {
			is.Folders = append(is.Folders, s.shows(n.Folder))
		}
	}
	return is, true
}
