package move

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"postroad/internal/service/maildrop"
)

// uidListFile is where Dovecot keeps the UIDs of a Maildir's messages:
//
//	3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
//	25006 P000061ae4c093430 :1276528487.M364837P9451.kurkku,S=1355,W=1394
//
// version, UIDVALIDITY and more; then for each message its UID, fields of which P is its unique ID for POP3 if it isn't made by
// the server's format, and the name of its file without flags.
const uidListFile = "dovecot-uidlist"

// uidListBytes bounds what is read of it: a million messages or so.
const uidListBytes = 128 << 20

// readUIDList reads the unique IDs of a Maildir's messages, by their files' names without flags. Without the file, or with one
// that can't be read, it is none.
func readUIDList(dir string, format maildrop.IDFormat) map[string]string {
	f, err := os.Open(filepath.Join(dir, uidListFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, uidListBytes))
	if !lines.Scan() {
		return nil
	}
	validity, ok := uidValidity(lines.Text())
	if !ok {
		return nil
	}
	ids := map[string]string{}
	for lines.Scan() {
		fields, name, found := strings.Cut(lines.Text(), " :")
		if id := uniqueID(fields, validity, format); found && id != "" {
			name, _, _ = strings.Cut(name, ":2,")
			ids[name] = id
		}
	}
	return ids
}

func uidValidity(header string) (uint32, bool) {
	fields := strings.Fields(header)
	if len(fields) == 0 || fields[0] != "3" {
		return 0, false
	}
	for _, f := range fields[1:] {
		if v, ok := strings.CutPrefix(f, "V"); ok {
			n, err := strconv.ParseUint(v, 10, 32)
			return uint32(n), err == nil
		}
	}
	return 0, false
}

// uniqueID is what a message's line says: "25006 P000061ae4c093430".
func uniqueID(line string, validity uint32, format maildrop.IDFormat) string {
	uid, rest, _ := strings.Cut(line, " ")
	for _, f := range strings.Fields(rest) {
		if id, ok := strings.CutPrefix(f, "P"); ok && maildrop.ValidUniqueID(id) {
			return id
		}
	}
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil || format == "" {
		return ""
	}
	return format.ID(uint32(n), validity)
}
