package mailbox

// strokes reads and checks a folder's strokes; those that can't be read are left out.
func (c *checker) strokes(f *Folder) (*strokeList, error) {
	var all []*stroke
	for p, err := range c.r.Scan(strokesOf(f.ID)) {
		if err != nil {
			return nil, err
		}
		first := ModSeq(read48(p.Key[7:]))
		s, err := decodeStroke(p.Value, c.s.kw)
		if err != nil {
			c.say("folder %d, change %d: %v", f.ID, first, err)
			continue
		}
		ref := s.ref()
		if ref.first != first || ref.hi > f.lastUID() || ref.first+ModSeq(ref.n)-1 > f.HighestModSeq {
			c.say("folder %d, change %d: flags of %d items up to UID %d from change %d on are beyond the folder's %d and %d",
				f.ID, first, ref.n, ref.hi, ref.first, f.lastUID(), f.HighestModSeq)
		}
		all = append(all, s)
	}
	return &strokeList{all: all}, nil
}

// lostStrokes finds strokes of folders that aren't there.
func (c *checker) lostStrokes(known map[FolderID]bool) error {
	for p, err := range c.r.Scan(all(keyStroke)) {
		if err != nil {
			return err
		}
		if f := FolderID(read48(p.Key[1:])); !known[f] {
			c.say("change of flags %d of folder %d: there is no such folder", read48(p.Key[7:]), f)
		}
	}
	return nil
}
