package maildrop

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// UniqueIDProp is the property of an item with the unique ID (UIDL) that another server's POP3 gave it: programs that have
// collected it there don't collect it again here.
const UniqueIDProp = "pop3.uidl"

// uniqueIDsProp is the property of an account some of whose items have UniqueIDProp: others' need not be looked through.
const uniqueIDsProp = "pop3.uidls"

// ValidUniqueID reports whether a text can be a unique ID (RFC 1939 §7): 1 to 70 printable characters of ASCII, no space.
func ValidUniqueID(s string) bool {
	return s != "" && len(s) <= 70 && strings.Trim(s, printable) == ""
}

const printable = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// HasUniqueIDs notes that items of an account have UniqueIDProp.
func HasUniqueIDs(ctx context.Context, s *mailbox.Session) error {
	return s.UpdateProps(ctx, func(now map[string][]byte) (map[string][]byte, error) {
		if now[uniqueIDsProp] != nil {
			return nil, nil
		}
		return map[string][]byte{uniqueIDsProp: {1}}, nil
	})
}

// UniqueIDs reads the unique IDs that rows have from elsewhere, by item. Of two rows with the same ID, as after a COPY, the
// first has it.
func (d Drop) UniqueIDs(ctx context.Context, s *mailbox.Session, rows []*mailbox.Row) (map[mailbox.ItemID]string, error) {
	if !d.foreign {
		return nil, nil
	}
	values, err := s.BagValues(ctx, rows, UniqueIDProp)
	if err != nil {
		return nil, err
	}
	ids, taken := map[mailbox.ItemID]string{}, map[string]bool{}
	for _, r := range rows {
		if id := string(values[r.ID]); ValidUniqueID(id) && !taken[id] {
			ids[r.ID], taken[id] = id, true
		}
	}
	return ids, nil
}

// IDFormat says how another server made unique IDs of a message's UID (%u) and its mailbox's UIDVALIDITY (%v); between % and the
// letter there may be a width with a leading 0, and X for hexadecimal digits, in lower case: that is how Dovecot writes it, and what
// Dovecot 2.3 makes of it.
type IDFormat string

// formats are those of known servers, as Dovecot's documentation of its own pop3_uidl_format lists them.
var formats = map[string]IDFormat{
	"dovecot": "%08Xu%08Xv", "uw": "%08Xv%08Xu", "cyrus": "%v.%u", "courier": "UID%u-%v",
}

var verb = regexp.MustCompile(`%(0?[0-9]?)(X?)([uv%])`)

// ParseIDFormat reads a format, or the name of a server: dovecot, uw, cyrus or courier.
func ParseIDFormat(s string) (IDFormat, error) {
	if f, ok := formats[strings.ToLower(s)]; ok {
		return f, nil
	}
	plain := verb.ReplaceAllString(s, "")
	if strings.Contains(plain, "%") || !strings.Contains(s, "u") || !ValidUniqueID(IDFormat(s).ID(1<<32-1, 1<<32-1)) {
		return "", fault.New(fault.Invalid, "%q: want dovecot, uw, cyrus, courier, or a format like %%08Xu%%08Xv: the UID and UIDVALIDITY", s)
	}
	return IDFormat(s), nil
}

// ID is the unique ID of a message.
func (f IDFormat) ID(uid, uidValidity uint32) string {
	return verb.ReplaceAllStringFunc(string(f), func(s string) string {
		v := verb.FindStringSubmatch(s)
		n, base := uid, "d"
		switch {
		case v[3] == "%":
			return "%"
		case v[3] == "v":
			n = uidValidity
		}
		if v[2] != "" {
			base = "x"
		}
		return fmt.Sprintf("%"+v[1]+base, n)
	})
}
