package move

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"time"

	"postroad/internal/fault"
)

// A stream is a line of JSON for each message, of type record. If it has a body, that follows
// in chunks: four bytes, the length with the highest byte first, and as many bytes. Length 0 ends the body, and goneChunk
// says that the message doesn't exist any more. The last line says "end" or what went wrong; without it the stream was cut off.
type record struct {
	ID       string     `json:"id,omitempty"`
	Folder   []string   `json:"folder,omitempty"`
	Flags    []string   `json:"flags,omitempty"`
	Keywords []string   `json:"keywords,omitempty"`
	Received *time.Time `json:"received,omitempty"`
	Source   []byte     `json:"source,omitempty"`
	Exact    bool       `json:"exact,omitempty"`
	UniqueID string     `json:"unique_id,omitempty"`
	Update   bool       `json:"update,omitempty"`
	Body     bool       `json:"body,omitempty"`

	End   bool   `json:"end,omitempty"`
	Kind  string `json:"kind,omitempty"`  // of an error
	Error string `json:"error,omitempty"` // its text
}

const (
	chunkBytes = 64 << 10
	lineBytes  = 1 << 20 // longest line
	goneChunk  = 1<<32 - 1
)

// Encode writes a source's messages as a stream. An error of the source goes into the stream, without its cause, and is returned.
func Encode(ctx context.Context, w io.Writer, from Source) error {
	b := bufio.NewWriterSize(w, chunkBytes)
	chunk := make([]byte, 4+chunkBytes)
	err := from(ctx, func(m *Message) error { return encodeMessage(b, m, chunk) })
	last := record{End: true}
	if err != nil {
		last = record{Kind: fault.KindOf(err).String(), Error: fault.TextOf(err)}
	}
	return errors.Join(err, encodeLine(b, last), b.Flush())
}

func encodeLine(b *bufio.Writer, r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	b.Write(line)
	return b.WriteByte('\n')
}

func encodeMessage(b *bufio.Writer, m *Message, chunk []byte) error {
	r := record{ID: m.ID, Folder: m.Folder, Flags: namesOf(m.Flags), Keywords: m.Keywords, Exact: m.Exact, UniqueID: m.UniqueID, Update: m.Update, Body: m.Body != nil}
	if !m.Received.IsZero() {
		r.Received = &m.Received
	}
	if m.Source != (SourceID{}) {
		r.Source = m.Source[:]
	}
	if err := encodeLine(b, r); err != nil || m.Body == nil {
		return err
	}
	for {
		n, err := io.ReadFull(m.Body, chunk[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(chunk, uint32(n))
			if _, err := b.Write(chunk[:4+n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return binary.Write(b, binary.BigEndian, uint32(0))
		default:
			return errors.Join(err, binary.Write(b, binary.BigEndian, uint32(goneChunk)))
		}
	}
}

// Decode reads a stream. Errors: fault.Invalid if it is none, fault.Canceled if it was cut off, and
// that which the stream tells.
func Decode(r io.Reader) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		b := bufio.NewReaderSize(r, lineBytes)
		for {
			if err := ctx.Err(); err != nil {
				return fault.Wrap(fault.Canceled, err, "interrupted")
			}
			m, body, err := decodeMessage(b)
			if err != nil || m == nil {
				return err
			}
			if err := yield(m); err != nil && (body == nil || !body.gone) {
				return err
			}
			if body == nil {
				continue
			}
			if _, err := io.Copy(io.Discard, body); err != nil && !body.gone {
				return err
			}
		}
	}
}

// decodeMessage reads up to a message's body. No message is the end.
func decodeMessage(b *bufio.Reader) (*Message, *chunks, error) {
	line, err := b.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, nil, fault.New(fault.Invalid, "the stream has a line of more than %d bytes", lineBytes)
	}
	if err != nil {
		return nil, nil, cutOff(err)
	}
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, nil, fault.New(fault.Invalid, "that is no stream of messages: %v", err)
	}
	if r.End || r.Kind != "" {
		return nil, nil, r.failure()
	}
	m := &Message{ID: r.ID, Folder: r.Folder, Flags: flagsOf(r.Flags), Keywords: r.Keywords, Exact: r.Exact, UniqueID: r.UniqueID, Update: r.Update && !r.Body}
	if r.Received != nil {
		m.Received = *r.Received
	}
	if len(r.Source) == len(m.Source) {
		m.Source = SourceID(r.Source)
	}
	if !r.Body {
		return m, nil, nil
	}
	body := &chunks{b: b}
	m.Body = body
	return m, body, nil
}

// failure is the error that a last line tells; nil at the end.
func (r *record) failure() error {
	if r.End {
		return nil
	}
	for _, k := range fault.Kinds() {
		if k.String() == r.Kind {
			return fault.New(k, "%s", r.Error)
		}
	}
	return fault.New(fault.Internal, "%s", r.Error)
}

func cutOff(err error) error {
	return fault.Wrap(fault.Canceled, err, "the stream of messages was cut off")
}

// chunks is a body in a stream.
type chunks struct {
	b    *bufio.Reader
	left uint32 // of the chunk
	err  error  // how it ended
	gone bool
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.left == 0 && c.err == nil {
		c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.b.Read(p[:min(len(p), int(c.left))])
	c.left -= uint32(n)
	if err != nil {
		c.err = cutOff(err)
	}
	return n, c.err
}

func (c *chunks) next() {
	var length [4]byte
	if _, err := io.ReadFull(c.b, length[:]); err != nil {
		c.err = cutOff(err)
		return
	}
	switch c.left = binary.BigEndian.Uint32(length[:]); {
	case c.left == 0:
		c.err = io.EOF
	case c.left == goneChunk:
		c.left, c.gone, c.err = 0, true, fault.New(fault.NotFound, "the message was expunged meanwhile")
	case c.left > chunkBytes:
		c.left, c.err = 0, fault.New(fault.Invalid, "a chunk of more than %d bytes", chunkBytes)
	}
}
