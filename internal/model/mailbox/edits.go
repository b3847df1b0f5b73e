package mailbox

// folderEdit is a folder on its way to the next state.
type folderEdit struct {
	Folder
	view    *View // before the edits; nil: not loaded
	edits   []edit
	touched bool // the record changes
	removed bool
}

// edits are folders on their way to the next state, in the order in which they were asked for.
type edits struct {
	all  []*folderEdit
	room [2]*folderEdit           // for all
	byID map[FolderID]*folderEdit // once they are more than fewEdits
}

// fewEdits is how many are looked for one by one.
const fewEdits = 8

// of is that of a folder; nil: there is none.
func (e *edits) of(id FolderID) *folderEdit {
	if e.byID != nil {
		return e.byID[id]
	}
	for _, f := range e.all {
		if f.ID == id {
			return f
		}
	}
	return nil
}

func (e *edits) add(f *folderEdit) {
	if e.all == nil {
		e.all = e.room[:0]
	}
	e.all = append(e.all, f)
	switch {
	case e.byID != nil:
		e.byID[f.ID] = f
	case len(e.all) > fewEdits:
		e.byID = make(map[FolderID]*folderEdit, 2*len(e.all))
		for _, f := range e.all {
			e.byID[f.ID] = f
		}
	}
}
