package move

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// Brought are the messages that came from other servers: for each mailbox its UIDs, ascending.
type Brought map[MailboxID][]uint32

func (b Brought) has(id MailboxID, uid uint32) bool {
	_, ok := slices.BinarySearch(b[id], uid)
	return ok
}

// BroughtTo tells which messages of an account came from other servers.
func BroughtTo(ctx context.Context, s *mailbox.Session) (Brought, error) {
	b := Brought{}
	for _, f := range s.Folders() {
		if f.Kind != mailbox.Mail || f.Items == 0 {
			continue
		}
		view, err := s.View(ctx, f.ID)
		if err != nil {
			return nil, err
		}
		for _, row := range view.All(0, view.Len()) {
			if !row.HasBag() {
				continue
			}
			bag, err := s.Bag(ctx, row.ID)
			if err != nil && !fault.Is(err, fault.NotFound) { // not found: expunged meanwhile
				return nil, err
			}
			if v := bag.Props[fetched]; len(v) == len(SourceID{}) {
				id := SourceID(v)
				b[id.mailbox()] = append(b[id.mailbox()], id.uid())
			}
		}
	}
	for id := range b {
		slices.Sort(b[id])
		b[id] = slices.Compact(b[id])
	}
	return b, nil
}

// MarshalJSON writes an object: for each mailbox, in hex, its UIDs like "1:7,9".
func (b Brought) MarshalJSON() ([]byte, error) {
	out := make(map[string]string, len(b))
	for id, uids := range b {
		out[hex.EncodeToString(id[:])] = ranges(uids)
	}
	return json.Marshal(out)
}

func ranges(uids []uint32) string {
	var s strings.Builder
	for i := 0; i < len(uids); {
		j := i
		for j+1 < len(uids) && uids[j+1] == uids[j]+1 {
			j++
		}
		fmt.Fprintf(&s, ",%d:%d", uids[i], uids[j])
		i = j + 1
	}
	return strings.TrimPrefix(s.String(), ",")
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *Brought) UnmarshalJSON(data []byte) error {
	var in map[string]string
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*b = Brought{}
	for name, list := range in {
		id, err := hex.DecodeString(name)
		if err != nil || len(id) != mailboxIDLen {
			return fmt.Errorf("%q names no mailbox", name)
		}
		uids, err := readRanges(list)
		if err != nil {
			return err
		}
		(*b)[MailboxID(id)] = uids
	}
	return nil
}

// maxBrought bounds the messages of one mailbox.
const maxBrought = 16 << 20

func readRanges(list string) (uids []uint32, err error) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, _ := strings.Cut(part, ":")
		lo, err := strconv.ParseUint(from, 10, 32)
		if err != nil {
			return nil, err
		}
		hi, err := strconv.ParseUint(to, 10, 32)
		if err != nil {
			return nil, err
		}
		if hi < lo || hi-lo >= maxBrought || len(uids)+int(hi-lo) >= maxBrought {
			return nil, fmt.Errorf("%q is no list of UIDs", part)
		}
		for n := lo; n <= hi; n++ {
			uids = append(uids, uint32(n))
		}
	}
	return uids, nil
}
