package mailbox

import (
	"encoding/binary"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// All keys of an account's partition, one line a type. Numbers are big-endian:
// IDs and change numbers of 6 bytes, UIDs and keyword numbers of 4.
//
//	H                      head: counters, usage, limits
//	F folder               folder record
//	I folder uid           row: flags, numbers, dates of one item
//	X item                 where the item is: folder, uid
//	P item                 the item's property bag
//	A                      the account's own property bag
//	M folder account       properties of a folder: one account's own, or with account 0 those that all share
//	C content              content record: size, references
//	O content              where the content was first, if it is a copy from another account
//	S content              summary: what was learned when it was parsed; brief if the header is apart
//	T content              the usual fields of a header that is apart
//	Z content              the rest of it
//	G content              being staged since (Unix seconds); gone once referred to
//	K keyword              keyword's name
//	E change               an item that the change expunged, kept for a while
//	L change               log record, under its last change number
//	J folder change        stroke: one change of many items' flags that their rows don't have yet, under its first change number
//	V                      the account's filter scripts: their names, which is active
//	V name                 the text of one
//	W                      the out of office setting
//	W t                    what senders hear by it
//	R id                   what is remembered for a while (an answer that was given, a duplicate), and until when; id has 16 bytes
//	D service ...          a service's own records, see Side
//	N                      the text index: its segments
//	U content              not in the text index yet (1: its text isn't taken out yet); may be left over of a content that is gone
//	0xF0...                message bytes, see package blob
//	0xF1 content chunk     text to be searched, folded and compressed, or where it is in the message (textplace.go); chunk has 2 bytes
//	0xF2 segment kind part a segment of the text index: its documents, guides, terms and postings; part has 2 bytes
//
// Every record begins with its version. Schema version: 1.
const (
	keyHead        = 'H'
	keyFolder      = 'F'
	keyRow         = 'I'
	keyItem        = 'X'
	keyBag         = 'P'
	keyProps       = 'A'
	keyFolderProps = 'M'
	keyContent     = 'C'
	keyOrigin      = 'O'
	keySummary     = 'S'
	keyFields      = 'T'
	keyRest        = 'Z'
	keyStaged      = 'G'
	keyKeyword     = 'K'
	keyLog         = 'L'
	keyErased      = 'E'
	keyStroke      = 'J'
	keyScripts     = 'V'
	keyAway        = 'W'
	keyMemory      = 'R'
	keySide        = 'D'
	keyIndex       = 'N'
	keyTail        = 'U'
	keyText        = kv.BulkPrefix + 1
	keySegment     = kv.BulkPrefix + 2
)

// FirstPartition and LastPartition bound the partitions that are accounts:
// an account's partition has the account's number.
const (
	FirstPartition kv.Partition = 1
	LastPartition  kv.Partition = maxID
)

func partition(id ident.AccountID) kv.Partition { return kv.Partition(id) }

func append48(b []byte, n uint64) []byte {
	return append(b, byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func read48(b []byte) uint64 {
	return uint64(b[0])<<40 | uint64(b[1])<<32 | uint64(b[2])<<24 | uint64(b[3])<<16 | uint64(b[4])<<8 | uint64(b[5])
}

func key48(kind byte, n uint64) []byte { return append48(append(make([]byte, 0, 16), kind), n) }

func headKey() []byte                 { return []byte{keyHead} }
func propsKey() []byte                { return []byte{keyProps} }
func folderKey(id FolderID) []byte    { return key48(keyFolder, uint64(id)) }
func itemKey(id ItemID) []byte        { return key48(keyItem, uint64(id)) }
func bagKey(id ItemID) []byte         { return key48(keyBag, uint64(id)) }
func contentKey(id ContentID) []byte  { return key48(keyContent, uint64(id)) }
func summaryKey(id ContentID) []byte  { return key48(keySummary, uint64(id)) }
func fieldsKey(id ContentID) []byte   { return key48(keyFields, uint64(id)) }
func restKey(id ContentID) []byte     { return key48(keyRest, uint64(id)) }
func stagedKey(id ContentID) []byte   { return key48(keyStaged, uint64(id)) }
func logKey(last ModSeq) []byte       { return key48(keyLog, uint64(last)) }
func rowKey(f FolderID, u UID) []byte { return appendRowKey(make([]byte, 0, 16), f, u) }

func appendRowKey(b []byte, f FolderID, u UID) []byte {
	return binary.BigEndian.AppendUint32(append48(append(b, keyRow), uint64(f)), uint32(u))
}

func scriptsKey() []byte           { return []byte{keyScripts} }
func scriptKey(name string) []byte { return append([]byte{keyScripts}, name...) }
func awayKey() []byte              { return []byte{keyAway} }
func awayTextsKey() []byte         { return []byte{keyAway, 't'} }
func memoryKey(id MemoryID) []byte { return append([]byte{keyMemory}, id[:]...) }

func indexKey() []byte                 { return []byte{keyIndex} }
func unindexedKey(id ContentID) []byte { return key48(keyTail, uint64(id)) }

func textKey(id ContentID, chunk int) []byte {
	return appendTextKey(make([]byte, 0, textKeyLen), id, chunk)
}

const textKeyLen = 9

func appendTextKey(b []byte, id ContentID, chunk int) []byte {
	return binary.BigEndian.AppendUint16(append48(append(b, keyText), uint64(id)), uint16(chunk))
}

// textsOf bounds the keys of a content's text.
func textsOf(id ContentID) (lo, hi []byte) { return textKey(id, 0), textKey(id, 1<<16-1) }

// What a segment of the text index has.
const (
	segmentDocs     = 'd'
	segmentGuide    = 'g'
	segmentEndings  = 'e'
	segmentTerms    = 't'
	segmentPostings = 'p'
)

func segmentKey(id segmentID, kind byte, part int) []byte {
	return binary.BigEndian.AppendUint16(append(key48(keySegment, uint64(id)), kind), uint16(part))
}

func keywordKey(n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{keyKeyword}, n)
}

// all is the range of every key of a kind.
func all(kind byte) kv.Range { return kv.Range{Lo: []byte{kind}, Hi: []byte{kind + 1}} }

// rowsOf is the range of a folder's rows.
func rowsOf(f FolderID) kv.Range {
	return kv.Range{Lo: key48(keyRow, uint64(f)), Hi: key48(keyRow, uint64(f)+1)}
}

func strokeKey(f FolderID, first ModSeq) []byte {
	return append48(key48(keyStroke, uint64(f)), uint64(first))
}

// strokesOf is the range of a folder's strokes.
func strokesOf(f FolderID) kv.Range {
	return kv.Range{Lo: key48(keyStroke, uint64(f)), Hi: key48(keyStroke, uint64(f)+1)}
}

func uidOf(rowKey []byte) UID { return UID(binary.BigEndian.Uint32(rowKey[7:])) }
