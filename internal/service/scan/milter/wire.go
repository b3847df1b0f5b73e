package milter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"

	"postroad/internal/fault"
)

// Letters of an MTA's packets.
const (
	cmdAbort   = 'A'
	cmdBody    = 'B'
	cmdConnect = 'C'
	cmdMacro   = 'D'
	cmdEnd     = 'E'
	cmdHelo    = 'H'
	cmdHeader  = 'L'
	cmdMail    = 'M'
	cmdEOH     = 'N'
	cmdOptions = 'O'
	cmdQuit    = 'Q'
	cmdRcpt    = 'R'
	cmdData    = 'T'
)

// Letters of a filter's packets.
const (
	actAccept     = 'a'
	actReplBody   = 'b'
	actContinue   = 'c'
	actDiscard    = 'd'
	actChgFrom    = 'e'
	actConnFail   = 'f'
	actAddHeader  = 'h'
	actInsHeader  = 'i'
	actChgHeader  = 'm'
	actProgress   = 'p'
	actQuarantine = 'q'
	actReject     = 'r'
	actSkip       = 's'
	actTempFail   = 't'
	actReplyCode  = 'y'
	actAddRcpt    = '+'
	actDelRcpt    = '-'
	actAddRcptPar = '2'
	actShutdown   = '4'
)

// mayAll has all bits of what a filter may want to do (SMFIF_*): add, insert and change header fields (0x1, 0x10), change the body (0x2),
// add and remove recipients (0x4, 0x8, 0x80), quarantine (0x20), change the sender (0x40), name the macros that it wants (0x100). All are offered:
// libmilter gives up if one that a filter might want is missing.
const mayAll = 0x1ff

// Bits of the steps that a filter wants left out, or doesn't answer (SMFIP_*).
const (
	noConnect     = 0x1
	noHelo        = 0x2
	noMail        = 0x4
	noRcpt        = 0x8
	noBody        = 0x10
	noHeaders     = 0x20
	noEOH         = 0x40
	quietHeader   = 0x80
	noUnknown     = 0x100
	noData        = 0x200
	canSkip       = 0x400
	quietConnect  = 0x1000
	quietHelo     = 0x2000
	quietMail     = 0x4000
	quietRcpt     = 0x8000
	quietData     = 0x10000
	quietUnknown  = 0x20000
	quietEOH      = 0x40000
	quietBody     = 0x80000
	leadingSpace  = 0x100000
	stepsOffered  = 0x1fffff &^ 0x800 // all but SMFIP_RCPT_REJ: it never hears of recipients that we refused
	stepsVersion2 = 0x7f
)

const (
	newest = 6
	oldest = 2
	// maxPacket bounds what a filter may send at once, and maxPackets how often it may in answer to one step.
	maxPacket  = 1 << 20
	maxPackets = 2000
	// chunk is how much of a body goes at once (MILTER_CHUNK_SIZE).
	chunk = 65535
)

// packet is what a filter sends. data is valid until the next one is read.
type packet struct {
	letter byte
	data   []byte
}

// wire is a connection to a filter.
type wire struct {
	r   *bufio.Reader
	w   *bufio.Writer
	buf []byte
}

func newWire(c io.ReadWriter) *wire {
	return &wire{r: bufio.NewReader(c), w: bufio.NewWriterSize(c, 8<<10)}
}

// put queues a packet; what goes wrong shows in flush.
func (w *wire) put(letter byte, data ...[]byte) {
	n := 1
	for _, d := range data {
		n += len(d)
	}
	w.w.Write(binary.BigEndian.AppendUint32(nil, uint32(n))) //nolint:errcheck // flush tells
	w.w.WriteByte(letter)                                    //nolint:errcheck // likewise
	for _, d := range data {
		w.w.Write(d) //nolint:errcheck // likewise
	}
}

func (w *wire) flush() error { return w.w.Flush() }

// next reads a packet.
func (w *wire) next() (packet, error) {
	var head [5]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return packet{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxPacket {
		return packet{}, errNoMilter()
	}
	if cap(w.buf) < int(n) {
		w.buf = make([]byte, n)
	}
	w.buf = w.buf[:n-1]
	_, err := io.ReadFull(w.r, w.buf)
	return packet{head[4], w.buf}, err
}

func errNoMilter() error { return fault.New(fault.Unavailable, "it doesn't answer as a milter does") }

// cstring ends a text with NUL. One that has a NUL in it, which strangers may want, ends there.
func cstring(s string) []byte {
	b := make([]byte, len(s)+1)
	if i := copy(b, s); bytes.IndexByte(b, 0) < i {
		return b[:bytes.IndexByte(b, 0)+1]
	}
	return b
}

// texts are the NUL-terminated texts of a packet; ok is false if it doesn't end with one.
func texts(b []byte) (all []string, ok bool) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return all, false
		}
		all = append(all, string(b[:i]))
		b = b[i+1:]
	}
	return all, true
}
