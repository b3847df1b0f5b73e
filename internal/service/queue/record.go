package queue

import (
	"encoding/binary"
	"net/netip"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/dsn"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// Records are a version byte and then varints and length-prefixed strings, in a fixed order.
const recordVersion = 1

// head is a shard's own record.
type head struct {
	given    uint64 // message numbers up to here may have been used
	messages uint64
	items    uint64
}

func (h *head) encode() []byte {
	return appendUints([]byte{recordVersion}, h.given, h.messages, h.items)
}

func readHead(r kv.Reader) (h head, err error) {
	v, ok, err := r.Get(headKey())
	if err != nil || !ok {
		return h, err
	}
	d := decode(v)
	h = head{given: d.Uint(), messages: d.Uint(), items: d.Uint()}
	return h, d.end("head")
}

// message is the record of a message.
type message struct {
	env       transfer.Envelope
	messageID string // from its header, without brackets
	start     int64  // when attempts begin
	size      int64
	items     uint64 // left
	reason    string // why it was held from the beginning
}

// maxReason bounds message.reason, in bytes.
const maxReason = 200

// scheduled reports whether attempts are to begin later, as the sender asked for.
func (m *message) scheduled(now int64) bool { return m.start > now }

const (
	flagEightBit = 1 << iota
	flagBinary
	flagUTF8
	flagRequireTLS
	flagNotifyLate
	flagByTrace
	flagTLSOptional
	flagAccount // its number stands at the end
	flagReason  // after it
)

func (m *message) encode() []byte {
	e := &m.env
	b := append(make([]byte, 0, 160), recordVersion)
	for _, s := range []string{e.ID, e.From, e.EnvelopeID, m.messageID} {
		b = record.AppendString(b, s)
	}
	var flags uint64
	for i, on := range []bool{e.EightBit, e.Binary, e.UTF8, e.RequireTLS, e.NotifyLate, e.ByTrace, e.TLSOptional, e.Account != 0, m.reason != ""} {
		if on {
			flags |= 1 << i
		}
	}
	b = appendUints(b, uint64(e.Return), flags)
	for _, n := range []int64{int64(e.Priority), millis(e.Received), millis(e.Deadline), m.start} {
		b = binary.AppendVarint(b, n)
	}
	b = appendUints(b, uint64(m.size), m.items)
	if e.Account != 0 {
		b = appendUints(b, uint64(e.Account))
	}
	if m.reason != "" {
		b = record.AppendString(b, m.reason)
	}
	return b
}

func decodeMessage(v []byte) (m message, err error) {
	d := decode(v)
	e := &m.env
	e.ID, e.From, e.EnvelopeID, m.messageID = d.String(), d.String(), d.String(), d.String()
	e.Return = transfer.Return(d.Uint())
	flags := d.Uint()
	e.EightBit, e.Binary, e.UTF8 = flags&flagEightBit != 0, flags&flagBinary != 0, flags&flagUTF8 != 0
	e.RequireTLS, e.NotifyLate = flags&flagRequireTLS != 0, flags&flagNotifyLate != 0
	e.ByTrace, e.TLSOptional = flags&flagByTrace != 0, flags&flagTLSOptional != 0
	e.Priority, e.Received, e.Deadline, m.start = int(d.Int()), instant(d.Int()), instant(d.Int()), d.Int()
	m.size, m.items = int64(d.Uint()), d.Uint()
	if flags&flagAccount != 0 {
		e.Account = ident.AccountID(d.Uint())
	}
	if flags&flagReason != 0 {
		m.reason = d.String()
	}
	return m, d.end("message")
}

// readMessage reads a message's record; ok is false if there is none.
func readMessage(r kv.Reader, n msgNum) (m message, ok bool, err error) {
	v, ok, err := r.Get(messageKey(n))
	if err != nil || !ok {
		return m, false, err
	}
	m, err = decodeMessage(v)
	return m, err == nil, err
}

// item is the record of one recipient of a message.
type item struct {
	rcpt     transfer.Recipient
	dest     string
	lane     laneID
	state    State
	attempts uint64
	due      int64 // in the due index; 0: not there
	mark     int64 // in the index of marks; 0: not there
	warned   bool  // of the delay
	late     bool  // the deadline was told of
	// action and last are what is to be told, if the state is Telling.
	action dsn.Action
	last   transfer.Outcome
}

func (it *item) encode() []byte {
	b := append(make([]byte, 0, 120), recordVersion, byte(it.state), byte(it.lane), boolByte(it.warned), boolByte(it.late))
	b = appendUints(b, it.attempts, uint64(it.due), uint64(it.mark), uint64(it.rcpt.Notify))
	for _, s := range []string{it.dest, it.rcpt.Address, it.rcpt.OriginalType, it.rcpt.Original} {
		b = record.AppendString(b, s)
	}
	if it.state == Telling {
		b = append(b, byte(it.action))
		b = appendOutcome(b, &it.last)
	}
	return b
}

func decodeItem(v []byte) (it item, err error) {
	d := decode(v)
	it.state, it.lane, it.warned, it.late = State(d.Byte()), laneID(d.Byte()), d.Byte() != 0, d.Byte() != 0
	it.attempts, it.due, it.mark = d.Uint(), int64(d.Uint()), int64(d.Uint())
	it.rcpt.Notify = transfer.Notify(d.Uint())
	it.dest, it.rcpt.Address, it.rcpt.OriginalType, it.rcpt.Original = d.String(), d.String(), d.String(), d.String()
	if it.state == Telling {
		it.action = dsn.Action(d.Byte())
		it.last = d.outcome()
	}
	if !it.lane.valid() || it.state >= stateEnd {
		d.Fail()
	}
	return it, d.end("item")
}

func readItem(r kv.Reader, m msgNum, rcpt uint32) (it item, ok bool, err error) {
	v, ok, err := r.Get(recKey(m, rcpt))
	if err != nil || !ok {
		return it, false, err
	}
	it, err = decodeItem(v)
	return it, err == nil, err
}

func appendOutcome(b []byte, o *transfer.Outcome) []byte {
	b = append(b, byte(o.Result), boolByte(o.HostWide))
	b = binary.AppendUvarint(b, uint64(max(o.Code, 0)))
	addr := ""
	if o.Addr.IsValid() {
		addr = o.Addr.String()
	}
	for _, s := range []string{o.Status, o.Text, o.Remote, addr, o.TLS} {
		b = record.AppendString(b, s)
	}
	b = binary.AppendVarint(b, millis(o.At))
	return binary.AppendVarint(b, int64(o.Took))
}

// history is an item's last attempts, oldest first.
func readHistory(r kv.Reader, m msgNum, rcpt uint32) ([]transfer.Outcome, error) {
	v, ok, err := r.Get(historyKey(m, rcpt))
	if err != nil || !ok {
		return nil, err
	}
	d := decode(v)
	outs := make([]transfer.Outcome, min(d.Uint(), MaxHistory))
	for i := range outs {
		outs[i] = d.outcome()
	}
	return outs, d.end("history")
}

// addHistory appends an attempt, and forgets the oldest if there are too many.
func addHistory(tx kv.Tx, m msgNum, rcpt uint32, o *transfer.Outcome) error {
	outs, err := readHistory(tx, m, rcpt)
	if err != nil {
		return err
	}
	outs = append(outs, *o)
	outs = outs[max(0, len(outs)-MaxHistory):]
	b := binary.AppendUvarint([]byte{recordVersion}, uint64(len(outs)))
	for i := range outs {
		b = appendOutcome(b, &outs[i])
	}
	return tx.Set(historyKey(m, rcpt), b)
}

// decoder reads a record.
type decoder struct{ record.Decoder }

func decode(value []byte) *decoder { return &decoder{record.Decode(value, recordVersion)} }

func (d *decoder) outcome() (o transfer.Outcome) {
	o.Result, o.HostWide = transfer.Result(d.Byte()), d.Byte() != 0
	o.Code, o.Status, o.Text, o.Remote = int(d.Uint()), d.String(), d.String(), d.String()
	o.Addr, _ = netip.ParseAddrPort(d.String()) // what isn't one is none
	o.TLS, o.At, o.Took = d.String(), instant(d.Int()), time.Duration(d.Int())
	return o
}

func (d *decoder) end(what string) error {
	if d.Bad() {
		return fault.New(fault.Corrupt, "the queue's %s record is damaged", what)
	}
	return nil
}

func appendUints(b []byte, ns ...uint64) []byte {
	for _, n := range ns {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func boolByte(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// millis is a time as it is stored: Unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
