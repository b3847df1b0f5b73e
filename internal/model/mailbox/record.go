package mailbox

import (
	"encoding/binary"

	"postroad/internal/format/record"
)

// head is the account's own record.
type head struct {
	change      ModSeq
	floor       ModSeq
	lastID      uint64
	uidValidity uint32 // the last one given
	created     int64  // Unix seconds
	used, limit Usage
	erased      Usage // expunged, and kept for a while
}

func (h *head) appendTo(b []byte) []byte {
	b = append(b, recordVersion)
	for _, n := range []uint64{
		uint64(h.change), uint64(h.floor), h.lastID, uint64(h.uidValidity), uint64(h.created),
		uint64(h.used.Bytes), uint64(h.used.Items), uint64(h.limit.Bytes), uint64(h.limit.Items),
		uint64(h.erased.Bytes), uint64(h.erased.Items),
	} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func decodeHead(value []byte) (h head, err error) {
	d := decode(value)
	h.change, h.floor, h.lastID = ModSeq(d.Uint()), ModSeq(d.Uint()), d.Uint()
	h.uidValidity, h.created = uint32(d.Uint()), int64(d.Uint())
	h.used = Usage{Bytes: int64(d.Uint()), Items: int64(d.Uint())}
	h.limit = Usage{Bytes: int64(d.Uint()), Items: int64(d.Uint())}
	if d.Rest() > 0 { // not in records from before anything was kept
		h.erased = Usage{Bytes: int64(d.Uint()), Items: int64(d.Uint())}
	}
	return h, d.end("head")
}

func (f *Folder) appendTo(b []byte) []byte {
	b = append(b, recordVersion)
	b = record.AppendString(b, f.Name)
	b = append(b, byte(f.Kind), byte(f.Role), boolByte(f.Subscribed))
	for _, n := range []uint64{
		uint64(f.Parent), uint64(f.UIDValidity), uint64(f.UIDNext), uint64(f.recent),
		uint64(f.Created), uint64(f.Changed), uint64(f.HighestModSeq),
		uint64(f.Items), uint64(f.Unseen), uint64(f.Deleted), uint64(f.Bytes), uint64(f.DeletedBytes),
		uint64(len(f.Grants)),
	} {
		b = binary.AppendUvarint(b, n)
	}
	for _, g := range f.Grants {
		b = append(b, byte(g.Kind))
		b = binary.AppendUvarint(b, g.ID)
		b = binary.AppendUvarint(b, uint64(g.Rights))
	}
	return b
}

func decodeFolder(id FolderID, value []byte) (Folder, error) {
	d := decode(value)
	f := Folder{ID: id, Name: string(d.Bytes())}
	f.Kind, f.Role, f.Subscribed = Kind(d.Byte()), Role(d.Byte()), d.Byte() != 0
	f.Parent, f.UIDValidity, f.UIDNext, f.recent = FolderID(d.Uint()), uint32(d.Uint()), UID(d.Uint()), UID(d.Uint())
	f.Created, f.Changed, f.HighestModSeq = ModSeq(d.Uint()), ModSeq(d.Uint()), ModSeq(d.Uint())
	f.Items, f.Unseen, f.Deleted = int(d.Uint()), int(d.Uint()), int(d.Uint())
	f.Bytes, f.DeletedBytes = int64(d.Uint()), int64(d.Uint())
	for range d.Count() {
		f.Grants = append(f.Grants, Grant{Kind: PrincipalKind(d.Byte()), ID: d.Uint(), Rights: Rights(d.Uint())})
	}
	return f, d.end("folder")
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// appendRow encodes all of a row but its UID, which is in the key.
func appendRow(b []byte, r *Row) []byte {
	b = append(b, recordVersion, byte(r.Kind), boolByte(r.hasBag)|boolByte(r.bare)<<1)
	b = binary.AppendUvarint(b, uint64(r.Flags))
	b = binary.AppendUvarint(b, uint64(r.ID))
	b = binary.AppendUvarint(b, uint64(r.Content))
	b = binary.AppendUvarint(b, uint64(r.Size))
	b = binary.AppendUvarint(b, uint64(r.created))
	b = binary.AppendUvarint(b, uint64(r.changed))
	b = binary.AppendUvarint(b, uint64(r.read))
	b = binary.AppendVarint(b, r.received)
	b = binary.AppendVarint(b, int64(r.zone))
	b = binary.AppendVarint(b, r.saved)
	return r.Keywords.appendTo(b)
}

func decodeRow(uid UID, value []byte, kw *keywordTable) (Row, error) {
	d := decode(value)
	r := Row{UID: uid, Kind: Kind(d.Byte())}
	marks := d.Byte()
	r.hasBag, r.bare = marks&1 != 0, marks&2 != 0
	r.Flags = Flags(d.Uint())
	r.ID, r.Content, r.Size = ItemID(d.Uint()), ContentID(d.Uint()), int64(d.Uint())
	r.created, r.changed, r.read = ModSeq(d.Uint()), ModSeq(d.Uint()), ModSeq(d.Uint())
	r.received, r.zone, r.saved = d.Int(), int16(d.Int()), d.Int()
	r.Keywords = kw.decode(d)
	return r, d.end("item")
}

// place says where an item is.
type place struct {
	folder FolderID
	uid    UID
}

// placeMost is how long an encoded place may be.
const placeMost = 16

func (p place) encode() []byte { return p.appendTo(make([]byte, 0, placeMost)) }

func (p place) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(append(b, recordVersion), uint64(p.folder))
	return binary.AppendUvarint(b, uint64(p.uid))
}

func decodePlace(value []byte) (place, error) {
	d := decode(value)
	p := place{FolderID(d.Uint()), UID(d.Uint())}
	return p, d.end("item index")
}

// contentRecord counts who refers to a content.
type contentRecord struct {
	size  int64
	refs  uint64
	texts int   // records of its text
	extra int64 // see Session.LineOctets
	apart bool  // the header is apart from the summary
}

// contentMost is how long an encoded contentRecord is, nearly always.
const contentMost = 16

func (c contentRecord) encode() []byte { return c.appendTo(make([]byte, 0, contentMost)) }

func (c contentRecord) appendTo(b []byte) []byte {
	b = append(b, recordVersion)
	b = binary.AppendUvarint(b, uint64(c.size))
	b = binary.AppendUvarint(b, c.refs)
	b = binary.AppendUvarint(b, uint64(c.texts))
	if c.extra == 0 && !c.apart {
		return b
	}
	b = binary.AppendUvarint(b, uint64(c.extra))
	if c.apart {
		b = append(b, 1)
	}
	return b
}

func decodeContent(value []byte) (contentRecord, error) {
	d := decode(value)
	c := contentRecord{size: int64(d.Uint()), refs: d.Uint()}
	if d.Rest() > 0 { // not in records from before there were texts
		c.texts = int(min(d.Uint(), maxText))
	}
	if d.Rest() > 0 {
		c.extra = int64(d.Uint())
	}
	if d.Rest() > 0 {
		c.apart = d.Byte() != 0
	}
	return c, d.end("content")
}
