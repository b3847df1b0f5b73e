package mailbox

import (
	"postroad/internal/fault"
	"postroad/internal/format/record"
)

// Records: see package record. A later version only adds at the end, or takes another number.
const recordVersion = 1

// decoder reads a record.
type decoder struct{ record.Decoder }

func decode(value []byte) *decoder { return &decoder{record.Decode(value, recordVersion)} }

func (d *decoder) end(what string) error {
	if d.Bad() {
		return fault.New(fault.Corrupt, "the %s record is damaged", what)
	}
	return nil
}
