package sieve

import (
	"bytes"
	"io"
	"slices"

	"postroad/internal/format/message"
)

// revised is a message that a script has changed: pieces of the one it was made of, and new text between them.
type revised struct {
	head   []byte
	pieces []piece
	size   int64
}

// piece is a range of a message, or some text.
type piece struct {
	of       io.ReaderAt
	from, to int64
	at       int64 // where it begins
}

func (r *revised) add(of io.ReaderAt, from, to int64) {
	if to > from {
		r.pieces = append(r.pieces, piece{of, from, to, r.size})
		r.size += to - from
	}
}

func (r *revised) addText(b []byte) { r.add(bytes.NewReader(b), 0, int64(len(b))) }

func (r *revised) Size() int64    { return r.size }
func (r *revised) Header() []byte { return r.head }

func (r *revised) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	i, ok := slices.BinarySearchFunc(r.pieces, off, func(p piece, off int64) int {
		switch {
		case p.at > off:
			return 1
		case p.at < off:
			return -1
		}
		return 0
	})
	if !ok {
		i--
	}
	n := 0
	for ; n < len(p) && i < len(r.pieces); i++ {
		from := &r.pieces[i]
		skip := off + int64(n) - from.at
		want := min(int64(len(p)-n), from.to-from.from-skip)
		got, err := from.of.ReadAt(p[n:n+int(want)], from.from+skip)
		if n += got; int64(got) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// revision is what has been changed in one message: its header, and ranges of its body that are other text now.
type revision struct {
	base Message
	head []byte // nil: as it was
	cuts []cutOut
	msg  *revised // what it comes to
}

// cutOut is a range with what stands there now.
type cutOut struct {
	from, to int64
	text     []byte
}

// revise begins to change the message, or goes on.
func (m *machine) revise() *revision {
	if m.rev == nil || Message(m.rev.msg) != m.msg {
		m.rev = &revision{base: m.msg}
	}
	r := *m.rev
	r.cuts = slices.Clone(r.cuts)
	return &r
}

// apply makes the changed message the message.
func (m *machine) apply(r *revision) {
	head := r.head
	if head == nil {
		head = r.base.Header()
	}
	msg := &revised{head: head}
	msg.addText(head)
	at := int64(len(r.base.Header()))
	for _, c := range r.cuts {
		msg.add(r.base, at, c.from)
		msg.addText(c.text)
		at = c.to
	}
	msg.add(r.base, at, r.base.Size())
	r.msg, m.rev, m.msg = msg, r, msg
	m.header = header{}
	m.burn(len(head) + 64*len(r.cuts))
}

// replaceHeader gives the message another header.
func (m *machine) replaceHeader(head []byte) {
	r := m.revise()
	r.head = head
	m.apply(r)
}

// become makes something else the message.
func (m *machine) become(msg *revised) {
	m.msg, m.rev, m.header = msg, nil, header{}
	m.burn(len(msg.head))
}

// holds reports whether the message is still made of another one, but for changes.
func (m *machine) holds(base Message) bool {
	return m.msg == base || m.rev != nil && Message(m.rev.msg) == m.msg && m.rev.base == base
}

// removed reports whether a part of the message was in what has been replaced.
func (m *machine) removed(p *message.Part) bool {
	return m.rev != nil && slices.ContainsFunc(m.rev.cuts, func(c cutOut) bool { return c.from <= p.HeaderOffset && p.HeaderOffset < c.to })
}

// put puts a text in the place of a range. What was replaced inside of it is gone.
func (r *revision) put(from, to int64, text []byte) {
	r.cuts = slices.DeleteFunc(r.cuts, func(c cutOut) bool { return c.from >= from && c.to <= to })
	i := 0
	for i < len(r.cuts) && r.cuts[i].from < from {
		i++
	}
	r.cuts = slices.Insert(r.cuts, i, cutOut{from, to, text})
}
