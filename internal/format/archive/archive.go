// Package archive tells which files a ZIP archive holds, from the directory at its end: nothing is unpacked, and work and memory are
// bounded by what the caller reads. Office documents, too, are such archives.
//
//	local header, file data ... | central directory | end of central directory (22 bytes and a comment)
//	                              PK\1\2 46 bytes, name, extra, comment; each     PK\5\6 entries size offset
//
// The format is that of PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16. Other archives (RAR, 7z) aren't looked into.
package archive

import (
	"bytes"
	"encoding/binary"

	"postroad/internal/format/charset"
)

// Tail is how much of the end of a file Names should be given: the longest comment, and a directory of about a thousand files.
const Tail = 64<<10 + 64<<10

// MaxEntries bounds the entries that Names returns.
const MaxEntries = 1000

// IsZIP reports whether a file that begins so is a ZIP archive that isn't empty (section 4.3.7).
func IsZIP(head []byte) bool { return bytes.HasPrefix(head, []byte("PK\x03\x04")) }

// Entry is one file of an archive.
type Entry struct {
	// Name has its path, in UTF-8.
	Name string
	// Encrypted: its content can't be read without a password.
	Encrypted bool
}

const (
	endLen   = 22
	entryLen = 46
)

// Names lists the files of an archive that ends with tail: those of the directory's part that is in it, from its beginning if that is there.
// It is empty if there is no directory. All may be false: nothing obliges who made the archive to tell the truth.
func Names(tail []byte) []Entry {
	end := endOf(tail)
	if end < 0 {
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(tail[end+12:]))
	start := max(int64(end)-size, 0)
	if dir := tail[start:end]; size > int64(end) || len(dir) >= 4 && !bytes.HasPrefix(dir, []byte("PK\x01\x02")) {
		at := bytes.Index(dir, []byte("PK\x01\x02")) // what is left of a long directory, or of one that is told wrongly
		if at < 0 {
			return nil
		}
		start += int64(at)
	}
	return entries(tail[start:end])
}

// endOf is where the end of the central directory begins; -1: nowhere. The last one counts, as for those who unpack.
func endOf(tail []byte) int {
	for to := len(tail); ; {
		i := bytes.LastIndex(tail[:to], []byte("PK\x05\x06"))
		if i < 0 || i+endLen <= len(tail) {
			return i
		}
		to = i
	}
}

// entries reads a directory from its start.
func entries(dir []byte) []Entry {
	var all []Entry
	for len(dir) >= entryLen && bytes.HasPrefix(dir, []byte("PK\x01\x02")) && len(all) < MaxEntries {
		flags := binary.LittleEndian.Uint16(dir[8:])
		name, extra, comment := int(binary.LittleEndian.Uint16(dir[28:])), int(binary.LittleEndian.Uint16(dir[30:])), int(binary.LittleEndian.Uint16(dir[32:]))
		if entryLen+name > len(dir) {
			break
		}
		all = append(all, Entry{Name: nameOf(dir[entryLen:entryLen+name], flags), Encrypted: flags&1 != 0})
		dir = dir[min(entryLen+name+extra+comment, len(dir)):]
	}
	return all
}

// nameOf decodes a name: UTF-8 if bit 11 says so (appendix D), else it is guessed.
func nameOf(b []byte, flags uint16) string {
	if flags&(1<<11) != 0 {
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	}
	return charset.Guess(b)
}
